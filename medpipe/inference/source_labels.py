"""Labels on the source grid, made slab by slab: interpolated logits never exist at full size.

Interpolated trilinearly, logits are averages of those at the eight corners of a cell with positive weights.
So where one class is the highest at all eight corners it is the highest everywhere between them: there the
label is known without interpolation, and only cells that a border crosses are interpolated.

Where slices are thick, logits across them are those of the nearest voxel instead.

Letters: C classes, P Q R axes of the network's grid, A B D axes of the source in the same order.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch.nn import functional

from medpipe.core.preprocessing import Shape3
from medpipe.inference.resample import nearest_voxels
from medpipe.inference.slabs import Slab

_MAX_LOGITS: Final = 2**25
"""Interpolated logits that exist at a time: 128 MiB in float32."""

_SPARSE_SHARE: Final = 0.2
"""Share of mixed voxels up to which gathering their corners is cheaper than interpolating all voxels."""


@dataclass(frozen=True, eq=False)
class AxisMap:
    """Where the voxels of a source axis lie between those of the network's axis.

    Attributes:
        low: ``(N,)`` int64, network voxel at or before each source voxel.
        high: ``(N,)`` int64, the next one, or the same at the end.
        weight: ``(N,)`` float32 of ``high``.
        is_nearest: Whether ``low`` alone counts.
    """

    low: torch.Tensor
    high: torch.Tensor
    weight: torch.Tensor
    is_nearest: bool = False

    @classmethod
    def between(cls, inner: int, outer: int, device: torch.device | str = "cpu") -> "AxisMap":
        """Map ``outer`` source voxels onto ``inner`` network voxels over the same field of view."""
        place = (torch.arange(outer, dtype=torch.float64) + 0.5) * (inner / outer) - 0.5
        place = place.clamp(0.0, inner - 1.0)
        low = place.long()
        high = (low + 1).clamp_max(inner - 1)
        return cls(low.to(device), high.to(device), (place - low).float().to(device))

    @classmethod
    def to_nearest(cls, inner: int, outer: int, device: torch.device | str = "cpu") -> "AxisMap":
        """Map ``outer`` source voxels onto the nearest of ``inner`` network voxels."""
        low = nearest_voxels(inner, outer).to(device)
        return cls(low, low, torch.zeros(outer, device=device), is_nearest=True)

    def rows(self, first: int, last: int, origin: int) -> "AxisMap":
        """Return source voxels ``first`` to ``last`` (left out), network voxels counted from ``origin``."""
        part = slice(first, last)
        return AxisMap(self.low[part] - origin, self.high[part] - origin, self.weight[part], self.is_nearest)


class SourceLabels:
    """Collects slabs of logits and becomes the label map of the source.

    Args:
        inner_shape: ``(P, Q, R)`` of the network's grid without its padding.
        outer_shape: ``(A, B, D)`` of the source, its axes in the order of the network's.
        offset: Padded voxels of the network's grid in front, along each axis.
        axis: The axis of the slabs.
        thick_axis: Axis along which logits are taken from the nearest voxel; None for none.
    """

    def __init__(
        self,
        inner_shape: Shape3,
        outer_shape: Shape3,
        offset: Shape3,
        axis: int,
        *,
        thick_axis: int | None = None,
    ) -> None:
        self._order = (axis, *(other for other in range(3) if other != axis))
        self._inner = [inner_shape[axis] for axis in self._order]
        self._outer = [outer_shape[axis] for axis in self._order]
        self._offset = [offset[axis] for axis in self._order]
        self._is_thick = [other == thick_axis for other in self._order]
        self._labels = torch.empty(self._outer, dtype=torch.uint8)
        self._maps: list[AxisMap] = []
        self._done = 0

    def add(self, slab: Slab) -> None:
        """Take the next slab and label the source planes that it completes."""
        logits, first = self._without_padding(slab)
        if not logits.shape[1]:
            return
        if not self._maps:
            self._maps = [
                (AxisMap.to_nearest if is_thick else AxisMap.between)(inner, outer, logits.device)
                for inner, outer, is_thick in zip(self._inner, self._outer, self._is_thick, strict=True)
            ]
        last = first + logits.shape[1] - 1
        end = int((self._maps[0].high <= last).sum())
        if end > self._done:
            maps = [self._maps[0].rows(self._done, end, first), *self._maps[1:]]
            self._labels[self._done : end] = self._labels_of(logits, maps)
            self._done = end

    def result(self) -> torch.Tensor:
        """Return ``(A, B, D)`` uint8 on the CPU, a view."""
        assert self._done == self._outer[0], "slabs are missing"
        return self._labels.permute([self._order.index(axis) for axis in range(3)])

    def _labels_of(self, logits: torch.Tensor, maps: list[AxisMap]) -> torch.Tensor:
        if self._inner != self._outer:
            return interpolated_labels(logits, maps)
        first = int(maps[0].low[0])
        return highest(logits[:, first : first + len(maps[0].low)])

    def _without_padding(self, slab: Slab) -> tuple[torch.Tensor, int]:
        """Return the logits inside the image, and the plane of it that they begin with."""
        first = slab.first - self._offset[0]
        before = max(0, -first)
        planes = slice(before, max(before, self._inner[0] - first))
        rows, columns = (
            slice(offset, offset + size)
            for offset, size in zip(self._offset[1:], self._inner[1:], strict=True)
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
            if item.is_nearest:
                planes = planes.index_select(axis, item.low)
        wide = functional.interpolate(planes, size=size, mode="bilinear", align_corners=False)
        parts.append(highest(wide))
    return torch.cat(parts)
