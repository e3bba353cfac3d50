"""What lies around and below the brain's own skull: face, air cells, orbits, petrous bone and neck.

Places are those of the template, in mm; shapes are simple solids. They give the lower slices of a scan the
clutter that real ones have, no more.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from medpipe.core.affine import Array

MUSCLE_HU: Final = 50.0
FAT_HU: Final = -90.0
BONE_HU: Final = 700.0
AIR_HU: Final = -1000.0
EYE_HU: Final = 12.0

_FACE_TOP_MM: Final = -8.0
_FACE_SEMI_AXES_MM: Final = (74.0, 96.0)
_FACE_CENTRE_Y_MM: Final = -10.0
_NECK_RISE: Final = 0.4
"""How the face's outline recedes at the nape, mm for each mm below its top."""
_GRAIN_SIGMA: Final = 2.5
_GRAIN_SEED: Final = 152


@dataclass(frozen=True)
class _Rod:
    """A capsule: all points within a radius of a segment, on both sides of the head.

    Attributes:
        start_mm: One end, right side.
        end_mm: The other.
        radius_mm: Around the segment.
        hu: Value inside.
    """

    start_mm: tuple[float, float, float]
    end_mm: tuple[float, float, float]
    radius_mm: float
    hu: float


_SOLIDS: Final = (
    _Rod((33.0, 50.0, -38.0), (33.0, 74.0, -40.0), 18.0, FAT_HU),  # orbit
    _Rod((33.0, 66.0, -39.0), (33.0, 66.0, -39.0), 12.0, EYE_HU),
    _Rod((20.0, 30.0, -38.0), (31.0, 56.0, -39.0), 2.5, MUSCLE_HU),  # optic nerve and its muscles
    _Rod((50.0, 28.0, -34.0), (50.0, 62.0, -40.0), 4.0, BONE_HU),  # lateral wall of the orbit
    _Rod((10.0, -10.0, -40.0), (56.0, -34.0, -36.0), 9.0, 1300.0),  # petrous bone
    _Rod((0.0, 8.0, -26.0), (0.0, -10.0, -64.0), 7.0, BONE_HU),  # clivus
    _Rod((0.0, 22.0, -42.0), (8.0, 22.0, -42.0), 12.0, BONE_HU),  # sphenoid and its sinus
    _Rod((0.0, 22.0, -42.0), (6.0, 22.0, -42.0), 8.0, AIR_HU),
    _Rod((5.0, 36.0, -46.0), (5.0, 66.0, -44.0), 6.0, AIR_HU),  # ethmoid cells
    _Rod((28.0, 52.0, -72.0), (28.0, 60.0, -84.0), 14.0, AIR_HU),  # maxillary sinus
    _Rod((58.0, -40.0, -40.0), (60.0, -40.0, -58.0), 10.0, BONE_HU),  # mastoid
)
_MASTOID_CELLS: Final = _Rod((57.0, -39.0, -42.0), (58.0, -40.0, -54.0), 8.0, AIR_HU)


def face_depth_mm(points: Array) -> Array:
    """Return the depth inside of face and neck, negative outside; cranium and scalp are each person's own.

    Args:
        points: ``(I, J, K, 3)`` mm.
    """
    x, y, z = np.moveaxis(points, -1, 0)
    below = _FACE_TOP_MM - z
    semi_x, semi_y = _FACE_SEMI_AXES_MM
    # The nape recedes downwards, the face does not.
    behind = np.where(y < _FACE_CENTRE_Y_MM, _NECK_RISE * below.clip(0.0), 0.0)
    radius = np.hypot(x / semi_x, (y - _FACE_CENTRE_Y_MM) / (semi_y - behind).clip(20.0))
    depth: Array = np.minimum((1.0 - radius) * semi_x, below).clip(-40.0, 40.0)
    return depth


def face_hu(points: Array, depth: Array) -> Array:
    """Return HU of face and neck.

    Args:
        points: ``(I, J, K, 3)`` mm.
        depth: ``(I, J, K)`` mm, of :func:`face_depth_mm`.
    """
    grain = ndimage.gaussian_filter(np.random.default_rng(_GRAIN_SEED).normal(size=depth.shape), _GRAIN_SIGMA)
    grain /= grain.std()
    hu = np.where(grain > 0.7, FAT_HU, MUSCLE_HU)
    hu = np.where(depth < 6.0, FAT_HU, hu)
    hu = np.where((points[..., 2] < -20.0) & (grain < -1.7) & (depth > 15.0), BONE_HU, hu)
    for rod in _SOLIDS:
        hu = np.where(_within(points, rod), rod.hu, hu)
    hu = np.where(_within(points, _MASTOID_CELLS) & (grain > 0.0), AIR_HU, hu)
    hu = np.where(depth < 2.0, MUSCLE_HU, hu)
    blurred: Array = ndimage.gaussian_filter(hu, 0.5)
    return blurred


def _within(points: Array, rod: _Rod) -> Array:
    start, end = np.array(rod.start_mm), np.array(rod.end_mm)
    folded = np.concatenate([np.abs(points[..., :1]), points[..., 1:]], axis=-1)
    along = end - start
    length = float(along @ along)
    share = ((folded - start) @ along / length).clip(0.0, 1.0) if length else np.zeros(folded.shape[:-1])
    nearest = start + share[..., None] * along
    within: Array = np.linalg.norm(folded - nearest, axis=-1) <= rod.radius_mm
    return within
