"""Boxes: ``(N, 6)`` float64, xyzxyz, half-open, column 0 along array axis 0."""

from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array, apply_affine, inverse_of
from medpipe.core.errors import ShapeError

_CORNER_COLUMNS: Final = np.array([[x, y, z] for x in (0, 3) for y in (1, 4) for z in (2, 5)], dtype=np.intp)
_EDGE_TO_CENTRE: Final = 0.5
"""Boxes are half-open and count voxel edges; affines map voxel centres."""


def checked_boxes(boxes: npt.ArrayLike) -> Array:
    """Return boxes as float64 after checking shape and order.

    Raises:
        ShapeError: Not ``(N, 6)``, not finite, or a lower bound above its upper bound.
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.shape == (0,):  # an empty list
        array = array.reshape(0, 6)
    if array.ndim != 2 or array.shape[1] != 6:
        raise ShapeError("Boxes must be (N, 6)", found=f"shape {array.shape}")
    if not np.isfinite(array).all() or (array[:, :3] > array[:, 3:]).any():
        raise ShapeError(
            "Boxes must be finite with x0 <= x1, y0 <= y1, z0 <= z1",
            fix="Order each box as x0, y0, z0, x1, y1, z1.",
        )
    return array


def box_corners(boxes: npt.ArrayLike) -> Array:
    """Return all eight corners of each box: ``(N, 8, 3)``, same unit as ``boxes``."""
    return checked_boxes(boxes)[:, _CORNER_COLUMNS]


def boxes_to_world_mm(boxes: npt.ArrayLike, affine: Array) -> Array:
    """Map voxel boxes to the tightest boxes around them in RAS mm.

    Args:
        boxes: ``(N, 6)`` voxels, half-open: voxel 0 spans 0 to 1.
        affine: 4x4, voxel index to RAS mm.

    Returns:
        ``(N, 6)`` mm: bounds of all eight mapped corners, so an oblique affine enlarges them.
    """
    return _bounds(apply_affine(affine, box_corners(boxes) - _EDGE_TO_CENTRE))


def boxes_to_voxels(boxes_mm: npt.ArrayLike, affine: Array) -> Array:
    """Map boxes in RAS mm to the tightest half-open voxel boxes around them, not rounded."""
    return _bounds(apply_affine(inverse_of(affine), box_corners(boxes_mm)) + _EDGE_TO_CENTRE)


def box_volumes(boxes: npt.ArrayLike) -> Array:
    """Return ``(N,)`` volumes in the cube of the boxes' unit."""
    array = checked_boxes(boxes)
    return np.asarray((array[:, 3:] - array[:, :3]).prod(axis=1), dtype=np.float64)


def box_iou(boxes: npt.ArrayLike, others: npt.ArrayLike) -> Array:
    """Return ``(N, M)`` intersections over unions in [0, 1]; 0 where both are empty."""
    first, second = checked_boxes(boxes), checked_boxes(others)
    lower = np.maximum(first[:, None, :3], second[None, :, :3])
    upper = np.minimum(first[:, None, 3:], second[None, :, 3:])
    shared = np.clip(upper - lower, 0, None).prod(axis=2)
    union = box_volumes(first)[:, None] + box_volumes(second)[None, :] - shared
    iou: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


def _bounds(corners: Array) -> Array:
    if not len(corners):
        return np.zeros((0, 6))
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
