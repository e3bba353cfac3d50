"""A mass displaces the brain and its midline by what the truth says, and the skull by nothing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from medpipe.core.affine import Array
from medpipe.simulate.head_ct.anatomy import Anatomy, build_anatomy
from medpipe.simulate.head_ct.head_grid import HEAD_GRID, NODE_GRID, NODE_MM, at_points, node_points_mm
from medpipe.simulate.head_ct.intracerebral import Haematoma, mass_of
from medpipe.simulate.head_ct.mass_effect import (
    HELD_MM,
    MASS_EFFECT_MM,
    Mass,
    displacement_mm,
    midline_after,
    sphere_radius_mm,
)
from medpipe.simulate.head_ct.plan import HeadPlan

Bleeds = Callable[[float], Haematoma]

EGG_MM = (65.0, 85.0, 70.0)


def egg() -> Array:
    """Return mm beyond an ellipsoid as large as a brain, at the nodes; about right near its surface."""
    radius = np.linalg.norm((node_points_mm() - (0.0, -17.0, 6.0)) / EGG_MM, axis=-1)
    return (radius - 1.0) * min(EGG_MM)


def mass(volume_ml: float, x: float, y: float = -10.0, z: float = 15.0) -> Mass:
    return Mass((x, y, z), sphere_radius_mm(volume_ml), volume_ml, 0.09 * volume_ml)


masses = st.builds(
    mass,
    volume_ml=st.floats(1.0, 60.0),
    x=st.sampled_from([-1.0, 1.0]).flatmap(lambda side: st.floats(8.0, 45.0).map(lambda x: side * x)),
    y=st.floats(-50.0, 30.0),
    z=st.floats(-10.0, 40.0),
).filter(lambda one: abs(one.centre_mm[0]) > 0.5 * one.radius_mm)
"""As near to the midline as a bleed into the thalamus."""


class TestDisplacement:
    @given(masses)
    def test_the_skull_stays(self, one: Mass) -> None:
        moved = displacement_mm(one, egg())
        assert (moved[:, egg() >= 0] == 0).all()

    @given(masses)
    def test_no_place_outside_of_the_mass_comes_from_two(self, one: Mass) -> None:
        moved = displacement_mm(one, egg())
        slopes = np.stack([np.stack(np.gradient(part, NODE_MM)) for part in moved])
        shrinking = np.linalg.det(np.eye(3) - np.moveaxis(slopes, (0, 1), (-2, -1)))
        outside = np.linalg.norm(node_points_mm() - one.centre_mm, axis=-1) > one.radius_mm
        assert shrinking[outside].min() > 0.2

    @given(masses)
    def test_each_point_of_the_midline_came_from_the_plane_between_the_sides(self, one: Mass) -> None:
        moved = displacement_mm(one, egg())
        midline = midline_after(moved, egg())
        before = midline.points_mm - at_points(moved, midline.points_mm).T
        assert np.abs(before[:, 0]).max() < 0.02
        np.testing.assert_allclose(midline.shift_mm, np.abs(midline.points_mm[:, 0]))

    @given(masses)
    def test_the_midline_moves_away_from_the_mass(self, one: Mass) -> None:
        midline = midline_after(displacement_mm(one, egg()), egg())
        farthest = midline.points_mm[midline.shift_mm.argmax()]
        assert np.sign(farthest[0]) == -one.side

    def test_tissue_makes_room_for_what_came(self) -> None:
        # Without a push, far from the skull: a sphere of 200 mL about a mass of 40 mL held 160 mL before.
        one = replace(mass(40.0, 30.0), push_mm=0.0, radius_mm=sphere_radius_mm(80.0))
        direction = np.array([0.0, 0.6, 0.8])
        moved = displacement_mm(one, np.full(NODE_GRID.shape, -HELD_MM))
        edge = one.centre_mm + sphere_radius_mm(200.0) * direction
        came_from = np.linalg.norm(edge - at_points(moved, edge[None])[:, 0] - one.centre_mm)
        assert came_from == pytest.approx(sphere_radius_mm(160.0), abs=0.2)


class TestHead:
    def test_a_bleed_of_60_ml_into_the_putamen_shifts_the_midline_by_9_mm(
        self, shifted_anatomy: Anatomy
    ) -> None:
        assert shifted_anatomy.midline.shift_mm.max() == pytest.approx(9.0, abs=0.8)

    def test_one_of_30_ml_shifts_it_by_5_mm(self, healthy: HeadPlan, haematoma: Bleeds) -> None:
        anatomy = build_anatomy(healthy.person, mass_of(haematoma(30.0), healthy.person))
        assert anatomy.midline.shift_mm.max() == pytest.approx(5.0, abs=0.8)

    def test_a_small_one_is_no_mass_effect(self, healthy: HeadPlan, haematoma: Bleeds) -> None:
        anatomy = build_anatomy(healthy.person, mass_of(haematoma(8.0), healthy.person))
        assert 0.5 < anatomy.midline.shift_mm.max() < MASS_EFFECT_MM

    def test_the_falx_in_the_image_moves_by_the_stated_shift(
        self, healthy_anatomy: Anatomy, shifted_anatomy: Anatomy
    ) -> None:
        """Read both images as a radiologist would: where is the bright line, in each row through it?"""
        points, shift = shifted_anatomy.midline.points_mm, shifted_anatomy.midline.shift_mm
        rows = (points[:, 1] > 0) & (points[:, 1] < 40) & (points[:, 2] > 42) & (points[:, 2] < 60)
        found = [
            falx_x_mm(healthy_anatomy.hu, point) - falx_x_mm(shifted_anatomy.hu, point)
            for point in points[rows]
        ]
        assert shift[rows].max() > 2.0
        # A line is found within half a voxel of 1.5 mm.
        np.testing.assert_allclose(found, shift[rows], atol=0.75)
        assert np.mean(found) == pytest.approx(shift[rows].mean(), abs=0.3)

    def test_the_ventricle_beside_the_bleed_is_narrowed(
        self, healthy_anatomy: Anatomy, shifted_anatomy: Anatomy
    ) -> None:
        before, after = (
            (anatomy.ventricle * (anatomy.template_mm[0] > 0)).sum()
            for anatomy in (healthy_anatomy, shifted_anatomy)
        )
        assert after < 0.7 * before


def falx_x_mm(hu: Array, point_mm: Array) -> float:
    """Return the place of the bright line along x, in the row that runs through a point."""
    x = np.arange(-15.0, 15.0, 0.25)
    row = np.stack([x, np.full(len(x), point_mm[1]), np.full(len(x), point_mm[2])], axis=1)
    profile = ndimage.map_coordinates(hu, HEAD_GRID.to_voxels(row).T, order=1)
    weights = (profile - 60.0).clip(0.0)
    return float((x * weights).sum() / weights.sum())
