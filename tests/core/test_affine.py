"""Affines: what is refused, and that codes, spacing and tilt mean what other libraries mean."""

import nibabel
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from medpipe.core.affine import (
    LPS_FROM_RAS,
    apply_affine,
    checked_affine,
    closest_axes,
    directions_of,
    inverse_of,
    is_oblique,
    is_sheared,
    orientation_of,
    shear_degrees,
    spacing_of,
    voxel_volume_ml,
)
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, ShapeError
from medpipe.core.grid import Grid


def turned(degrees: float) -> np.ndarray:
    """Return an affine of 1 x 2 x 3 mm voxels, turned about the axis from foot to head."""
    angle = np.radians(degrees)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return affine @ np.diag([1.0, 2.0, 3.0, 1.0])


def tilted(degrees: float) -> np.ndarray:
    """Return an affine whose slices, 5 mm apart along their normal, slip towards the front."""
    affine = np.diag([0.5, 0.5, 5.0, 1.0])
    affine[1, 2] = 5.0 * np.tan(np.radians(degrees))
    return affine


class TestCheckedAffine:
    def test_shape_other_than_4x4_is_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"4x4: found shape \(3, 4\)"):
            checked_affine(np.eye(4)[:3])

    def test_last_row_other_than_0001_is_refused(self) -> None:
        affine = np.eye(4)
        affine[3, 0] = 0.5
        with pytest.raises(ShapeError, match=r"found \[0\.5, 0\.0, 0\.0, 1\.0\]"):
            checked_affine(affine)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_values_that_are_not_finite_are_refused(self, value: float) -> None:
        affine = np.eye(4)
        affine[0, 3] = value
        with pytest.raises(RefusedError, match="not finite") as caught:
            checked_affine(affine)
        assert caught.value.code is Code.E_AFFINE

    def test_column_of_zeros_is_refused(self) -> None:
        with pytest.raises(RefusedError, match="found columns of 1, 0, 1 mm"):
            checked_affine(np.diag([1.0, 0.0, 1.0, 1.0]))

    def test_parallel_columns_are_refused(self) -> None:
        affine = np.eye(4)
        affine[:3, 1] = [2.0, 1e-8, 0.0]
        with pytest.raises(RefusedError, match="singular"):
            checked_affine(affine)

    def test_micrometre_voxels_are_not_singular(self) -> None:
        assert spacing_of(checked_affine(np.diag([1e-3, 1e-3, 1e-3, 1.0]))) == (1e-3, 1e-3, 1e-3)

    def test_the_result_is_a_copy_that_cannot_be_written_to(self) -> None:
        given_affine = np.eye(4)
        affine = checked_affine(given_affine)
        given_affine[0, 0] = 7
        assert affine[0, 0] == 1
        with pytest.raises(ValueError, match="read-only"):
            affine[0, 0] = 7


class TestDirections:
    def test_spacing_is_in_array_order(self) -> None:
        assert_allclose(spacing_of(turned(30)), (1, 2, 3))

    @given(grid=...)
    def test_spacing_agrees_with_nibabel(self, grid: Grid) -> None:
        assert_allclose(grid.spacing, nibabel.affines.voxel_sizes(grid.affine))

    @given(grid=...)
    def test_codes_agree_with_nibabel_where_each_axis_is_nearest_to_one_of_its_own(self, grid: Grid) -> None:
        weights = np.sort(np.abs(directions_of(grid.affine)), axis=0)
        assume((weights[2] - weights[1] > 0.3).all())
        assert grid.orientation == "".join(nibabel.aff2axcodes(grid.affine))

    @given(grid=...)
    def test_each_voxel_axis_has_a_world_axis_of_its_own(self, grid: Grid) -> None:
        assert sorted(closest_axes(grid.affine)) == [0, 1, 2]

    def test_axes_of_an_extreme_shear_still_have_a_sign(self) -> None:
        # Taking the largest cosine first pairs I with R, J with A, and leaves K with S, of cosine 0.
        affine = np.eye(4)
        affine[:3, :3] = [[1.0, 0.0, 0.8], [0.0, 0.8, 0.6], [0.0, 0.6, 0.0]]
        assert closest_axes(affine) == (0, 2, 1)
        assert orientation_of(affine) == "RSA"

    def test_half_a_degree_is_oblique(self) -> None:
        assert is_oblique(turned(0.5))

    def test_float32_rounding_is_not_oblique(self) -> None:
        assert not is_oblique(turned(180.001))

    @given(grid=...)
    def test_obliqueness_agrees_with_nibabel(self, grid: Grid) -> None:
        degrees = np.degrees(nibabel.affines.obliquity(grid.affine)).max()
        assume(not 0.03 < degrees < 0.1)
        assert is_oblique(grid.affine) == (degrees > 0.06)


class TestShear:
    @pytest.mark.parametrize("degrees", [0.0, 0.1, 15.0, -22.5, 30.0])
    def test_tilt_that_was_built_in_is_found(self, degrees: float) -> None:
        assert shear_degrees(tilted(degrees)) == pytest.approx(abs(degrees), abs=1e-9)

    @given(degrees=st.floats(-30, 30), turn=st.floats(-180, 180))
    def test_turning_the_scan_leaves_its_tilt(self, degrees: float, turn: float) -> None:
        rotation = turned(turn) @ np.diag([1, 1 / 2, 1 / 3, 1])
        assert shear_degrees(rotation @ tilted(degrees)) == pytest.approx(abs(degrees), abs=1e-6)

    def test_rotation_is_no_shear(self) -> None:
        assert not is_sheared(turned(33))
        assert is_sheared(tilted(1))

    def test_voxel_volume_counts_the_distance_between_slices_not_their_slip(self) -> None:
        # 0.5 x 0.5 mm pixels, 5 mm along the normal: 1.25 mm3.
        assert voxel_volume_ml(tilted(20)) == pytest.approx(0.00125)


class TestApplication:
    def test_points_of_any_leading_shape_are_mapped(self) -> None:
        points = np.ones((2, 5, 3))
        assert_allclose(
            apply_affine(np.diag([1.0, 2.0, 3.0, 1.0]), points), np.broadcast_to([1, 2, 3], (2, 5, 3))
        )

    @given(grid=...)
    def test_inverse_maps_back(self, grid: Grid) -> None:
        indices = np.array(list(np.ndindex(grid.shape)))
        assert_allclose(apply_affine(inverse_of(grid.affine), grid.to_world_mm(indices)), indices, atol=1e-9)

    def test_world_frames_differ_in_two_signs(self) -> None:
        assert_allclose(apply_affine(LPS_FROM_RAS, [1, 2, 3]), [-1, -2, 3])
        assert_allclose(LPS_FROM_RAS @ LPS_FROM_RAS, np.eye(4))
