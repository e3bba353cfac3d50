"""A marker phantom: single bright voxels whose place in the world is known exactly."""

from dataclasses import dataclass
from itertools import permutations, product
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from medpipe.core.affine import Array, apply_affine
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume

PHANTOM_SHAPE: Final = (14, 17, 22)
"""Three unequal sizes: a swapped axis cannot pass unseen."""

PHANTOM_SPACING: Final = (1.25, 0.75, 2.5)
PHANTOM_ORIGIN: Final = (-31.5, 12.25, 47.0)

BACKGROUND: Final = 10.0

_MARKER_VOXELS: Final = ((2, 3, 4), (12, 3, 4), (2, 15, 4), (2, 3, 20), (11, 13, 5), (5, 14, 17), (7, 6, 11))
"""No two lie mirrored to each other along any axis, and each octant border is crossed."""

_PAIRS: Final = ("LR", "PA", "IS")


@dataclass(frozen=True)
class Marker:
    """A place of known position.

    Attributes:
        name: Unique in its image.
        value: Voxel value that no other voxel has (the peak, for a marker of some extent).
        position_mm: Its centre in RAS mm.
    """

    name: str
    value: float
    position_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class MarkerPhantom:
    """A volume and the truth about it."""

    volume: Volume
    markers: tuple[Marker, ...]


def marker_phantom(
    affine: Array, *, shape: tuple[int, int, int] = PHANTOM_SHAPE, modality: str = "CT"
) -> MarkerPhantom:
    """Return a simulated phantom of seven markers on any grid.

    Args:
        affine: 4x4, voxel index to RAS mm; mirrored, oblique and sheared ones alike.
        shape: Voxels along I, J and K; at least :data:`PHANTOM_SHAPE`.
        modality: ``"CT"`` or ``"MR"``; values are integers from 10 to 700 for both.

    Returns:
        The volume and each marker's position, which is the affine applied to its voxel.
    """
    values = np.full(shape, BACKGROUND, dtype=np.float32)
    markers = []
    for number, voxel in enumerate(_MARKER_VOXELS, start=1):
        values[voxel] = 100.0 * number
        x, y, z = apply_affine(affine, voxel)
        markers.append(Marker(f"marker {number}", 100.0 * number, (float(x), float(y), float(z))))
    volume = Volume(torch.from_numpy(values)[None], affine, modality, Source(kind=SourceKind.MEMORY))
    return MarkerPhantom(volume, tuple(markers))


def marker_errors_mm(values: npt.ArrayLike, affine: Array, markers: tuple[Marker, ...]) -> Array:
    """Return how far an image puts each marker from where it is.

    Args:
        values: ``(I, J, K)`` as some reader gave them.
        affine: 4x4, voxel index to RAS mm, of the same reader.
        markers: The truth.

    Returns:
        One distance in mm a marker; infinite where not exactly one voxel holds its value.
    """
    array = np.asarray(values)
    errors = np.full(len(markers), np.inf)
    for index, marker in enumerate(markers):
        voxels = np.argwhere(np.abs(array - marker.value) < 0.5)
        if len(voxels) == 1:
            errors[index] = np.linalg.norm(apply_affine(affine, voxels[0]) - marker.position_mm)
    return errors


def all_orientations() -> list[str]:
    """Return the 48 axis codes, such as ``"RAS"``: six orders of the axes, each of them either way."""
    return [
        "".join(pair[end] for pair, end in zip(pairs, ends, strict=True))
        for pairs in permutations(_PAIRS)
        for ends in product((0, 1), repeat=3)
    ]


def rotations() -> list[str]:
    """Return the 24 codes whose voxel axes are right-handed; the others are stored mirrored."""
    return [codes for codes in all_orientations() if np.linalg.det(orientation_affine(codes)[:3, :3]) > 0]


def orientation_affine(
    codes: str,
    *,
    spacing: tuple[float, float, float] = PHANTOM_SPACING,
    origin: tuple[float, float, float] = PHANTOM_ORIGIN,
) -> Array:
    """Return the straight affine whose voxel axes point where ``codes`` say.

    Args:
        codes: Such as ``"LPS"``: I towards L, J towards P, K towards S.
        spacing: mm along I, J and K.
        origin: RAS mm of voxel (0, 0, 0).
    """
    affine = np.eye(4)
    affine[:3, :3] = 0.0
    for axis, code in enumerate(codes):
        world = next(index for index, pair in enumerate(_PAIRS) if code in pair)
        affine[world, axis] = spacing[axis] * (1.0 if _PAIRS[world].index(code) else -1.0)
    affine[:3, 3] = origin
    return affine


def random_oblique_affine(seed: int) -> Array:
    """Return a right-handed affine of random rotation, spacing (0.4 to 4 mm) and origin."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation[:, 2] *= np.linalg.det(rotation)
    affine = np.eye(4)
    affine[:3, :3] = rotation * rng.uniform(0.4, 4.0, size=3)
    affine[:3, 3] = rng.uniform(-200.0, 200.0, size=3)
    return affine


def tilted_affine(
    tilt_degrees: float, *, pixel_mm: tuple[float, float], step_mm: float, origin: tuple[float, float, float]
) -> Array:
    """Return the sheared affine of a scan under gantry tilt.

    Slices are turned about the left-right axis, while their positions step along the table, which
    lies along S. I points to L and J to P, turned downwards by the tilt.

    Args:
        tilt_degrees: Angle between the slice normal and the table.
        pixel_mm: Along I and J.
        step_mm: Table feed from slice to slice; the slices themselves lie ``step * cos(tilt)`` apart.
        origin: RAS mm of voxel (0, 0, 0).
    """
    tilt = np.radians(tilt_degrees)
    affine = np.eye(4)
    affine[:3, 0] = (-pixel_mm[0], 0.0, 0.0)
    affine[:3, 1] = np.array([0.0, -np.cos(tilt), -np.sin(tilt)]) * pixel_mm[1]
    affine[:3, 2] = (0.0, 0.0, step_mm)
    affine[:3, 3] = origin
    return affine
