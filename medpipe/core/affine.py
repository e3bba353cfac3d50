"""Affines: 4x4 float64 matrices from voxel index to RAS+ millimetres."""

from itertools import permutations
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, ShapeError

Array = npt.NDArray[np.float64]

LPS_FROM_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Changes the world frame between DICOM's LPS and RAS; its own inverse."""

OBLIQUE_TOLERANCE: Final = 1e-3
"""Largest off-axis part of a unit direction vector that still counts as straight (0.06 degrees).

Float32 quaternions of NIfTI headers are off by up to 7e-4.
"""

SHEAR_TOLERANCE: Final = 1e-3
"""Largest cosine between two voxel axes that still counts as perpendicular (0.06 degrees)."""

SINGULAR_TOLERANCE: Final = 1e-6
"""Smallest volume of the unit direction vectors: below it the affine is singular."""

_NEGATIVE, _POSITIVE = "LPI", "RAS"


def checked_affine(affine: npt.ArrayLike) -> Array:
    """Copy an affine into a read-only float64 matrix after checking it.

    Raises:
        ShapeError: It is not 4x4 or its last row is not 0 0 0 1.
        RefusedError: It is singular or not finite (``E_AFFINE``).
    """
    matrix = np.array(affine, dtype=np.float64)
    if matrix.shape != (4, 4):
        raise ShapeError("An affine must be 4x4", found=f"shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise RefusedError(Code.E_AFFINE, "The affine holds values that are not finite numbers")
    if not np.array_equal(matrix[3], [0, 0, 0, 1]):
        raise ShapeError("The last row of an affine must be 0 0 0 1", found=str(matrix[3].tolist()))
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not lengths.all() or abs(np.linalg.det(matrix[:3, :3] / lengths)) < SINGULAR_TOLERANCE:
        raise RefusedError(
            Code.E_AFFINE,
            "The affine is singular: voxels have no place in space",
            found=f"columns of {', '.join(f'{x:g}' for x in lengths)} mm",
            fix="Convert the scan again from its DICOM source.",
        )
    matrix.setflags(write=False)
    return matrix


def spacing_of(affine: Array) -> tuple[float, float, float]:
    """Return the voxel spacing ``(si, sj, sk)`` in mm, in array order."""
    si, sj, sk = np.linalg.norm(affine[:3, :3], axis=0)
    return float(si), float(sj), float(sk)


def directions_of(affine: Array) -> Array:
    """Return the ``(3, 3)`` unit direction vectors, one column a voxel axis."""
    matrix = affine[:3, :3]
    return np.asarray(matrix / np.linalg.norm(matrix, axis=0), dtype=np.float64)


def closest_axes(affine: Array) -> tuple[int, int, int]:
    """Return for each voxel axis the world axis (0 R, 1 A, 2 S) nearest to it, each used once.

    Of the six ways to pair them this is the one with the largest product of cosines. The determinant is a
    sum of such products, so no cosine of the best one is 0 and every axis has a sign.
    """
    weights = np.abs(directions_of(affine))
    i, j, k = max(permutations(range(3)), key=lambda worlds: float(weights[worlds, range(3)].prod()))
    return i, j, k


def orientation_of(affine: Array) -> str:
    """Return axis codes such as ``"RAS"``: where each voxel axis points, to the nearest axis."""
    directions = directions_of(affine)
    return "".join(
        (_POSITIVE if directions[world, voxel] > 0 else _NEGATIVE)[world]
        for voxel, world in enumerate(closest_axes(affine))
    )


def is_oblique(affine: Array) -> bool:
    """Whether any voxel axis is not parallel to a world axis."""
    sizes = np.sort(np.abs(directions_of(affine)), axis=0)
    return bool(sizes[1].max() > OBLIQUE_TOLERANCE)


def shear_degrees(affine: Array) -> float:
    """Return the angle in degrees between the third voxel axis and the normal of the first two."""
    directions = directions_of(affine)
    normal = np.cross(directions[:, 0], directions[:, 1])
    normal /= np.linalg.norm(normal)
    cosine = min(1.0, abs(float(normal @ directions[:, 2])))
    # arccos loses half of its digits near 1; the cross product does not.
    sine = float(np.linalg.norm(np.cross(normal, directions[:, 2])))
    return float(np.degrees(np.arctan2(sine, cosine)))


def is_sheared(affine: Array) -> bool:
    """Whether the voxel axes are not perpendicular to each other, as under gantry tilt."""
    directions = directions_of(affine)
    cosines = directions.T @ directions
    return bool(np.abs(cosines - np.diag(np.diag(cosines))).max() > SHEAR_TOLERANCE)


def apply_affine(affine: Array, points: npt.ArrayLike) -> Array:
    """Map points.

    Args:
        affine: 4x4.
        points: ``(..., 3)`` in the frame that the affine maps from.

    Returns:
        ``(..., 3)`` float64 in the frame that it maps to.
    """
    coordinates = np.asarray(points, dtype=np.float64)
    return np.asarray(coordinates @ affine[:3, :3].T + affine[:3, 3], dtype=np.float64)


def inverse_of(affine: Array) -> Array:
    """Return the affine that maps back, from RAS mm to fractional voxel index."""
    return np.asarray(np.linalg.inv(affine), dtype=np.float64)


def voxel_volume_ml(affine: Array) -> float:
    """Return the volume of one voxel in millilitres, shear included."""
    return abs(float(np.linalg.det(affine[:3, :3]))) / 1000.0
