"""Slice geometry: proven, flagged or refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.dicom.geometry import SliceGeometry, prove_geometry
from medpipe.io.dicom.planes import Planes, order_along_normal, same_positions
from medpipe.io.series import Form

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def planes_at(heights, *, lean_mm=0.0, orientation=AXIAL, spacing=(0.75, 0.5), thickness=3.0):
    """Return axial planes; ``lean_mm`` shifts each slice along P for each mm of height."""
    positions = [(-10.0, 20.0 + lean_mm * height, float(height)) for height in heights]
    return Planes(orientation, spacing, positions, [thickness] * len(positions))


def prove(planes, form=Form.VOLUME) -> SliceGeometry:
    return prove_geometry(planes, order_along_normal(planes).tolist(), form=form)


def codes(geometry):
    return [note.code for note in geometry.notes]


class TestEvenSlices:
    def test_affine_maps_columns_rows_and_slices_to_ras(self):
        geometry = prove(planes_at([0, 2.5, 5]))
        # Columns step 0.5 mm towards L (-R), rows 0.75 mm towards P (-A), slices 2.5 mm towards S;
        # the first pixel lies at LPS (-10, 20, 0), which is RAS (10, -20, 0).
        expected = [[-0.5, 0, 0, 10], [0, -0.75, 0, -20], [0, 0, 2.5, 0], [0, 0, 0, 1]]
        np.testing.assert_allclose(geometry.affine, expected)
        assert codes(geometry) == []
        assert all(check.passed for check in geometry.checks)

    def test_order_follows_position_not_input(self):
        planes = planes_at([5, 0, 2.5])
        assert order_along_normal(planes).tolist() == [1, 2, 0]
        assert prove(planes).positions_mm[:, 2].tolist() == [0, 2.5, 5]

    def test_thickness_is_not_spacing(self):
        geometry = prove(planes_at([0, 2, 4], thickness=5.0))
        assert geometry.affine[2, 2] == pytest.approx(2.0)
        assert geometry.thickness_mm.tolist() == [5, 5, 5]

    def test_rounded_positions_stay_even(self):
        assert codes(prove(planes_at([0, 0.33, 0.67, 1.0]))) == []

    @given(
        angles=st.tuples(*[st.floats(-3, 3)] * 3),
        step=st.floats(0.3, 10),
        lean=st.floats(-0.5, 0.5),
        count=st.integers(2, 12),
        seed=st.integers(0, 99),
    )
    def test_affine_reproduces_every_position(self, angles, step, lean, count, seed):
        rotation = rotation_of(angles)
        row, column, normal = rotation.T
        indices = np.random.default_rng(seed).permutation(count)
        positions = [(normal + lean * column) * step * k + [30, -40, 50] for k in indices]
        planes = Planes([*row, *column], (0.75, 0.5), positions, [None] * count)
        geometry = prove(planes)
        lps = (
            np.diag([-1, -1, 1])
            @ (geometry.affine @ [[0] * count, [0] * count, range(count), [1] * count])[:3]
        )
        np.testing.assert_allclose(lps.T, np.array(positions)[np.argsort(indices)], atol=1e-6)
        corner = (np.diag([-1, -1, 1, 1]) @ geometry.affine @ [6, 4, 0, 1])[:3]
        np.testing.assert_allclose(
            corner, np.array([30, -40, 50]) + 6 * 0.5 * row + 4 * 0.75 * column, atol=1e-6
        )


def rotation_of(angles):
    result = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        i, j = [k for k in range(3) if k != axis]
        turn[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        result = result @ turn
    return result


class TestTilt:
    def test_tilt_keeps_the_sheared_affine(self):
        geometry = prove(planes_at([0, 2.5, 5], lean_mm=np.tan(np.radians(15))))
        assert codes(geometry) == [Code.W_TILT]
        assert geometry.notes[0].found == "15.00 degrees"
        # The step leans to P, which is -A in RAS, by 2.5 * tan 15.
        np.testing.assert_allclose(geometry.affine[:3, 2], [0, -2.5 * np.tan(np.radians(15)), 2.5])

    def test_tilt_beyond_thirty_degrees_is_refused(self):
        with pytest.raises(RefusedError, match=r"found 35\.0 degrees") as caught:
            prove(planes_at([0, 2.5, 5], lean_mm=np.tan(np.radians(35))))
        assert caught.value.code is Code.E_TILT

    def test_positions_within_the_plane_are_refused(self):
        planes = Planes(AXIAL, (1, 1), [(0, 0, 0), (5, 0, 0), (10, 0, 0)], [1] * 3)
        with pytest.raises(RefusedError, match=r"90\.0 degrees") as caught:
            prove(planes)
        assert caught.value.code is Code.E_TILT


class TestUnevenSlices:
    def test_missing_slice_is_refused_for_a_volume(self):
        with pytest.raises(RefusedError, match=r"found 5\.00 mm between slices 3 and 4") as caught:
            prove(planes_at([0, 2.5, 5, 10, 12.5]))
        assert caught.value.code is Code.E_GAP

    def test_missing_slice_is_flagged_for_slices(self):
        geometry = prove(planes_at([0, 2.5, 5, 10, 12.5]), Form.SLICES)
        assert codes(geometry) == [Code.W_GAP]
        assert geometry.affine is None

    @pytest.mark.parametrize("heights", [[0, 4, 8, 12, 19, 26], [0, 2.5, 5, 10, 15, 20]])
    def test_two_spacings_in_one_series_are_no_volume(self, heights):
        with pytest.raises(RefusedError) as caught:
            prove(planes_at(heights))
        assert caught.value.code is Code.E_SPACING

    def test_tilted_sequential_head_ct_is_slices(self):
        lean = np.tan(np.radians(18))
        geometry = prove(planes_at([0, 4, 8, 12, 19, 26], lean_mm=lean), Form.SLICES)
        assert codes(geometry) == [Code.W_TILT, Code.W_SPACING]
        assert geometry.positions_mm[:, 2].tolist() == [0, 4, 8, 12, 19, 26]

    def test_slightly_uneven_slices_use_the_mean_step(self):
        # Steps 2.5, 2.6, 2.5, 2.4: mean 2.5, off by 4 %; slice 2 lies at 5.1 instead of 5.0.
        geometry = prove(planes_at([0, 2.5, 5.1, 7.6, 10]))
        assert codes(geometry) == [Code.W_SPACING]
        assert geometry.notes[0].found == "mean step 2.5 mm, largest position error 0.1 mm"
        assert geometry.affine[2, 2] == pytest.approx(2.5)

    def test_slices_that_slip_sideways_are_uneven(self):
        planes = planes_at([0, 2.5, 5, 7.5])
        slipped = Planes(
            AXIAL, (1, 1), [*planes.positions_mm[:2], (-5, 20, 5), planes.positions_mm[3]], [3] * 4
        )
        with pytest.raises(RefusedError) as caught:
            prove(slipped)
        assert caught.value.code is Code.E_SPACING


class TestSingleSlice:
    def test_thickness_becomes_the_extent(self):
        geometry = prove(planes_at([7], thickness=3.0))
        assert codes(geometry) == [Code.W_SINGLE_SLICE]
        np.testing.assert_allclose(geometry.affine[:3, 2], [0, 0, 3])

    def test_volume_without_thickness_is_refused(self):
        with pytest.raises(RefusedError, match="no slice thickness") as caught:
            prove(planes_at([7], thickness=None))
        assert caught.value.code is Code.E_SPACING

    def test_slices_without_thickness_are_kept(self):
        assert prove(planes_at([7], thickness=None), Form.SLICES).affine is None


class TestBadPlanes:
    @pytest.mark.parametrize(
        "orientation",
        [None, (0, 0, 0, 0, 0, 0), (1, 0, 0, 0.1, 1, 0), (2, 0, 0, 0, 1, 0), (1, 0, 0), (np.nan,) * 6],
    )
    def test_bad_orientation_is_refused(self, orientation):
        with pytest.raises(RefusedError) as caught:
            prove(planes_at([0, 1], orientation=orientation))
        assert caught.value.code is Code.E_ORIENTATION

    @pytest.mark.parametrize("spacing", [None, (0.0, 0.5), (0.5, -1.0), (np.inf, 1.0), (1.0,)])
    def test_bad_pixel_spacing_is_refused(self, spacing):
        with pytest.raises(RefusedError) as caught:
            prove(planes_at([0, 1], spacing=spacing))
        assert caught.value.code is Code.E_PIXEL_SPACING

    @pytest.mark.parametrize("position", [None, (0.0, 1.0), (0.0, 1.0, np.nan)])
    def test_missing_position_is_refused(self, position):
        planes = Planes(AXIAL, (1, 1), [(0, 0, 0), position], [1, 1])
        with pytest.raises(RefusedError, match="1 of 2 slices") as caught:
            prove(planes)
        assert caught.value.code is Code.E_POSITION


def test_slices_at_one_position_are_found():
    assert same_positions(planes_at([0, 5, 2.5, 5, 0, 5])) == [[0, 4], [1, 3, 5]]
