"""Slice stacks: every slice has a place of its own."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from medpipe.core.affine import apply_affine
from medpipe.core.errors import ShapeError
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import Source, SourceKind

SOURCE = Source(kind=SourceKind.MEMORY)
IN_PLANE = np.array([[0.5, 0.0], [0.0, 0.7], [0.0, 0.0]])
POSITIONS = np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 4.0], [1.0, 2.0, 11.0]])


def stack(**changes: object) -> SliceStack:
    """Return three slices of 5 x 6 pixels, 4 and 7 mm apart."""
    fields: dict[str, object] = {
        "array": torch.zeros(3, 1, 5, 6),
        "in_plane_mm": IN_PLANE,
        "positions_mm": POSITIONS,
        "thickness_mm": np.array([4.0, np.nan, 7.0]),
    }
    return SliceStack(**{**fields, **changes}, modality="CT", source=SOURCE)  # type: ignore[arg-type]  # mixed


def test_geometry_of_uneven_slices() -> None:
    slices = stack()
    assert slices.num_slices == 3
    assert slices.spacing_mm == (0.5, 0.7)
    assert_allclose(slices.gaps_mm, [4, 7])
    assert_allclose(slices.normal, [0, 0, 1])


def test_gaps_of_tilted_slices_are_along_the_normal() -> None:
    assert_allclose(stack(positions_mm=POSITIONS + np.outer([0, 1, 3], [0, 1, 0])).gaps_mm, [4, 7])


def test_slice_affine_puts_pixels_at_their_place() -> None:
    # Pixel (2, 3) of the last slice: 2 * 0.5 mm and 3 * 0.7 mm from its corner at (1, 2, 11).
    assert_allclose(apply_affine(stack().slice_affine(2), [2, 3, 0]), [2.0, 4.1, 11.0])


def test_arrays_are_copies_that_cannot_be_written_to() -> None:
    slices = stack()
    assert slices.positions_mm is not POSITIONS
    with pytest.raises(ValueError, match="read-only"):
        slices.positions_mm[0, 0] = 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("in_plane_mm", np.zeros((2, 3))),
        ("positions_mm", np.zeros((2, 3))),
        ("thickness_mm", np.zeros(4)),
    ],
)
def test_geometry_of_other_shape_is_refused(field: str, value: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=rf"{field} must be .* found shape \({value.shape[0]}"):
        stack(**{field: value})


def test_no_slices_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"found shape \(0, 1, 5, 6\)"):
        stack(array=torch.zeros(0, 1, 5, 6))
