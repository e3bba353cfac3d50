"""Curves over slices: peaks are stated and drawn where the slices lie."""

from collections.abc import Callable

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.core.findings import Label
from medpipe.figures.chart import LINES
from medpipe.figures.slice_curve import draw_slice_curves

LabelBuilder = Callable[..., Label]
AXIAL = np.array([[-1.0, 0.0], [0.0, -1.0], [0.0, 0.0]])
PLOT = (72, 62, 1160 - 356, 470 - 62)
"""Left, top, right and bottom of the plot in pixels."""


def positions(*heights_mm: float) -> np.ndarray:
    return np.array([[0.0, 0.0, height] for height in heights_mm])


def pixel(share_of_length: float, probability: float) -> tuple[int, int]:
    """Return row and column of a point; the axis begins 3 % before the lowest slice and ends 2 % after."""
    left, top, right, bottom = PLOT
    column = left + (share_of_length + 0.03) / 1.05 * (right - left)
    return round(bottom - probability * (bottom - top)), round(column)


def test_peaks_and_thresholds_are_stated(label_of: LabelBuilder) -> None:
    bleed = label_of("bleed", 0.1, 0.6, 0.9, 0.2, threshold=0.4)
    shift = label_of("shift", 0.3, 0.3, 0.1, 0.1, threshold=0.7)
    figure = draw_slice_curves([bleed, shift], AXIAL, positions(-30, -26, -22, -15), suffix="head")
    assert figure.name == "slice_curve-head"
    # Slice 3 lies 8 mm above the lowest; of equal peaks the first is named.
    assert "bleed: highest 0.90 in slice 3 at 8.0 mm, threshold 0.40 reached in 2 slices" in figure.alt
    assert "shift: highest 0.30 in slice 1 at 0.0 mm, threshold 0.70 reached in 0 slices" in figure.alt


def test_peak_is_drawn_at_its_true_position(
    label_of: LabelBuilder, pixels_of: Callable[..., np.ndarray]
) -> None:
    curve = (0.1, 0.1, 0.8, 0.1)
    figure = draw_slice_curves([label_of("bleed", *curve)], AXIAL, positions(0, 4, 8, 20), suffix="")
    pixels = pixels_of(figure)
    colour = [int(LINES[0].colour[at : at + 2], 16) for at in (1, 3, 5)]
    assert pixels[pixel(8 / 20, 0.8)].tolist() == colour
    # Were the slices drawn evenly, it would lie at two thirds.
    assert pixels[pixel(2 / 3, 0.8)].tolist() != colour


def test_stack_from_the_head_down_is_drawn_from_the_lowest_slice(
    label_of: LabelBuilder, pixels_of: Callable[..., np.ndarray]
) -> None:
    up = draw_slice_curves([label_of("bleed", 0.1, 0.2, 0.9)], AXIAL, positions(0, 5, 12))
    down = draw_slice_curves([label_of("bleed", 0.9, 0.2, 0.1)], AXIAL, positions(12, 5, 0))
    assert "in slice 3 at 12.0 mm" in up.alt
    assert "in slice 1 at 12.0 mm" in down.alt
    assert "numbered from the other end" in down.caption
    _, top, right, bottom = PLOT
    # The curves are the same; only numbers of slices differ, above the plot and beside it.
    inside = slice(top + 2, bottom), slice(PLOT[0], right - 2)
    assert np.array_equal(pixels_of(up)[inside], pixels_of(down)[inside])


def test_of_many_labels_those_above_threshold_are_drawn(label_of: LabelBuilder) -> None:
    low = [label_of(f"low {number}", 0.1, 0.01 * number) for number in range(7)]
    high = label_of("high", 0.2, 0.3, threshold=0.25)
    figure = draw_slice_curves([*low, high], AXIAL, positions(0, 5))
    assert "high: highest 0.30" in figure.alt
    assert figure.alt.count("highest") == 6
    # All low ones have their peak of 0.1 in slice 1: the first five are as good as any.
    assert "Not drawn: low 5, low 6." in figure.caption


def test_names_are_text_and_no_formula(label_of: LabelBuilder) -> None:
    figure = draw_slice_curves([label_of(r"$\frac{1}{0}$ <b>" + "x" * 80, 0.5)], AXIAL, positions(3))
    assert figure.webp[:4] == b"RIFF"


def test_other_planes_name_their_lowest_end(label_of: LabelBuilder) -> None:
    sagittal = np.array([[0.0, 0.0], [-1.0, 0.0], [0.0, -1.0]])
    stack = np.array([[-20.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
    figure = draw_slice_curves([label_of("tear", 0.1, 0.6)], sagittal, stack)
    assert "in slice 2 at 25.0 mm" in figure.alt


def test_equal_labels_give_equal_bytes(label_of: LabelBuilder) -> None:
    labels = [label_of("bleed", 0.1, 0.7), label_of("shift", 0.2, 0.1, threshold=0.3)]
    first, again = (draw_slice_curves(labels, AXIAL, positions(0, 5)) for _ in range(2))
    assert first == again


def test_curves_of_another_stack_and_none_are_refused(label_of: LabelBuilder) -> None:
    with pytest.raises(ShapeError, match="found 3 for 2 slices"):
        draw_slice_curves([label_of("bleed", 0.1, 0.2, 0.3)], AXIAL, positions(0, 5))
    with pytest.raises(ShapeError, match="found none"):
        draw_slice_curves([], AXIAL, positions(0, 5))
