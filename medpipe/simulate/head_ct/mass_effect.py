"""A mass in the brain displaces what lies around it; the shift of the midline is read from the displacement.

Two displacements add up. Around the mass, tissue moves outward to make room for the volume that came, as an
incompressible medium does. And as the skull holds on the side of the mass, the brain moves sideways, most
beside the mass and its level, not at all at the skull, where falx and brain are held.

Displacements are given at places *after* the shift: what is seen at ``p`` was at ``p - d(p)`` before.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.simulate.head_ct.head_grid import at_points, node_points_mm

MASS_EFFECT_MM: Final = 3.0
"""A midline that is displaced by this or more counts as mass effect, in a slice and in a study.

Guidelines for surgery count from 5 mm (Bullock et al. 2006, Neurosurgery 58 suppl. 3); reports name smaller
shifts. Healthy midlines of simulated persons deviate by about 1 mm, which the truth leaves out.
"""

HELD_MM: Final = 14.0
"""Depth below the surface of the brain at which tissue moves freely."""
LEVEL_MM: Final = 30.0
"""Width of the sideways shift along back-front and up-down, beside a small mass."""
OPPOSITE_MM: Final = 55.0
"""Distance beyond the midline at which the sideways shift has died away."""
PRESS: Final = 0.5
PRESS_ROOM_MM: Final = 20.0
"""Share by which the shift beside the mass is larger than at the midline, where this room lies between."""

_MIDLINE_STEP_MM: Final = 3.0
_MIDLINE_DEPTH_MM: Final = 4.0
_FIXED_POINT_ROUNDS: Final = 60


@dataclass(frozen=True)
class Mass:
    """Something that takes room.

    Attributes:
        centre_mm: In the head's frame.
        radius_mm: Of the sphere of its volume.
        added_ml: Volume that came; an infarct swells by a part of its volume only.
        push_mm: Sideways shift of the midline at its level that adds to the outward one.
    """

    centre_mm: tuple[float, float, float]
    radius_mm: float
    added_ml: float
    push_mm: float

    @property
    def side(self) -> float:
        """-1 for the left of the body, 1 for the right."""
        return 1.0 if self.centre_mm[0] > 0 else -1.0


@dataclass(frozen=True, eq=False)
class Midline:
    """The midline after the shift.

    Attributes:
        points_mm: ``(N, 3)`` where its points lie, in the head's frame.
        shift_mm: ``(N,)`` how far sideways each was displaced.
    """

    points_mm: Array
    shift_mm: Array


def sphere_radius_mm(volume_ml: float) -> float:
    """Return the radius of a sphere."""
    return float((3000.0 * volume_ml / (4.0 * np.pi)) ** (1.0 / 3.0))


def displacement_mm(mass: Mass, beyond: Array) -> Array:
    """Return the displacement at the nodes: ``(3, I, J, K)``.

    Args:
        mass: What takes room.
        beyond: ``(I, J, K)`` mm beyond the hull of the brain at the nodes.
    """
    points = node_points_mm()
    moved = _outward_mm(mass, points)
    moved[..., 0] -= mass.side * _sideways_mm(mass, points)
    free = _smooth_step(-beyond / HELD_MM)
    return np.moveaxis(moved * free[..., None], -1, 0)


def crowding(mass: Mass) -> Array:
    """Return how much a mass narrows sulci and ventricles at the nodes: ``(I, J, K)``, 0 to 1."""
    points = node_points_mm()
    reach = mass.radius_mm + 20.0
    near = np.exp(-0.5 * (np.linalg.norm(points - mass.centre_mm, axis=-1) / reach) ** 2)
    own_side = _smooth_step(0.5 + mass.side * points[..., 0] / 20.0)
    crowded: Array = near * own_side * min(1.0, mass.added_ml / 25.0)
    return crowded


def midline_after(displacement: Array, beyond: Array) -> Midline:
    """Return the midline where the displacement has put it.

    Args:
        displacement: ``(3, I, J, K)`` mm at the nodes.
        beyond: ``(I, J, K)`` mm beyond the hull of the brain at the nodes.
    """
    y, z = np.meshgrid(
        np.arange(-100.0, 70.0, _MIDLINE_STEP_MM), np.arange(-60.0, 80.0, _MIDLINE_STEP_MM), indexing="ij"
    )
    before = np.stack([np.zeros(y.size), y.ravel(), z.ravel()], axis=1)
    before = before[at_points(beyond[None], before)[0] < -_MIDLINE_DEPTH_MM]
    after = before
    for _ in range(_FIXED_POINT_ROUNDS):
        after = before + at_points(displacement, after).T
    return Midline(after, np.abs(after[:, 0] - before[:, 0]))


def _outward_mm(mass: Mass, points: Array) -> Array:
    offsets = points - mass.centre_mm
    distance = np.linalg.norm(offsets, axis=-1).clip(1e-3)
    outside = distance.clip(mass.radius_mm)
    added = min(sphere_radius_mm(mass.added_ml), 0.9 * mass.radius_mm) ** 3
    outward = (outside - np.cbrt(outside**3 - added)) * (distance / mass.radius_mm).clip(None, 1.0)
    moved: Array = offsets * (outward / distance)[..., None]
    return moved


def _sideways_mm(mass: Mass, points: Array) -> Array:
    """Return the shift towards the other side: it rises across the mass and falls behind the midline."""
    x, y, z = np.moveaxis(points, -1, 0)
    to_midline = abs(mass.centre_mm[0])
    edge = min(mass.radius_mm, 0.9 * to_midline)
    medial = mass.side * (mass.centre_mm[0] - x)
    press = 1.0 + PRESS * min(1.0, (to_midline - edge) / PRESS_ROOM_MM)
    rising = press * _smooth_step((medial + mass.radius_mm) / (mass.radius_mm + edge))
    between = press + (1.0 - press) * ((medial - edge) / max(to_midline - edge, 1e-3)).clip(0.0, 1.0)
    falling = _smooth_step(1.0 - (medial - to_midline) / OPPOSITE_MM)
    profile = np.where(medial < edge, rising, between * falling)
    width = LEVEL_MM + 0.3 * mass.radius_mm
    beside = ((y - mass.centre_mm[1]) / width) ** 2 + ((z - mass.centre_mm[2]) / width) ** 2
    shift: Array = mass.push_mm * profile * np.exp(-0.5 * beside)
    return shift


def _smooth_step(share: Array) -> Array:
    """Rise from 0 at 0 to 1 at 1, level at both ends."""
    clipped = share.clip(0.0, 1.0)
    risen: Array = clipped * clipped * (3.0 - 2.0 * clipped)
    return risen
