"""Sums and means over each label of a label map; by planes, as counting widens labels to 64 bits."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array

LabelMap = npt.NDArray[np.integer[Any]]

NUM_VALUES: Final = 256
"""Values of a uint8 label map."""


def count_labels(label_map: LabelMap, num_values: int = NUM_VALUES) -> npt.NDArray[np.int64]:
    """Return how many voxels each value has: ``(num_values,)``, background first.

    Args:
        label_map: ``(I, J, K)`` integers below ``num_values``.
        num_values: Values to count.
    """
    counts = np.zeros(num_values, dtype=np.int64)
    for plane in label_map:
        counts += np.bincount(plane.ravel(), minlength=num_values)
    return counts


def mean_by_label(label_map: LabelMap, values: npt.NDArray[Any], num_values: int = NUM_VALUES) -> Array:
    """Return the mean of values over each label: ``(num_values,)``, NaN where it has no voxel.

    Args:
        label_map: ``(I, J, K)`` integers below ``num_values``.
        values: Numbers that broadcast to ``(I, J, K)``.
        num_values: Values of the label map.
    """
    sums = np.zeros(num_values)
    for plane, weights in zip(label_map, np.broadcast_to(values, label_map.shape), strict=True):
        sums += np.bincount(plane.ravel(), weights=weights.ravel(), minlength=num_values)
    counts = count_labels(label_map, num_values)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def centroids(label_map: LabelMap, num_values: int = NUM_VALUES) -> Array:
    """Return the mean voxel index of each label: ``(num_values, 3)``, NaN where it has no voxel.

    Args:
        label_map: ``(I, J, K)`` integers below ``num_values``.
        num_values: Values of the label map.
    """
    indices = np.ogrid[tuple(slice(size) for size in label_map.shape)]
    return np.stack([mean_by_label(label_map, index, num_values) for index in indices], axis=1)
