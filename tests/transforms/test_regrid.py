"""Regridding: uneven slices become an evenly spaced volume that says the same of the body."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from medpipe.core.affine import Array, shear_degrees
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import Source, SourceKind
from medpipe.transforms.regrid import regrid_slices

IN_PLANE = np.array([[0.5, 0.0], [0.0, 0.75], [0.0, 0.0]])
HEIGHTS_MM = np.array([0.0, 4.0, 8.0, 12.0, 19.0, 26.0, 33.0])
"""A head scanned in sequence: 4 mm slices below, 7 mm slices above."""


def ramp_stack(*, in_plane: Array = IN_PLANE, along: Array, heights_mm: Array = HEIGHTS_MM) -> SliceStack:
    """Return slices of 3 x 5 pixels whose values rise with the depth along their normal.

    Args:
        in_plane: ``(3, 2)`` steps along I and J.
        along: Unit step from slice to slice; not the normal where slices are tilted.
        heights_mm: Distance of each slice from the first, along ``along``.
    """
    positions = np.array([10.0, -20.0, 30.0]) + np.outer(heights_mm, along)
    normal = np.cross(in_plane[:, 0], in_plane[:, 1])
    depths = (positions - positions[0]) @ (normal / np.linalg.norm(normal))
    pixels = torch.arange(15.0).reshape(1, 1, 3, 5)
    return SliceStack(
        array=pixels + 100.0 * torch.tensor(depths, dtype=torch.float32)[:, None, None, None],
        in_plane_mm=in_plane,
        positions_mm=positions,
        thickness_mm=np.full(len(heights_mm), 4.0),
        modality="CT",
        source=Source(kind=SourceKind.MEMORY),
    )


def test_ramp_along_the_normal_is_reproduced_exactly() -> None:
    volume = regrid_slices(ramp_stack(along=np.array([0.0, 0.0, 1.0])), step_mm=1.0)
    assert volume.array.shape == (1, 3, 5, 34)
    expected = torch.arange(15.0).reshape(3, 5, 1) + 100.0 * torch.arange(34.0)
    torch.testing.assert_close(volume.array[0], expected, rtol=0, atol=2e-3)


def test_four_then_seven_mm_become_the_median_gap() -> None:
    # Gaps are 4 4 4 7 7 7, their median 5.5: slices at 0, 5.5 ... 33.
    volume = regrid_slices(ramp_stack(along=np.array([0.0, 0.0, 1.0])))
    assert volume.array.shape[-1] == 7
    assert_allclose(volume.grid.spacing, [0.5, 0.75, 5.5])
    assert_allclose(volume.affine[:3, 3], [10, -20, 30])
    # 5.5 mm lies 1.5 mm above the slice at 4 mm: 0.625 of it and 0.375 of the one at 8 mm.
    assert_allclose(volume.array[0, 0, 0, 1], 0.625 * 400 + 0.375 * 800)


def test_a_step_that_does_not_divide_the_stack_ends_before_its_last_slice() -> None:
    volume = regrid_slices(ramp_stack(along=np.array([0.0, 0.0, 1.0])), step_mm=5.0)
    assert volume.array.shape[-1] == 7  # 0, 5 ... 30 of 33 mm
    assert_allclose(volume.array[0, 0, 0, -1], 3000.0)


def test_slices_that_are_even_already_stay_as_they_are() -> None:
    stack = ramp_stack(along=np.array([0.0, 0.0, 1.0]), heights_mm=np.array([0.0, 3.0, 6.0, 9.0]))
    volume = regrid_slices(stack)
    assert_allclose(volume.array[0].permute(2, 0, 1), stack.array[:, 0])


def test_gantry_tilt_stays_in_the_affine() -> None:
    angle = np.radians(18.0)
    tilted = np.array([[0.5, 0.0], [0.0, 0.75 * np.cos(angle)], [0.0, -0.75 * np.sin(angle)]])
    stack = ramp_stack(in_plane=tilted, along=np.array([0.0, 0.0, 1.0]))
    volume = regrid_slices(stack, step_mm=2.0)
    assert_allclose(shear_degrees(volume.affine), 18.0, atol=1e-6)
    assert_allclose(volume.affine[:3, :2], tilted)
    # The table moves along S: 2 mm along the normal are 2 / cos(18 degrees) mm of table.
    assert_allclose(volume.affine[:3, 2], [0, 0, 2.0 / np.cos(angle)])
    assert_allclose(volume.array[0, 0, 0, 3], 600.0, rtol=1e-6)


def test_regridding_is_flagged_with_the_gaps_found() -> None:
    (note,) = regrid_slices(ramp_stack(along=np.array([0.0, 0.0, 1.0])), step_mm=4.0).source.notes
    assert note.code is Code.W_REGRID
    assert note.found == "gaps of 4.000 to 7.000 mm to 4.000 mm"


def test_slices_off_the_line_are_refused() -> None:
    stack = ramp_stack(along=np.array([0.0, 0.0, 1.0]))
    positions = stack.positions_mm.copy()
    positions[3, 0] += 0.8
    moved = SliceStack(
        stack.array, stack.in_plane_mm, positions, stack.thickness_mm, stack.modality, stack.source
    )
    with pytest.raises(RefusedError, match=r"found a slice 0\.80 mm off the line") as error:
        regrid_slices(moved)
    assert error.value.code is Code.E_SPACING


def test_a_slice_off_the_line_within_the_tolerance_is_taken() -> None:
    stack = ramp_stack(along=np.array([0.0, 0.0, 1.0]))
    positions = stack.positions_mm.copy()
    positions[3, 0] += 0.4
    moved = SliceStack(
        stack.array, stack.in_plane_mm, positions, stack.thickness_mm, stack.modality, stack.source
    )
    assert regrid_slices(moved).array.shape[-1] == 7


def test_a_single_slice_is_refused() -> None:
    stack = ramp_stack(along=np.array([0.0, 0.0, 1.0]), heights_mm=np.array([0.0]))
    with pytest.raises(RefusedError, match="single slice"):
        regrid_slices(stack)
