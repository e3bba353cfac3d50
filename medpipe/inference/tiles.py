"""Tiles: where the patches of an image lie along an axis, and how much each counts at every voxel.

The tiles of an image are all combinations of those of its axes, and weights are products of theirs. So
weights that sum to 1 along each axis sum to 1 over the image: nothing has to be counted or divided by. That
is not so where products have a lower limit: there weights are summed beside the logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch

from medpipe.core.patches import DEFAULT_OVERLAP, PatchCentre, PatchPlaces, PatchWeights
from medpipe.core.preprocessing import Shape3

_SIGMA: Final = 0.125
"""Standard deviation of the Gaussian as a share of the patch (Isensee et al. 2021, "nnU-Net")."""

LEAST_WEIGHT: Final = 1e-3
"""Of the largest: the rim of a patch never counts for nothing, as only one tile may reach it."""


class AxisTiles(NamedTuple):
    """The tiles of one axis.

    Attributes:
        starts: First voxel of each tile, ascending.
        weights: ``(num_tiles, patch)`` float32; at every voxel those of all tiles sum to 1, unless their
            products are floored.
    """

    starts: tuple[int, ...]
    weights: torch.Tensor

    @property
    def patch(self) -> int:
        """Voxels of a tile."""
        return self.weights.shape[1]


@dataclass(frozen=True)
class TileLayout:
    """How an image is cut into patches, and how these are merged.

    Attributes:
        patch_shape: Voxels along each axis.
        overlap: Least share of a patch that it has in common with the next one, in [0, 1).
        centre: Where a patch counts most.
        places: Where patches lie.
        weights: How much a patch counts.
    """

    patch_shape: Shape3
    overlap: float = DEFAULT_OVERLAP
    centre: PatchCentre = PatchCentre.MIDDLE
    places: PatchPlaces = PatchPlaces.EVEN
    weights: PatchWeights = PatchWeights.GAUSSIAN

    def tiles_of(self, shape: Sequence[int]) -> list[AxisTiles]:
        """Return the tiles of each axis of an image.

        Args:
            shape: ``(P, Q, R)``, no axis shorter than the patch.
        """
        return [self._axis_tiles(size, patch) for size, patch in zip(shape, self.patch_shape, strict=True)]

    def _axis_tiles(self, size: int, patch: int) -> AxisTiles:
        starts = self._starts(size, patch)
        bell = self._bell(patch)
        if self.weights is PatchWeights.FLOORED:
            return AxisTiles(starts, bell.float().expand(len(starts), -1))
        total = torch.zeros(size, dtype=torch.float64)
        for start in starts:
            total[start : start + patch] += bell
        weights = [bell / total[start : start + patch] for start in starts]
        return AxisTiles(starts, torch.stack(weights).float())

    def _starts(self, size: int, patch: int) -> tuple[int, ...]:
        step = max(1, int(patch * (1.0 - self.overlap)))
        last = size - patch
        gaps = -(-last // step)
        if self.places is PatchPlaces.STEPS:
            return tuple(min(index * step, last) for index in range(gaps + 1))
        return tuple(round(index * last / gaps) for index in range(gaps + 1)) if gaps else (0,)

    def _bell(self, patch: int) -> torch.Tensor:
        """Return the weights of one tile: ``(patch,)`` float64."""
        if self.weights is PatchWeights.EQUAL:
            return torch.ones(patch, dtype=torch.float64)
        is_middle = self.centre is PatchCentre.MIDDLE
        distance = torch.arange(patch, dtype=torch.float64) - ((patch - 1) / 2 if is_middle else patch // 2)
        bell = torch.exp(-0.5 * (distance / (_SIGMA * patch)) ** 2)
        has_floor = is_middle and self.weights is PatchWeights.GAUSSIAN
        return bell.clamp_min(LEAST_WEIGHT) if has_floor else bell
