"""Reliability figures: shares, probabilities and counts are stated and drawn."""

from collections.abc import Callable

import numpy as np
import pytest

from medpipe.core.calibration import ReliabilityBin
from medpipe.core.errors import ShapeError
from medpipe.figures.chart import LINES
from medpipe.figures.reliability import draw_reliability

BINS = (
    ReliabilityBin(probability=0.1, share=0.05, low=0.01, high=0.2, num_cases=200),
    ReliabilityBin(probability=0.7, share=0.4, low=0.2, high=0.6, num_cases=9),
)


def test_each_point_is_stated_with_its_cases() -> None:
    figure = draw_reliability([("bleed", BINS)], suffix="held-out")
    assert figure.name == "reliability-held-out"
    assert "bleed: 0.10 and 0.05 of 200 cases, 0.70 and 0.40 of 9 cases." in figure.alt


def test_points_and_intervals_are_drawn_where_they_are(pixels_of: Callable[..., np.ndarray]) -> None:
    pixels = pixels_of(draw_reliability([("bleed", BINS)]))
    colour = [int(LINES[0].colour[at : at + 2], 16) for at in (1, 3, 5)]
    column = round(72 + 0.7 * 440)
    rows = [round(20 + (1 - share) * 440) for share in (0.4, 0.58, 0.22)]
    assert pixels[rows[0], column].tolist() == colour
    # The interval runs from 0.2 to 0.6, and no further.
    for row in rows[1:]:
        assert (np.abs(pixels[row, column - 2 : column + 3] - colour).sum(axis=1) < 120).any()
    beyond = round(20 + (1 - 0.65) * 440)
    assert (np.abs(pixels[beyond, column - 2 : column + 3] - colour).sum(axis=1) > 120).all()


def test_none_and_empty_curves_are_refused() -> None:
    with pytest.raises(ShapeError, match="found 0 curves"):
        draw_reliability([])
    with pytest.raises(ShapeError, match=r"found 2 curves with \[2, 0\] bins"):
        draw_reliability([("bleed", BINS), ("shift", ())])
