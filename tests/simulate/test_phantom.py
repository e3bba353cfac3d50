"""The marker phantom is where it says, in every orientation."""

import numpy as np
import pytest

from medpipe.core.affine import orientation_of, shear_degrees, spacing_of
from medpipe.simulate.phantom import (
    PHANTOM_SHAPE,
    all_orientations,
    marker_errors_mm,
    marker_phantom,
    orientation_affine,
    random_oblique_affine,
    rotations,
    tilted_affine,
)


def test_there_are_48_orientations_and_half_of_them_are_rotations() -> None:
    assert len(set(all_orientations())) == 48
    assert len(rotations()) == 24
    assert "RAS" in rotations()
    assert "LAS" not in rotations()


@pytest.mark.parametrize("codes", all_orientations())
def test_orientation_affine_points_where_it_says(codes: str) -> None:
    affine = orientation_affine(codes)
    assert orientation_of(affine) == codes
    assert spacing_of(affine) == (1.25, 0.75, 2.5)


def test_marker_position_is_worked_by_hand() -> None:
    phantom = marker_phantom(orientation_affine("LPS", spacing=(2, 3, 4), origin=(100, 50, -20)))
    # The first marker lies at voxel (2, 3, 4).
    assert phantom.volume.array[0, 2, 3, 4] == 100
    assert phantom.markers[0].position_mm == (100 - 2 * 2, 50 - 3 * 3, -20 + 4 * 4)


def test_no_flip_or_swap_leaves_the_markers_in_place() -> None:
    phantom = marker_phantom(orientation_affine("RAS"), shape=(22, 22, 22))
    values = phantom.volume.array[0].numpy()
    affine = phantom.volume.affine
    assert marker_errors_mm(values, affine, phantom.markers).max() == 0
    wrong = [np.flip(values, axis) for axis in range(3)]
    wrong += [values.swapaxes(0, 1), values.swapaxes(0, 2), values.swapaxes(1, 2)]
    for moved in wrong:
        assert marker_errors_mm(moved, affine, phantom.markers).max() > 1


def test_a_marker_that_is_lost_or_doubled_is_infinitely_wrong() -> None:
    phantom = marker_phantom(orientation_affine("RAS"))
    values = phantom.volume.array[0].numpy().copy()
    values[2, 3, 4] = 10
    values[0, 0, 0] = 200
    errors = marker_errors_mm(values, phantom.volume.affine, phantom.markers)
    assert np.isinf(errors).tolist() == [True, True, False, False, False, False, False]


def test_sizes_differ_along_every_axis() -> None:
    assert len(set(PHANTOM_SHAPE)) == 3


@pytest.mark.parametrize("seed", range(5))
def test_random_obliques_are_rigid_and_right_handed(seed: int) -> None:
    affine = random_oblique_affine(seed)
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-12)
    assert np.linalg.det(directions) > 0


def test_tilted_affine_steps_along_the_table() -> None:
    affine = tilted_affine(15.0, pixel_mm=(1.0, 1.0), step_mm=4.0, origin=(0, 0, 0))
    assert shear_degrees(affine) == pytest.approx(15.0)
    np.testing.assert_allclose(affine[:3, 2], [0, 0, 4])
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    assert abs(affine[:3, 2] @ normal) == pytest.approx(4 * np.cos(np.radians(15)))
