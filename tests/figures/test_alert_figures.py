"""Charts of precision and of alerts: figures are stated, marks lie where they should."""

from collections.abc import Callable

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.figures.alert_curve import AlertLine, draw_alert_curve
from medpipe.figures.chart import LINES
from medpipe.figures.precision_recall import PrecisionLine, draw_precision_recall

PRECISION = PrecisionLine("48 h", np.array([0.2, 1.0]), np.array([1.0, 0.25]), 0.25, "0.500", (0.6, 0.5))
ALERTS = AlertLine("every step", np.array([0.0, 0.1, 1.0]), np.array([0.0, 0.4, 0.9]), (0.1, 0.4))
LEFT, TOP, SIDE = 72, 20, 440


def colour(number: int) -> list[int]:
    return [int(LINES[number].colour[at : at + 2], 16) for at in (1, 3, 5)]


def test_threshold_in_use_is_drawn_on_the_precision(pixels_of: Callable[..., np.ndarray]) -> None:
    figure = draw_precision_recall([PRECISION])
    assert figure.name == "precision_recall"
    assert "48 h: area 0.500" in figure.alt
    assert "threshold in use" in figure.caption
    pixels = pixels_of(figure)
    assert pixels[round(TOP + 0.5 * SIDE), round(LEFT + 0.6 * SIDE)].tolist() == colour(0)


def test_alert_figure_states_the_threshold_in_use(pixels_of: Callable[..., np.ndarray]) -> None:
    figure = draw_alert_curve([ALERTS], suffix="icu")
    assert figure.name == "alerts-icu"
    assert "every step: 0.40 found with 0.10 alerts" in figure.alt
    # The plot is 400 pixels high: the mark lies at 0.6 of that from its top.
    assert colour(0) in pixels_of(figure)[round(TOP + 0.6 * 400), LEFT : LEFT + 100].tolist()


def test_none_and_too_many_are_refused() -> None:
    with pytest.raises(ShapeError, match="found 0"):
        draw_precision_recall([])
    with pytest.raises(ShapeError, match="found 7"):
        draw_precision_recall([PRECISION] * 7)
    with pytest.raises(ShapeError, match="found 0"):
        draw_alert_curve([])
    nothing = AlertLine("none", np.zeros(2), np.zeros(2))
    with pytest.raises(ShapeError, match=r"1 with \[0\] points"):
        draw_alert_curve([nothing])
