"""The simulated head and the MNI brain lie where their truth says."""

import numpy as np
import pytest

from medpipe.core.affine import apply_affine, inverse_of
from medpipe.core.slice_stack import SliceStack
from medpipe.core.volume import Volume
from medpipe.io.template import MniMap, load_mni
from medpipe.simulate.head_ct.beaded import BEAD_HU, BEAD_RADIUS_MM, sequential_head_ct, tilted_head_ct
from medpipe.simulate.mni import MR_SCALE, oblique_brain
from medpipe.simulate.phantom import Marker
from medpipe.simulate.small_ct import small_ct


def bead_centre(image: Volume | SliceStack, marker: Marker) -> np.ndarray:
    """Centre of all bright voxels near a marker, each slice weighted by its thickness."""
    if isinstance(image, Volume):
        voxels = np.argwhere(image.array[0].numpy() > BEAD_HU / 2)
        points, weights = apply_affine(image.affine, voxels), np.ones(len(voxels))
    else:
        found = np.argwhere(image.array[:, 0].numpy() > BEAD_HU / 2)
        points = image.positions_mm[found[:, 0]] + found[:, 1:] @ image.in_plane_mm.T
        weights = image.thickness_mm[found[:, 0]]
    near = np.linalg.norm(points - marker.position_mm, axis=1) < 2 * BEAD_RADIUS_MM
    return np.average(points[near], axis=0, weights=weights[near])


class TestHeadCt:
    def test_every_bead_is_found_where_the_truth_puts_it(self) -> None:
        head = tilted_head_ct()
        assert isinstance(head.image, Volume)
        for marker in head.markers:
            # 4 mm steps sample a sphere of 10 mm: its centre is known to about half a step.
            assert np.linalg.norm(bead_centre(head.image, marker) - marker.position_mm) < 1.0

    def test_beads_survive_uneven_steps(self) -> None:
        head = sequential_head_ct()
        assert isinstance(head.image, SliceStack)
        for marker in head.markers:
            assert np.linalg.norm(bead_centre(head.image, marker) - marker.position_mm) < 2.0

    def test_tilt_shears_the_grid_by_15_degrees(self) -> None:
        grid = tilted_head_ct(pixel_mm=4.0).image.grid
        assert grid.is_sheared
        np.testing.assert_allclose(grid.affine[:3, 2], [0, 0, 4.0])

    def test_sequential_scan_steps_by_4_then_7_mm(self) -> None:
        stack = sequential_head_ct(pixel_mm=4.0).image
        table_steps = stack.gaps_mm / np.cos(np.radians(15.0))
        assert set(np.round(table_steps, 6)) == {4.0, 7.0}
        assert (np.diff(table_steps) >= -1e-9).all()

    def test_tissues_have_their_density(self) -> None:
        image = tilted_head_ct(pixel_mm=2.0).image
        hu = image.array[0].numpy()

        def at(point_mm: tuple[float, float, float]) -> float:
            i, j, k = np.rint(apply_affine(inverse_of(image.affine), point_mm)).astype(int)
            return float(hu[i - 1 : i + 2, j - 1 : j + 2, k].mean())

        assert 0 < at((-12, -40, 12)) < 30  # trigone of the left lateral ventricle and its border
        assert 20 < at((-26, -20, 34)) < 42  # white matter
        assert at((-92, 90, 90)) == pytest.approx(-1000, abs=10)  # air

    def test_noise_follows_the_seed(self) -> None:
        first, again, other = (tilted_head_ct(pixel_mm=6.0, seed=seed).image for seed in (1, 1, 2))
        assert bool((first.array == again.array).all())
        assert not bool((first.array == other.array).all())

    def test_head_is_asymmetric_by_its_beads(self) -> None:
        sides = [marker.position_mm[0] for marker in tilted_head_ct(pixel_mm=6.0).markers]
        assert sorted(round(-side, 1) for side in sides) != sorted(round(side, 1) for side in sides)


class TestBrain:
    def test_template_is_symmetric_and_in_range(self) -> None:
        values = load_mni().array[0]
        assert (float(values.min()), float(values.max())) == (0.0, 1.0)
        assert bool((values == values.flip(0)).all())
        for map_ in MniMap:
            assert load_mni(map_, spacing_mm=2).grid.orientation == "RAS"

    def test_oblique_brain_holds_the_template_at_every_point(self) -> None:
        brain, template = oblique_brain(), load_mni()
        voxels = np.random.default_rng(0).integers(0, brain.grid.shape, size=(200, 3))
        points = apply_affine(brain.affine, voxels)
        corner = np.floor(apply_affine(inverse_of(template.affine), points)).astype(int)
        inside = ((corner >= 0) & (corner < np.array(template.grid.shape) - 1)).all(axis=1)
        assert inside.sum() > 150
        values = template.array[0].numpy()
        for voxel, lower in zip(voxels[inside], corner[inside], strict=True):
            around = values[tuple(slice(index, index + 2) for index in lower)] * MR_SCALE
            assert around.min() - 0.5 <= float(brain.array[(0, *voxel)]) <= around.max() + 0.5

    def test_oblique_brain_is_not_cut(self) -> None:
        values = oblique_brain().array[0]
        for axis in range(3):
            assert float(values.select(axis, 0).max()) == 0
            assert float(values.select(axis, values.shape[axis] - 1).max()) == 0

    def test_oblique_brain_is_turned_by_17_and_9_degrees(self) -> None:
        directions = oblique_brain().affine[:3, :3] / [1.0, 1.0, 2.0]
        # K is turned about x by 17 and about y by 9 degrees: its S part is the product of the cosines.
        assert directions[2, 2] == pytest.approx(np.cos(np.radians(17)) * np.cos(np.radians(9)))


def test_small_ct_differs_from_each_of_its_mirror_images() -> None:
    values = small_ct().array[0]
    for axis in range(3):
        assert not bool((values == values.flip(axis)).all())
