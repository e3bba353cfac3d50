"""Segmentation: loss, decoding to a label map, findings and scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError, ShapeError
from medpipe.core.findings import Laterality, Maker, Structure, Uncertainty
from medpipe.core.grid import Grid
from medpipe.core.labels import LabelSpec
from medpipe.metrics.segmentation import TOLERANCE_MM, StructureScore, score_structure
from medpipe.metrics.structures import count_labels
from medpipe.models.unet.heads import UNetOutput
from medpipe.tasks.dice_cross_entropy import dice_cross_entropy

LabelMap = npt.NDArray[np.integer[Any]]
Box = tuple[slice, ...]


@dataclass(frozen=True)
class MaskPlace:
    """Where a label map stands among a case's masks, and what made it.

    Attributes:
        mask: Name of the mask in the case.
        source: Role of the image that was segmented.
        made_by: Package or stage.
        laterality: Side of the crop, for labels that have none of their own.
    """

    mask: str
    source: str
    made_by: Maker
    laterality: Laterality | None = None


@dataclass(frozen=True)
class SegmentationTask:
    """Each voxel belongs to one structure or to the background.

    Attributes:
        labels: The structures, of values 1, 2, 3 ... in order: a value is also the channel of the logits.
        batch_dice: See :func:`medpipe.tasks.dice_cross_entropy.dice_cross_entropy`.

    Raises:
        SettingsError: Label values do not count from 1.
    """

    labels: tuple[LabelSpec, ...]
    batch_dice: bool = False

    def __post_init__(self) -> None:
        values = [label.value for label in self.labels]
        if not values or values != list(range(1, len(values) + 1)):
            raise SettingsError(
                Code.E_SETTINGS, "Label values must be 1, 2, 3 ... in order", found=f"{values}"
            )

    @property
    def num_classes(self) -> int:
        """Channels of the logits, background included."""
        return len(self.labels) + 1

    def loss(self, output: UNetOutput, label_map: Tensor) -> Tensor:
        """Return the loss; with deep supervision a mean in which each level weighs half of the one before.

        Args:
            output: What the network returned.
            label_map: ``(B, I, J[, K])`` integers.

        Raises:
            ShapeError: Logits and label map do not fit each other.
        """
        if (*label_map.shape[:1], self.num_classes, *label_map.shape[1:]) != tuple(output.logits.shape):
            raise ShapeError(
                f"Logits must be (B, {self.num_classes}, I, J[, K]) on the grid of the label map",
                found=f"logits {tuple(output.logits.shape)}, label map {tuple(label_map.shape)}",
            )
        losses = torch.stack(
            [
                dice_cross_entropy(logits, _thinned(label_map, 2**level), batch_dice=self.batch_dice)
                for level, logits in enumerate((output.logits, *output.deep))
            ]
        )
        weights = 0.5 ** torch.arange(len(losses), device=losses.device)
        return (weights * losses).sum() / weights.sum()

    def decode(self, logits: Tensor) -> Tensor:
        """Return the likeliest label of each voxel: ``(B, I, J[, K])`` uint8."""
        return logits.argmax(dim=1).to(torch.uint8)

    def findings(
        self, label_map: LabelMap, grid: Grid, place: MaskPlace, *, view_counts: LabelMap | None = None
    ) -> tuple[Structure, ...]:
        """Return one structure a label, with a volume of 0 where it was not found.

        Args:
            label_map: ``(I, J, K)`` integers on ``grid``.
            grid: Grid of the source image; shear counts.
            place: What the structures refer to.
            view_counts: ``(N, num_classes)`` voxels that the image and each of its views gave to each label
                before they were merged: the spread of volumes is the interval. It need not hold the merged
                volume: where predictions agree on a size and not on a place, few voxels get a majority.

        Raises:
            ShapeError: The label map does not lie on the grid.
        """
        if label_map.shape != grid.shape:
            raise ShapeError("The label map must lie on the grid", found=f"{label_map.shape}, {grid.shape}")
        counts = count_labels(label_map, self.num_classes)
        return tuple(
            Structure(
                id=f"{place.made_by.name}/{place.mask}/{label.name}",
                code=label.code,
                laterality=label.laterality or place.laterality,
                source=place.source,
                made_by=place.made_by,
                mask=place.mask,
                label=label.value,
                volume_ml=int(counts[label.value]) * grid.voxel_volume_ml,
                uncertainty=None
                if view_counts is None
                else _spread(view_counts[:, label.value], grid.voxel_volume_ml),
            )
            for label in self.labels
        )

    def total_spread(self, view_counts: LabelMap | None, grid: Grid) -> Uncertainty | None:
        """Return the spread of the volume of all structures together; None without views.

        Args:
            view_counts: See :meth:`findings`.
            grid: Grid of the source image.
        """
        return None if view_counts is None else _spread(view_counts[:, 1:].sum(axis=1), grid.voxel_volume_ml)

    def score(
        self, pred: LabelMap, gt: LabelMap, grid: Grid, *, tolerance_mm: float = TOLERANCE_MM
    ) -> Mapping[str, StructureScore]:
        """Score each structure by its name.

        Args:
            pred: ``(I, J, K)`` integers.
            gt: ``(I, J, K)`` integers on the same grid.
            grid: Where both lie; shear counts.
            tolerance_mm: Of the normalised surface Dice.
        """
        steps = grid.affine[:3, :3]
        count = len(self.labels)
        boxes = zip(ndimage.find_objects(pred, count), ndimage.find_objects(gt, count), strict=True)
        return {
            label.name: score_structure(
                pred[box] == label.value, gt[box] == label.value, steps, tolerance_mm=tolerance_mm
            )
            for label, box in zip(self.labels, starmap(_joint_box, boxes), strict=True)
        }


def _spread(counts: LabelMap, voxel_volume_ml: float) -> Uncertainty:
    low, high = (int(count) * voxel_volume_ml for count in (counts.min(), counts.max()))
    return Uncertainty(low=low, high=high, level=0, method="views")


def _joint_box(first: Box | None, second: Box | None) -> Box:
    """Return the box around two, or around nothing where there are none."""
    if first is None or second is None:
        return first or second or (slice(0, 0),) * 3
    return tuple(
        slice(min(one.start, other.start), max(one.stop, other.stop))
        for one, other in zip(first, second, strict=True)
    )


def _thinned(label_map: Tensor, step: int) -> Tensor:
    """Keep every ``step``-th voxel of each spatial axis: those that coarser logits lie on."""
    every = slice(None, None, step)
    return label_map[(slice(None), *[every] * (label_map.ndim - 1))]
