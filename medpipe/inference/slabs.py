"""Slabs: logits of an image, handed out in final pieces along one axis while later tiles are computed.

Letters: C classes, P Q R axes of the image.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch

from medpipe.core.patches import PatchWeights
from medpipe.core.preprocessing import Shape3
from medpipe.inference.tiles import LEAST_WEIGHT, AxisTiles, TileLayout

Forward = Callable[[torch.Tensor], torch.Tensor]
"""Maps patches ``(B, channels, *patch_shape)`` to logits ``(B, num_classes, *patch_shape)``."""


@dataclass(frozen=True, eq=False)
class Slab:
    """Final logits of some planes, among them the last one of the slab before.

    Attributes:
        first: Plane along the slabs' axis that the logits begin with.
        logits: ``(C, planes, ...)`` with the slabs' axis before the two others; overwritten by the next slab.
    """

    first: int
    logits: torch.Tensor


def slab_axis(shape: Shape3, patch_shape: Shape3) -> int:
    """Return the axis along which slabs need the least memory."""
    return min(range(3), key=lambda axis: patch_shape[axis] / shape[axis])


def predict_slabs(
    forward: Forward,
    images: torch.Tensor,
    layout: TileLayout,
    *,
    batch_size: int,
    axis: int,
) -> Iterator[Slab]:
    """Predict an image tile by tile; the memory for logits does not depend on its length along ``axis``.

    Args:
        forward: The network.
        images: ``(channels, P, Q, R)``, no axis shorter than the patch.
        layout: Where tiles lie and how much they count.
        batch_size: Tiles computed at once; results do not depend on it but for rounding.
        axis: 0, 1 or 2: along which slabs are handed out.
    """
    sizes = images.shape[1:]
    tiles = layout.tiles_of(sizes)
    along, across = tiles[axis], [tiles[other] for other in range(3) if other != axis]
    ends = (*along.starts[1:], sizes[axis])
    first, second = (size for other, size in enumerate(sizes) if other != axis)
    sums = _Sums((along.patch + 1, first, second), has_floor=layout.weights is PatchWeights.FLOORED)
    for index, (start, end) in enumerate(zip(along.starts, ends, strict=True)):
        pairs = list(product(*(range(len(item.starts)) for item in across)))
        for chosen in _batches(pairs, batch_size):
            corners = [_corner(axis, start, pair, across) for pair in chosen]
            logits = forward(torch.stack([_cut(images, corner, layout.patch_shape) for corner in corners]))
            for pair, values in zip(chosen, logits, strict=True):
                first, second = (item.starts[n] for item, n in zip(across, pair, strict=True))
                weights = _weights(
                    along.weights[index], *(item.weights[n] for item, n in zip(across, pair, strict=True))
                )
                sums.add(values.movedim(axis + 1, 1), weights, first, second)
        carried = int(index == 0)
        yield Slab(start - 1 + carried, sums.final(end - start)[:, carried:])
        sums.advance(end - start)


class _Sums:
    """Weighted logits of the planes that the current tiles reach, behind the last plane of those before.

    Where weights have a floor they do not sum to 1: their sums are kept too, and logits divided by them.
    """

    def __init__(self, shape: Shape3, *, has_floor: bool) -> None:
        self._shape = shape
        self._has_floor = has_floor
        self._logits = self._weights = torch.empty(0)

    def add(self, values: torch.Tensor, weights: torch.Tensor, first: int, second: int) -> None:
        """Add a tile ``(C, planes, ...)`` whose other axes begin at these voxels."""
        if not self._logits.numel():
            self._logits = values.new_zeros(len(values), *self._shape)
            self._weights = values.new_zeros(1, *self._shape) if self._has_floor else self._weights
        rows, columns = values.shape[2:]
        part = (
            slice(None),
            slice(1, None),
            slice(first, first + rows),
            slice(second, second + columns),
        )
        weights = weights.to(values)
        if self._has_floor:
            weights = weights.clamp_min(LEAST_WEIGHT)
            self._weights[part] += weights
        self._logits[part].addcmul_(values, weights)

    def final(self, count: int) -> torch.Tensor:
        """Return the plane before and ``count`` planes that no later tile reaches."""
        if self._has_floor:
            self._logits[:, 1 : 1 + count] /= self._weights[:, 1 : 1 + count]
        return self._logits[:, : 1 + count]

    def advance(self, count: int) -> None:
        """Go on by ``count`` planes."""
        for sums in (self._logits, self._weights) if self._has_floor else (self._logits,):
            _advance(sums, count)


def _batches(pairs: list[tuple[int, ...]], size: int) -> Iterator[list[tuple[int, ...]]]:
    """Yield whole batches, then what is left one by one: a compiled network knows these two shapes."""
    whole = len(pairs) - len(pairs) % size
    yield from (pairs[first : first + size] for first in range(0, whole, size))
    yield from ([pair] for pair in pairs[whole:])


def _corner(axis: int, start: int, pair: tuple[int, ...], across: list[AxisTiles]) -> list[int]:
    corner = [item.starts[number] for item, number in zip(across, pair, strict=True)]
    corner.insert(axis, start)
    return corner


def _cut(images: torch.Tensor, corner: list[int], patch_shape: Shape3) -> torch.Tensor:
    p, q, r = (slice(first, first + size) for first, size in zip(corner, patch_shape, strict=True))
    return images[:, p, q, r]


def _weights(along: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return along[:, None, None] * first[:, None] * second


def _advance(sums: torch.Tensor, count: int) -> None:
    """Move planes to the front by ``count``, one plane at a time as they overlap, and clear the rest."""
    kept = sums.shape[1] - count
    for plane in range(kept):
        sums[:, plane] = sums[:, plane + count]
    sums[:, kept:] = 0
