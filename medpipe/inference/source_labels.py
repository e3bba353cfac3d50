"""Labels on the source grid, made slab by slab: interpolated logits never exist at full size.

Interpolated trilinearly, logits are averages of those at the eight corners of a cell with positive weights.
So where one class is the highest at all eight corners it is the highest everywhere between them: there the
label is known without interpolation, and only cells that a border crosses are interpolated.

Where slices are thick, logits across them are those of the nearest voxel instead. Probabilities may be
interpolated in place of logits, or nothing.

Letters: C classes, P Q R axes of the network's grid, A B D axes of the source in the same order.
"""

from typing import Final

import torch
from torch.nn import functional

from medpipe.core.network_grid import NetworkAxes, WayBack
from medpipe.core.preprocessing import Shape3
from medpipe.inference.axis_map import AxisMap
from medpipe.inference.slabs import Slab

_MAX_LOGITS: Final = 2**25
"""Interpolated logits that exist at a time: 128 MiB in float32."""

_SPARSE_SHARE: Final = 0.2
"""Share of mixed voxels up to which gathering their corners is cheaper than interpolating all voxels."""


class SourceLabels:
    """Collects slabs of logits and becomes the label map of the source.

    Args:
        axes: The network's voxels, without its padding, over the source's, in the order of its axes.
        offset: Padded voxels of the network's grid in front, along each axis.
        axis: The axis of the slabs.
        thick_axis: Axis along which logits are taken from the nearest voxel; None for none.
        way_back: What is interpolated.
    """

    def __init__(
        self,
        axes: NetworkAxes,
        offset: Shape3,
        axis: int,
        *,
        thick_axis: int | None = None,
        way_back: WayBack = WayBack.LOGITS,
    ) -> None:
        self._order = (axis, *(other for other in range(3) if other != axis))
        self._axes = [axes[axis] for axis in self._order]
        self._offset = [offset[axis] for axis in self._order]
        self._is_nearest = [way_back is WayBack.NEAREST or other == thick_axis for other in self._order]
        self._is_moved = not all(axis.is_identity for axis in axes)
        self._softmax = self._is_moved and way_back is WayBack.PROBABILITIES
        self._labels = torch.empty([axis.outer for axis in self._axes], dtype=torch.uint8)
        self._maps: list[AxisMap] = []
        self._done = 0

    def add(self, slab: Slab) -> None:
        """Take the next slab and label the source planes that it completes."""
        logits, first = self._without_padding(slab)
        if not logits.shape[1]:
            return
        if not self._maps:
            self._maps = [
                AxisMap.of_image(axis, logits.device, is_nearest=is_nearest)
                for axis, is_nearest in zip(self._axes, self._is_nearest, strict=True)
            ]
        last = first + logits.shape[1] - 1
        end = int((self._maps[0].high <= last).sum())
        if end > self._done:
            maps = [self._maps[0].rows(self._done, end, first), *self._maps[1:]]
            logits = logits.softmax(dim=0) if self._softmax else logits
            self._labels[self._done : end] = self._labels_of(logits, maps)
            self._done = end

    def result(self) -> torch.Tensor:
        """Return ``(A, B, D)`` uint8 on the CPU, a view."""
        assert self._done == self._axes[0].outer, "slabs are missing"
        return self._labels.permute([self._order.index(axis) for axis in range(3)])

    def _labels_of(self, logits: torch.Tensor, maps: list[AxisMap]) -> torch.Tensor:
        if self._is_moved:
            return interpolated_labels(logits, maps)
        first = int(maps[0].low[0])
        return highest(logits[:, first : first + len(maps[0].low)])

    def _without_padding(self, slab: Slab) -> tuple[torch.Tensor, int]:
        """Return the logits inside the image, and the plane of it that they begin with."""
        first = slab.first - self._offset[0]
        before = max(0, -first)
        planes = slice(before, max(before, self._axes[0].inner - first))
        rows, columns = (
            slice(offset, offset + axis.inner)
            for offset, axis in zip(self._offset[1:], self._axes[1:], strict=True)
        )
        return slab.logits[:, planes, rows, columns], first + before


def highest(logits: torch.Tensor) -> torch.Tensor:
    """Return the class of the highest logit of ``(C, ...)`` as uint8; the first of equal ones.

    Class by class: ``argmax`` along the outermost axis is slow and makes indices of eight bytes.
    """
    best = logits[0].clone()
    labels = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
    for value, values in enumerate(logits[1:], start=1):
        labels.masked_fill_(values > best, value)
        torch.maximum(best, values, out=best)
    return labels


def interpolated_labels(logits: torch.Tensor, maps: list[AxisMap]) -> torch.Tensor:
    """Return the labels ``(A, B, D)`` uint8 of logits ``(C, P, Q, R)`` at the places of three maps."""
    coarse = highest(logits)
    labels = _spread(coarse, maps)
    mixed = _spread(_mixed_cells(coarse), maps)
    share = float(mixed.float().mean())
    if share > _SPARSE_SHARE:
        return _dense(logits, maps)
    places = mixed.nonzero()
    step = max(1, _MAX_LOGITS // len(logits))
    for start in range(0, len(places), step):
        part = places[start : start + step]
        labels[tuple(part.T)] = _at(logits, maps, part)
    return labels


def _spread(values: torch.Tensor, maps: list[AxisMap]) -> torch.Tensor:
    """Return for each source voxel what stands at the low corner of its cell."""
    for axis, item in enumerate(maps):
        values = values.index_select(axis, item.low)
    return values


def _mixed_cells(labels: torch.Tensor) -> torch.Tensor:
    """Return whether the corners of the cell above each voxel have different labels."""
    low = high = labels
    for axis in range(labels.ndim):
        index = torch.arange(1, labels.shape[axis] + 1, device=labels.device).clamp_max_(
            labels.shape[axis] - 1
        )
        low = torch.minimum(low, low.index_select(axis, index))
        high = torch.maximum(high, high.index_select(axis, index))
    return low != high


def _at(logits: torch.Tensor, maps: list[AxisMap], places: torch.Tensor) -> torch.Tensor:
    """Return the labels at some source voxels ``(N, 3)``."""
    sums = torch.zeros(len(logits), len(places), device=logits.device)
    chosen = [
        (item.low[index], item.high[index], item.weight[index])
        for item, index in zip(maps, places.T, strict=True)
    ]
    for corner in range(8):
        ends = [(corner >> axis) & 1 for axis in range(3)]
        p, q, r = (item[end] for item, end in zip(chosen, ends, strict=True))
        weights = [item[2] if end else 1.0 - item[2] for item, end in zip(chosen, ends, strict=True)]
        sums += logits[:, p, q, r].float() * (weights[0] * weights[1] * weights[2])
    return highest(sums)


def _dense(logits: torch.Tensor, maps: list[AxisMap]) -> torch.Tensor:
    """Interpolate everywhere, a few planes at a time."""
    along, *across = maps
    size = [len(item.low) for item in across]
    step = max(1, _MAX_LOGITS // (len(logits) * size[0] * size[1]))
    parts = []
    for start in range(0, len(along.low), step):
        rows = slice(start, start + step)
        weight = along.weight[rows, None, None]
        low, high = logits[:, along.low[rows]].float(), logits[:, along.high[rows]].float()
        planes = torch.lerp(low, high, weight)
        for axis, item in enumerate(across, start=2):
            if not item.is_plain:
                planes = item.interpolated(planes, axis)
        wide = functional.interpolate(planes, size=size, mode="bilinear", align_corners=False)
        parts.append(highest(wide))
    return torch.cat(parts)
