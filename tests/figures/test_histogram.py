"""Histograms: bands and thresholds are stated with their units."""

import math

import numpy as np
import pytest

from medpipe.figures.histogram import Band, Threshold, draw_histogram


def test_bands_and_thresholds_are_stated_with_units() -> None:
    figure = draw_histogram(
        np.linspace(-1000, 1000, 5000),
        unit="HU",
        bands=(Band("air", -math.inf, -300.0, 0.35), Band("bone", 300.0, math.inf, 0.35)),
        thresholds=(Threshold("Otsu", -12.5),),
    )
    assert "air 35.0% (below -300 HU)" in figure.caption
    assert "bone 35.0% (above 300 HU)" in figure.caption
    assert "Otsu at -12.5 HU" in figure.caption


@pytest.mark.parametrize(
    "values", [np.zeros(0), np.zeros(10), np.array([np.nan, np.inf]), np.array([1e-9, 1e9]), np.arange(3)]
)
def test_odd_values_are_drawn(values: np.ndarray) -> None:
    figure = draw_histogram(values, unit="", thresholds=(Threshold("far", 5e9),))
    assert figure.webp[:4] == b"RIFF"


def test_equal_values_give_equal_bytes() -> None:
    values = np.random.default_rng(2).normal(size=10_000)
    assert draw_histogram(values, unit="HU") == draw_histogram(values, unit="HU")


def test_whole_numbers_leave_no_holes_between_bins() -> None:
    # 0 to 399 once each: 256 bins would hold one or two of them in turn; 2 wide, all hold two.
    figure = draw_histogram(np.arange(400), unit="HU")
    assert "bins from -0.5 to" in figure.caption
    assert "200 bins" in figure.caption or "201 bins" in figure.caption
