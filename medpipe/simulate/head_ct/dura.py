"""Dense things that are no bleed: falx, tentorium, venous sinuses, calcifications.

Places are those of the template, so that they follow a person's shape and a shifted midline.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.simulate.head_ct.head_grid import Field, box_around

FALX_MM, TENTORIUM_MM = 1.6, 1.8
"""Thickness; thinner than a voxel's diagonal, so that both stay faint, as they are."""

SINUS_MM, SINUS_DEPTH_MM = 5.0, 7.0
"""Half the width of the superior sagittal sinus at the skull, and its depth."""

_FREE_EDGE_MM: Final = (-8.0, 5.0)
_FREE_EDGE_SEMI_AXES_MM: Final = (56.0, 36.0)
"""The free edge of the falx runs around the corpus callosum: an ellipse about (y, z)."""
_FALX_ABOVE_MM: Final = -8.0
_TENTORIUM_APEX_MM: Final = (-50.0, 12.0)
_TENTORIUM_BACK, _TENTORIUM_SIDE = 0.675, 0.55
"""Height of the tentorium above its apex's (y, z): mm a mm towards the front, and sideways (downwards)."""
_TENTORIUM_LOWEST_MM: Final = -26.0
_TRANSVERSE_MM: Final = (-22.0, 5.0)
_SPECK_BOX_MM: Final = 22.0


@dataclass(frozen=True)
class Speck:
    """A calcification.

    Attributes:
        template_mm: Its centre in the template.
        radius_mm: Along x, y and z.
        hu: Of its core.
    """

    template_mm: tuple[float, float, float]
    radius_mm: tuple[float, float, float]
    hu: float


def draw_specks(rng: np.random.Generator, shares: tuple[float, float, float, float]) -> tuple[Speck, ...]:
    """Draw the calcifications of a person.

    Args:
        rng: Owned by the caller.
        shares: Of persons with calcifications of the pineal gland, the choroid plexus, the falx and the
            basal ganglia.
    """
    pineal, choroid, falx, basal = rng.uniform(size=4) < shares
    specks = []
    if pineal:
        specks.append(_speck(rng, (0.0, -29.0, 2.0), (1.2, 3.5), (90.0, 500.0)))
    if choroid:
        sides = (-1.0, 1.0) if rng.uniform() < 0.8 else (float(rng.choice([-1.0, 1.0])),)
        specks += [_speck(rng, (23.0 * side, -40.0, 9.0), (1.5, 4.5), (80.0, 400.0)) for side in sides]
    if falx:
        y, z = rng.uniform(0.0, 45.0), rng.uniform(45.0, 62.0)
        length = rng.uniform(2.0, 8.0)
        specks.append(Speck((0.0, float(y), float(z)), (1.5, float(length), float(length)), 300.0))
    if basal:
        specks += [_speck(rng, (20.0 * side, -4.0, 1.0), (2.0, 4.0), (55.0, 110.0)) for side in (-1.0, 1.0)]
    return tuple(specks)


def with_dura(hu: Field, template_mm: Field, beyond: Field, blood_hu: float) -> Field:
    """Draw falx, tentorium and the venous sinuses into a brain.

    Args:
        hu: ``(I, J, K)``.
        template_mm: ``(3, I, J, K)`` where each voxel lies in the template.
        beyond: ``(I, J, K)`` mm beyond the inside of the skull.
        blood_hu: Density of flowing blood, which dura has too.
    """
    drawn = hu.copy()
    x, y, z = template_mm
    near = np.flatnonzero((np.abs(x) < SINUS_MM + 2.0) & (beyond < 2.0) & (z > _FALX_ABOVE_MM))
    share = np.maximum(
        _falx(*(axis.ravel()[near] for axis in (x, y, z))),
        _sagittal_sinus(*(axis.ravel()[near] for axis in (x, y, z, beyond))),
    )
    drawn.ravel()[near] += share * (blood_hu - drawn.ravel()[near])
    behind = np.flatnonzero((y < -35.0) & (z > _TENTORIUM_LOWEST_MM - 4) & (z < 14.0) & (beyond < 2.0))
    share = np.maximum(
        _tentorium(*(axis.ravel()[behind] for axis in (x, y, z))),
        _transverse_sinus(*(axis.ravel()[behind] for axis in (x, y, z, beyond))),
    )
    drawn.ravel()[behind] += share * (blood_hu - drawn.ravel()[behind])
    return drawn


