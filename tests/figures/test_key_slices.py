"""Key slices: the right slices, with evidence on the right side."""

from collections.abc import Callable

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.core.findings import Label
from medpipe.figures.key_slices import KeySlice, draw_key_slices, highest_slices

LabelBuilder = Callable[..., Label]
AXIAL = np.array([[-1.0, 0.0], [0.0, -1.0], [0.0, 0.0]])
STACK = np.zeros((3, 40, 50))


def positions(*heights_mm: float) -> np.ndarray:
    return np.array([[0.0, 0.0, height] for height in heights_mm])


def orange(pixels: np.ndarray) -> np.ndarray:
    """Return which pixels are strongly coloured; the marks of the sides are yellower."""
    return (pixels[..., 0] - pixels[..., 2] > 80) & (pixels[..., 1] < 170)


def test_highest_slices_come_highest_first_and_ties_in_order(label_of: LabelBuilder) -> None:
    label = label_of("bleed", 0.2, 0.9, 0.5, 0.9)
    assert highest_slices(label.slice_probabilities) == (1,)
    assert highest_slices(label.slice_probabilities, count=3) == (1, 3, 2)
    assert highest_slices(label.slice_probabilities, count=9) == (1, 3, 2, 0)


def test_words_name_slice_place_and_probability(label_of: LabelBuilder) -> None:
    label = label_of("bleed", 0.2, 0.9, 0.5)
    figure = draw_key_slices(
        STACK, AXIAL, positions(-7, -2, 10), [KeySlice(label, 2)], modality="CT", suffix="head"
    )
    assert figure.name == "key_slices-head"
    assert "bleed: probability 0.50 in slice 3 of 3, at 17.0 mm" in figure.alt
    assert "evidence" not in figure.caption + figure.alt
    assert "patient's left is on the right" in figure.caption


def test_slice_of_a_label_that_slices_do_not_have_states_its_share(label_of: LabelBuilder) -> None:
    keys = [KeySlice(label_of("malignant"), 1, share=0.34)]
    figure = draw_key_slices(STACK, AXIAL, positions(0, 5, 10), keys, modality="CT")
    assert "malignant: 34% of the answer from slice 2 of 3, at 5.0 mm" in figure.alt


@pytest.mark.parametrize(("runs_left", "runs_back"), [(True, True), (False, True), (True, False)])
def test_evidence_lies_on_the_side_of_the_patient(
    label_of: LabelBuilder, pixels_of: Callable[..., np.ndarray], *, runs_left: bool, runs_back: bool
) -> None:
    in_plane_mm = AXIAL * [[1 if runs_left else -1, 1 if runs_back else -1]]
    # Evidence at the patient's left and front, whichever way the axes run.
    evidence = np.zeros((4, 4))
    evidence[2:, :2] = 1.0
    evidence = evidence[:: 1 if runs_left else -1, :: 1 if runs_back else -1]
    key = KeySlice(label_of("bleed", 0.1, 0.2, 0.9), 1, evidence)
    pixels = pixels_of(draw_key_slices(STACK, in_plane_mm, positions(0, 5, 10), [key], modality="CT"))
    rows, columns = np.nonzero(orange(pixels))
    # Two tiles of 420 pixels with a gap of 3: the evidence lies in the upper right quarter of the second.
    assert columns.min() > 423 + 190
    assert rows.max() < 46 + 525 / 2 + 25
    assert len(rows) > 20_000


def test_slice_is_the_one_asked_for_in_a_stack_from_the_head_down(
    label_of: LabelBuilder, pixels_of: Callable[..., np.ndarray]
) -> None:
    stack = np.zeros((3, 40, 50))
    stack[0] = 80.0
    label = label_of("bleed", 0.9, 0.2, 0.1)
    figure = draw_key_slices(
        stack, AXIAL, positions(10, 5, 0), [KeySlice(label, 0)], modality="CT", window=(0, 80)
    )
    assert "in slice 1 of 3, at 10.0 mm" in figure.alt
    assert np.median(pixels_of(figure)[60:500, 100:400]) > 250


def test_keys_without_evidence_among_others_keep_their_place(
    label_of: LabelBuilder, pixels_of: Callable[..., np.ndarray]
) -> None:
    label = label_of("bleed", 0.1, 0.2, 0.9)
    keys = [KeySlice(label, 2), KeySlice(label, 1, np.ones((2, 2)))]
    pixels = pixels_of(draw_key_slices(STACK, AXIAL, positions(0, 5, 10), keys, modality="CT"))
    columns = np.nonzero(orange(pixels))[1]
    assert columns.size
    assert columns.min() >= 3 * (287 + 3)  # the last of four tiles


@pytest.mark.parametrize(
    ("index", "evidence", "found"),
    [
        (3, None, "slice 3 of 3"),
        (-1, None, "slice -1 of 3"),
        (0, np.full((2, 2), 1.5), "1.5 to 1.5"),
        (0, np.full((2, 2), np.nan), "nan to nan"),
        (0, np.ones(4), r"shape \(4,\)"),
        (0, np.ones((0, 2)), r"shape \(0, 2\)"),
    ],
)
def test_what_is_not_of_the_stack_is_refused(
    label_of: LabelBuilder, index: int, evidence: np.ndarray | None, found: str
) -> None:
    key = KeySlice(label_of("bleed", 0.1, 0.2, 0.9), index, evidence)
    with pytest.raises(ShapeError, match=found):
        draw_key_slices(STACK, AXIAL, positions(0, 5, 10), [key], modality="CT")


def test_none_and_other_positions_are_refused(label_of: LabelBuilder) -> None:
    with pytest.raises(ShapeError, match="found none"):
        draw_key_slices(STACK, AXIAL, positions(0, 5, 10), [], modality="CT")
    with pytest.raises(ShapeError, match=r"\(3, 40, 50\) and \(2, 3\)"):
        draw_key_slices(
            STACK, AXIAL, positions(0, 5), [KeySlice(label_of("bleed", 0.1, 0.2), 0)], modality="CT"
        )
