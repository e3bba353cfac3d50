"""Scans put the head where the truth says, whatever the tilt, and average it over their thickness."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medpipe.core.affine import apply_affine
from medpipe.core.slice_stack import SliceStack
from medpipe.simulate.head_ct.acquisition import AIR_HU, sample_slabs, scan_head
from medpipe.simulate.head_ct.head_grid import HEAD_GRID
from medpipe.simulate.head_ct.plan import HeadPlan, draw_plan
from medpipe.simulate.head_ct.scan_plan import ScanPlan
from medpipe.simulate.head_ct.studies import simulated_head_ct

BEAD_MM = (21.0, -33.0, 12.0)
"""In the head's frame."""


def beaded(hu: float = 1000.0) -> np.ndarray:
    """Return air with a bead of 8 mm radius."""
    points = HEAD_GRID.to_world_mm(np.moveaxis(np.indices(HEAD_GRID.shape), 0, -1))
    distance = np.linalg.norm(points - BEAD_MM, axis=-1)
    return np.where(distance < 8.0, np.float32(hu), np.float32(AIR_HU))


def centre_mm(stack: SliceStack) -> np.ndarray:
    """Return the centre of what is not air, each pixel weighted by its density and its slice's thickness."""
    weights = (stack.array[:, 0].numpy() - AIR_HU).clip(50.0) - 50.0
    weights = weights * stack.thickness_mm[:, None, None]
    found = np.argwhere(weights > 0)
    points = stack.positions_mm[found[:, 0]] + found[:, 1:] @ stack.in_plane_mm.T
    return np.average(points, axis=0, weights=weights[weights > 0])


def scan_of(plan: HeadPlan, tilt_degrees: float, thickness_mm: np.ndarray) -> ScanPlan:
    feed = (thickness_mm[:-1] + thickness_mm[1:]) / 2
    along = np.concatenate([[0.0], np.cumsum(feed)])
    return replace(
        plan.scan,
        turn_degrees=(4.0, -3.0, 5.0),
        shift_mm=(2.0, -3.0, 4.0),
        tilt_degrees=tilt_degrees,
        table_mm=-40.0 + along / np.cos(np.radians(tilt_degrees)),
        thickness_mm=thickness_mm,
    )


class TestGeometry:
    @pytest.mark.parametrize("tilt_degrees", [0.0, 12.0, 25.0])
    @pytest.mark.parametrize("pixel_mm", [1.0, 2.5])
    def test_a_bead_lies_where_the_pose_puts_it(
        self, healthy: HeadPlan, tilt_degrees: float, pixel_mm: float
    ) -> None:
        scan = scan_of(healthy, tilt_degrees, np.array([4.0] * 10 + [7.0] * 12))
        stack = scan_head(beaded(), healthy.person, scan, pixel_mm=pixel_mm)
        expected = apply_affine(scan.pose, BEAD_MM)
        # A bead of 16 mm on slices of up to 7 mm.
        assert np.linalg.norm(centre_mm(stack) - expected) < 0.5

    def test_two_thicknesses_make_two_gaps(self, healthy: HeadPlan) -> None:
        scan = scan_of(healthy, 20.0, np.array([4.0] * 3 + [7.0] * 3))
        stack = scan_head(beaded(), healthy.person, scan, pixel_mm=4.0)
        np.testing.assert_allclose(stack.gaps_mm, [4.0, 4.0, 5.5, 7.0, 7.0])
        np.testing.assert_allclose(stack.thickness_mm, [4, 4, 4, 7, 7, 7])

    def test_tilt_leans_the_front_upwards_and_leaves_the_table_straight(self, healthy: HeadPlan) -> None:
        scan = scan_of(healthy, 20.0, np.full(4, 5.0))
        stack = scan_head(beaded(), healthy.person, scan, pixel_mm=4.0)
        back_to_front = -stack.in_plane_mm[:, 1] / 4.0
        np.testing.assert_allclose(back_to_front, [0, np.cos(np.radians(20)), np.sin(np.radians(20))])
        np.testing.assert_allclose(np.diff(stack.positions_mm, axis=0)[:, :2], 0.0, atol=1e-9)

    def test_a_slice_is_the_mean_over_its_thickness(self, healthy: HeadPlan) -> None:
        # A slope of 2 HU a mm upwards: the mean over a slice is its middle's, in the grid alone.
        height = np.arange(HEAD_GRID.shape[2], dtype=np.float32) * 1.5 - 100.0
        slope = np.broadcast_to(2.0 * height, HEAD_GRID.shape).astype(np.float32)
        scan = replace(
            healthy.scan,
            turn_degrees=(0.0, 0.0, 0.0),
            shift_mm=(0.0, 0.0, 0.0),
            table_mm=np.array([-10.0, 0.0, 30.0]),
            thickness_mm=np.array([3.0, 8.0, 5.0]),
        )
        means = sample_slabs(slope, scan, 4.0, fill=0.0)
        np.testing.assert_allclose(means[:, 25, 30], [-20.0, 0.0, 60.0], atol=1e-3)

    def test_a_thin_sheet_fades_in_a_thick_slice(self, healthy: HeadPlan) -> None:
        sheet = np.zeros(HEAD_GRID.shape, dtype=np.float32)
        sheet[:, :, 68] = 100.0  # at z = 2 mm; with its ramps it holds as much as 1.5 mm of 100 HU
        scan = replace(
            healthy.scan,
            turn_degrees=(0.0, 0.0, 0.0),
            shift_mm=(0.0, 0.0, 0.0),
            table_mm=np.array([2.0]),
            thickness_mm=np.array([7.5]),
        )
        means = sample_slabs(sheet, scan, 4.0, fill=0.0)
        assert means[0, 25, 30] == pytest.approx(100.0 * 1.5 / 7.5, abs=1.0)


