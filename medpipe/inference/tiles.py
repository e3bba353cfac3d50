"""Tiles: where the patches of an image lie along an axis, and how much each counts at every voxel.

The tiles of an image are all combinations of those of its axes, and weights are products of theirs. So
weights that sum to 1 along each axis sum to 1 over the image: nothing has to be counted or divided by.
"""

from typing import Final, NamedTuple

import torch

from medpipe.core.preprocessing import PatchCentre

_SIGMA: Final = 0.125
"""Standard deviation of the Gaussian as a share of the patch (Isensee et al. 2021, "nnU-Net")."""

_LEAST_WEIGHT: Final = 1e-3
"""Of the largest: the rim of a patch never counts for nothing, as only one tile may reach it."""


class AxisTiles(NamedTuple):
    """The tiles of one axis.

    Attributes:
        starts: First voxel of each tile, ascending.
        weights: ``(num_tiles, patch)`` float32; at every voxel those of all tiles sum to 1.
    """

    starts: tuple[int, ...]
    weights: torch.Tensor

    @property
    def patch(self) -> int:
        """Voxels of a tile."""
        return self.weights.shape[1]


def axis_tiles(size: int, patch: int, overlap: float, centre: PatchCentre = PatchCentre.MIDDLE) -> AxisTiles:
    """Spread tiles evenly over an axis, the first at its start and the last at its end.

    Args:
        size: Voxels of the axis, at least ``patch``.
        patch: Voxels of a tile.
        overlap: Least share of a tile that it has in common with the next one, in [0, 1).
        centre: Where a tile counts most.
    """
    step = max(1, int(patch * (1.0 - overlap)))
    gaps = -(-(size - patch) // step)
    starts = tuple(round(index * (size - patch) / gaps) for index in range(gaps + 1)) if gaps else (0,)
    highest, least = ((patch - 1) / 2, _LEAST_WEIGHT) if centre is PatchCentre.MIDDLE else (patch // 2, 0.0)
    distance = torch.arange(patch, dtype=torch.float64) - highest
    bell = torch.exp(-0.5 * (distance / (_SIGMA * patch)) ** 2).clamp_min(least)
    total = torch.zeros(size, dtype=torch.float64)
    for start in starts:
        total[start : start + patch] += bell
    weights = [bell / total[start : start + patch] for start in starts]
    return AxisTiles(starts, torch.stack(weights).float())
