"""ROC figures: areas are stated, the threshold in use lies where it should."""

from collections.abc import Callable

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.core.roc import RocBand, RocCurve
from medpipe.figures.chart import LINES
from medpipe.figures.roc_curve import RocLine, draw_roc

CURVE = RocCurve(np.array([0.0, 0.2, 1.0]), np.array([0.0, 0.8, 1.0]), 0.8)
BAND = RocBand(np.array([0.0, 1.0]), np.array([0.5, 0.5]), np.array([1.0, 1.0]), 0.95)
LEFT, TOP, SIDE = 72, 20, 440


def pixel(false_positive_rate: float, sensitivity: float) -> tuple[int, int]:
    return round(TOP + (1 - sensitivity) * SIDE), round(LEFT + false_positive_rate * SIDE)


def test_areas_are_stated_with_their_intervals() -> None:
    lines = [RocLine("bleed", CURVE, interval=(0.7123, 0.8771)), RocLine("shift", CURVE)]
    figure = draw_roc(lines, suffix="fold")
    assert figure.name == "roc-fold"
    assert "bleed: area 0.800 (0.712 to 0.877); shift: area 0.800." in figure.alt
    assert "Shaded" not in figure.caption
    assert "threshold" not in figure.caption


def test_threshold_in_use_is_drawn_where_it_is(pixels_of: Callable[..., np.ndarray]) -> None:
    figure = draw_roc([RocLine("bleed", CURVE, in_use=(0.6, 0.5))])
    colour = [int(LINES[0].colour[at : at + 2], 16) for at in (1, 3, 5)]
    assert pixels_of(figure)[pixel(0.6, 0.5)].tolist() == colour
    assert "threshold in use" in figure.caption


def test_band_is_shaded_between_its_bounds(pixels_of: Callable[..., np.ndarray]) -> None:
    curve = RocCurve(CURVE.false_positive_rates, CURVE.sensitivities, 0.8, BAND)
    figure = draw_roc([RocLine("bleed", curve)])
    plain, banded = (pixels_of(draw_roc([RocLine("bleed", item)])) for item in (CURVE, curve))
    assert "95 % interval" in figure.caption
    assert not np.array_equal(plain[pixel(0.3, 0.7)], banded[pixel(0.3, 0.7)])
    assert np.array_equal(plain[pixel(0.7, 0.3)], banded[pixel(0.7, 0.3)])


def test_none_and_too_many_are_refused() -> None:
    with pytest.raises(ShapeError, match="1 to 6 curves: found 0"):
        draw_roc([])
    with pytest.raises(ShapeError, match="found 7"):
        draw_roc([RocLine("bleed", CURVE)] * 7)