def with_specks(hu: Field, template_mm: Field, specks: tuple[Speck, ...], head_points: Array) -> Field:
    """Draw calcifications.

    Args:
        hu: ``(I, J, K)``.
        template_mm: ``(3, I, J, K)`` where each voxel lies in the template.
        specks: What to draw.
        head_points: ``(N, 3)`` about where each lies in the head's frame.
    """
    drawn = hu.copy()
    for speck, centre in zip(specks, head_points, strict=True):
        box = box_around(centre, _SPECK_BOX_MM)
        radius = np.sqrt(
            sum(
                ((axis[box] - middle) / semi) ** 2
                for axis, middle, semi in zip(template_mm, speck.template_mm, speck.radius_mm, strict=True)
            )
        )
        share = (0.5 + (1.0 - radius) * min(speck.radius_mm) / 1.5).clip(0.0, 1.0)
        drawn[box] += share * (speck.hu - drawn[box])
    return drawn


def above_tentorium_mm(template_mm: Field) -> Field:
    """Return the height above the tentorium at points ``(3, ...)`` of the template."""
    x, y, z = template_mm
    apex_y, apex_z = _TENTORIUM_APEX_MM
    height = apex_z + _TENTORIUM_BACK * np.minimum(y - apex_y, 0.0) - _TENTORIUM_SIDE * np.abs(x)
    above: Field = z - np.maximum(height, _TENTORIUM_LOWEST_MM)
    return above


def _speck(
    rng: np.random.Generator,
    place: tuple[float, float, float],
    radii: tuple[float, float],
    levels: tuple[float, float],
) -> Speck:
    x, y, z = np.array(place) + rng.normal(0.0, 1.0, size=3)
    radius = float(rng.uniform(*radii))
    return Speck((float(x), float(y), float(z)), (radius, radius, radius), float(rng.uniform(*levels)))


def _sheet(distance: Field, thickness_mm: float) -> Field:
    """Return the share of a sheet: 1 in its middle, falling to 0 within its thickness."""
    share: Field = (1.0 - np.abs(distance) / thickness_mm).clip(0.0, 1.0)
    return share


def _falx(x: Field, y: Field, z: Field) -> Field:
    (middle_y, middle_z), (semi_y, semi_z) = _FREE_EDGE_MM, _FREE_EDGE_SEMI_AXES_MM
    outside = ((y - middle_y) / semi_y) ** 2 + ((z - middle_z) / semi_z) ** 2 > 1.0
    share: Field = _sheet(x, FALX_MM) * outside * (above_tentorium_mm(np.stack([x, y, z])) > 0)
    return share


def _sagittal_sinus(x: Field, y: Field, z: Field, beyond: Field) -> Field:
    room = SINUS_MM * (1.0 + beyond / SINUS_DEPTH_MM) - np.abs(x)
    share: Field = (room / 1.5 + 0.5).clip(0.0, 1.0) * ((z > 5.0) | (y < -60.0)) * (y < 60.0)
    return share


def _tentorium(x: Field, y: Field, z: Field) -> Field:
    above = above_tentorium_mm(np.stack([x, y, z]))
    share: Field = _sheet(above, TENTORIUM_MM) * (z > _TENTORIUM_LOWEST_MM + 1.0)
    return share


def _transverse_sinus(x: Field, y: Field, z: Field, beyond: Field) -> Field:
    level, half_mm = _TRANSVERSE_MM
    room = half_mm - np.hypot(z - level, beyond)
    share: Field = (room / 1.5 + 0.5).clip(0.0, 1.0) * (y < -45.0)
    return share