class TestNoise:
    @pytest.mark.parametrize("thickness_mm", [3.0, 8.0])
    def test_it_falls_with_the_root_of_the_thickness(self, healthy: HeadPlan, thickness_mm: float) -> None:
        scan = replace(healthy.scan, noise_hu=4.0, thickness_mm=np.full(12, thickness_mm))
        scan = replace(scan, table_mm=np.arange(12) * 8.0 - 40.0)
        flat = np.full(HEAD_GRID.shape, 30.0, dtype=np.float32)
        stack = scan_head(flat, healthy.person, scan, pixel_mm=1.0)
        inside = stack.array[:, 0, 60:140, 80:160].numpy()
        # 1/12 HU^2 comes from rounding.
        assert inside.std() == pytest.approx(np.sqrt(16.0 * 5.0 / thickness_mm + 1 / 12), rel=0.05)
        assert (inside == np.rint(inside)).all()


class TestStudies:
    def test_the_same_seed_gives_the_same_study(self) -> None:
        first, again, other = (simulated_head_ct(seed, pixel_mm=5.0, num_slices=11) for seed in (1, 1, 4))
        assert first.image.array.shape == (11, 1, 40, 48)
        assert torch.equal(first.image.array, again.image.array)
        np.testing.assert_array_equal(first.truth.visible, again.truth.visible)
        assert not torch.equal(first.image.array, other.image.array)

    def test_streaks_lie_between_the_petrous_bones(self, healthy: HeadPlan) -> None:
        water = np.zeros(HEAD_GRID.shape, dtype=np.float32)
        plain, streaked = (
            scan_head(water, replace(healthy.person, streak_hu=strength), healthy.scan, pixel_mm=2.0)
            for strength in (0.0, 9.0)
        )
        changed = (plain.array - streaked.array).abs().amax(dim=(1, 2, 3)).numpy() > 1.0
        heights = healthy.scan.table_mm[changed]
        assert -70.0 < heights.min() < heights.max() < 0.0

    def test_persons_differ(self) -> None:
        persons = [draw_plan(seed).person for seed in range(200)]
        assert np.std([person.grey_hu - person.white_hu for person in persons]) > 0.3
        assert np.ptp([person.ventricle_mm for person in persons]) > 3.0
        assert {len(person.specks) > 0 for person in persons} == {True, False}
