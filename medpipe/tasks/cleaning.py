"""Cleaning of predicted label maps: what lies apart goes, what is enclosed is filled."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medpipe.core.errors import ShapeError
from medpipe.core.labels import BACKGROUND
from medpipe.metrics.structures import NUM_VALUES, count_labels
from medpipe.tasks.objects import LabelMap, Objects, connected_objects

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cleaning:
    """What counts as an error of a label map; the rules apply in this order.

    An object is voxels that are connected through faces.

    Attributes:
        largest: Only the largest object of all labels together is kept.
        min_object_ml: Objects of one label that are smaller go; 0 for none.
        max_objects: Only so many objects of each label are kept, the largest; 0 for all.
        fill_holes: Background that one label alone encloses becomes that label; not at the image's border.
    """

    largest: bool = False
    min_object_ml: float = 0.0
    max_objects: int = 0
    fill_holes: bool = False


AS_PREDICTED: Final = Cleaning()
"""No rule: label maps stay as they are."""


class LabelChange(NamedTuple):
    """What cleaning did to one label.

    Attributes:
        value: The label.
        before: Its voxels before.
        removed: Voxels that became background.
        added: Voxels that were background.
    """

    value: int
    before: int
    removed: int
    added: int

    @property
    def share(self) -> float:
        """Changed voxels as a part of those before."""
        return (self.removed + self.added) / self.before


class Cleaned(NamedTuple):
    """A label map and what was changed of it.

    Attributes:
        labels: ``(I, J, K)`` uint8.
        changes: Of each label that was changed, by value.
    """

    labels: LabelMap
    changes: tuple[LabelChange, ...] = ()


def clean_labels(label_map: LabelMap, cleaning: Cleaning, voxel_volume_ml: float) -> Cleaned:
    """Return a label map without what counts as an error.

    Args:
        label_map: ``(I, J, K)`` uint8; 0 is background. It is not changed, and is returned as it is where
            there is no rule or no label.
        cleaning: The rules.
        voxel_volume_ml: Volume of a voxel in mL.

    Raises:
        ShapeError: It has not three axes.
    """
    if label_map.ndim != 3:
        raise ShapeError("A label map is (I, J, K)", found=f"shape {label_map.shape}")
    if cleaning == AS_PREDICTED:
        return Cleaned(label_map)
    boxes = ndimage.find_objects((label_map > BACKGROUND).view(np.uint8))
    if not boxes:
        return Cleaned(label_map)
    # Beyond the box there is background alone, so that a hole touches its faces no more than the image's.
    part = label_map[boxes[0]]
    kept = _without_outliers(part, cleaning, voxel_volume_ml)
    filled = _without_holes(kept) if cleaning.fill_holes else kept
    labels = label_map.copy()
    labels[boxes[0]] = filled
    return Cleaned(labels, _changes(*(count_labels(item) for item in (part, kept, filled))))


def _without_outliers(part: LabelMap, cleaning: Cleaning, voxel_volume_ml: float) -> LabelMap:
    if cleaning.largest:
        objects = connected_objects((part > BACKGROUND).view(np.uint8))
        is_largest = np.zeros_like(objects.values)
        is_largest[np.where(objects.values, objects.sizes, 0).argmax()] = 1
        part = part * objects.painted(is_largest)
    if not (cleaning.min_object_ml or cleaning.max_objects):
        return part
    objects = connected_objects(part)
    is_kept = objects.sizes * voxel_volume_ml >= cleaning.min_object_ml
    if cleaning.max_objects:
        is_kept &= _ranks(objects) < cleaning.max_objects
    return objects.painted(np.where(is_kept, objects.values, BACKGROUND).astype(np.uint8))


def _ranks(objects: Objects) -> Counts:
    """Return the place of each object among those of its value by size, the largest first: ``(N,)``."""
    order = np.lexsort((-objects.sizes, objects.values))  # of equal ones the first
    values = objects.values[order]
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order)) - np.searchsorted(values, values)
    return ranks


def _without_holes(part: LabelMap) -> LabelMap:
    objects = connected_objects(part)
    pairs = np.concatenate([objects.contacts, objects.contacts[:, ::-1]])
    inner, outer = pairs[objects.values[pairs[:, 0]] == BACKGROUND].T
    low, high = np.full(len(objects.values), NUM_VALUES - 1), np.zeros(len(objects.values), dtype=np.int64)
    np.minimum.at(low, inner, objects.values[outer])
    np.maximum.at(high, inner, objects.values[outer])
    is_hole = (low == high) & ~objects.at_border()
    return objects.painted(np.where(is_hole, high, objects.values).astype(np.uint8))


def _changes(before: Counts, kept: Counts, filled: Counts) -> tuple[LabelChange, ...]:
    removed, added = before - kept, filled - kept
    return tuple(
        LabelChange(int(value), int(before[value]), int(removed[value]), int(added[value]))
        for value in np.flatnonzero(removed | added)
        if value != BACKGROUND
    )
