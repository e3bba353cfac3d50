"""Grids and reorientation: nothing moves in the world when array axes are permuted and flipped."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from medpipe.core.errors import ShapeError
from medpipe.core.grid import Grid, Reorientation, reorientation_between

ORIENTATIONS = ["".join(letters) for pairs in permutations(("LR", "PA", "IS")) for letters in product(*pairs)]


def source_indices(move: Reorientation, grid: Grid) -> np.ndarray:
    """Return the source index of each target voxel: ``(I, J, K, 3)`` in the target's order."""
    indices = np.moveaxis(np.indices(grid.shape), 0, -1)
    return np.flip(indices.transpose(*move.order, 3), move.flips)


class TestGrid:
    def test_axis_without_voxels_is_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"found shape \(4, 0, 2\)"):
            Grid((4, 0, 2), np.eye(4))

    def test_outer_corners_lie_half_a_voxel_beyond_the_centres(self) -> None:
        corners = Grid((2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0])).corners_mm()
        # I: -0.5 to 1.5 voxels of 1 mm; J: -0.5 to 2.5 of 2 mm; K: -0.5 to 3.5 of 3 mm.
        assert corners.min(axis=0).tolist() == [-0.5, -1.0, -1.5]
        assert corners.max(axis=0).tolist() == [1.5, 5.0, 10.5]
        assert len(np.unique(corners, axis=0)) == 8

    def test_field_of_view_counts_whole_voxels(self) -> None:
        assert Grid((2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0])).field_of_view_mm == (2, 6, 12)

    @given(grid=...)
    def test_world_and_back_is_the_index(self, grid: Grid) -> None:
        indices = np.array(list(np.ndindex(grid.shape)))
        assert_allclose(grid.to_voxels(grid.to_world_mm(indices)), indices, atol=1e-9)

    @given(grid=...)
    def test_grid_matches_itself_and_not_its_neighbour(self, grid: Grid) -> None:
        moved = grid.affine.copy()
        moved[0, 3] += 0.01
        assert grid.matches(Grid(grid.shape, grid.affine))
        assert not grid.matches(Grid(grid.shape, moved))
        assert grid.matches(Grid(grid.shape, moved), tolerance_mm=0.02)

    def test_voxels_of_a_part_keep_their_place(self) -> None:
        grid = Grid((9, 8, 7), np.diag([1.0, -2.0, 3.0, 1.0]))
        part = grid.cropped((slice(2, 9), slice(0, 4), slice(3, 5)))
        assert part.shape == (7, 4, 2)
        assert_allclose(part.to_world_mm([1, 2, 1]), grid.to_world_mm([3, 2, 4]))

    def test_grids_of_other_shape_do_not_match(self) -> None:
        assert not Grid((2, 3, 4), np.eye(4)).matches(Grid((4, 3, 2), np.eye(4)))


class TestReorientation:
    @pytest.mark.parametrize("orientation", ORIENTATIONS)
    @given(grid=...)
    def test_every_voxel_keeps_its_place_in_the_world(self, orientation: str, grid: Grid) -> None:
        move = reorientation_between(grid.affine, orientation)
        target = move.of_grid(grid)
        assert target.orientation == orientation
        places = target.to_world_mm(np.moveaxis(np.indices(target.shape), 0, -1))
        assert_allclose(places, grid.to_world_mm(source_indices(move, grid)), atol=1e-9)

    @given(grid=..., orientation=st.sampled_from(ORIENTATIONS))
    def test_there_and_back_is_identity(self, grid: Grid, orientation: str) -> None:
        there = reorientation_between(grid.affine, orientation).of_grid(grid)
        back = reorientation_between(there.affine, grid.orientation).of_grid(there)
        assert back.shape == grid.shape
        assert_allclose(back.affine, grid.affine, atol=1e-9)

    @given(grid=...)
    def test_own_orientation_moves_nothing(self, grid: Grid) -> None:
        assert reorientation_between(grid.affine, grid.orientation).is_identity

    def test_lps_to_ras_reverses_the_first_two_axes(self) -> None:
        lps = np.diag([-1.0, -1.0, 1.0, 1.0])
        move = reorientation_between(lps, "RAS")
        assert move == Reorientation((0, 1, 2), (0, 1))
        # Voxel (0, 0, 0) of a 4 x 3 x 2 grid at the origin becomes the last one along I and J.
        assert move.of_grid(Grid((4, 3, 2), lps)).affine[:3, 3].tolist() == [-3, -2, 0]

    def test_order_of_own_axes_keeps_their_directions(self) -> None:
        lps = np.diag([-1.0, -1.0, 1.0, 1.0])
        assert reorientation_between(lps, (2, 0, 1)) == Reorientation((2, 0, 1), ())
        with pytest.raises(ShapeError, match=r"found \(0, 0, 1\)"):
            reorientation_between(lps, (0, 0, 1))

    @pytest.mark.parametrize("orientation", ["RA", "RAL", "RAX", "RASS", ""])
    def test_codes_that_name_no_three_axes_are_refused(self, orientation: str) -> None:
        with pytest.raises(ShapeError, match=f"found '{orientation}'"):
            reorientation_between(np.eye(4), orientation)
