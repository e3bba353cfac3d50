"""Slabs: logits of an image, handed out in final pieces along one axis while later tiles are computed.

Letters: C classes, P Q R axes of the image.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch

from medpipe.core.preprocessing import PatchCentre, Shape3
from medpipe.inference.tiles import AxisTiles, axis_tiles

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
    patch_shape: Shape3,
    *,
    overlap: float,
    batch_size: int,
    axis: int,
    centre: PatchCentre = PatchCentre.MIDDLE,
) -> Iterator[Slab]:
    """Predict an image tile by tile; the memory for logits does not depend on its length along ``axis``.

    Args:
        forward: The network.
        images: ``(channels, P, Q, R)``, no axis shorter than the patch.
        patch_shape: Voxels of a tile.
        overlap: Least share of a tile that it has in common with the next one.
        batch_size: Tiles computed at once; results do not depend on it but for rounding.
        axis: 0, 1 or 2: along which slabs are handed out.
        centre: Where a tile counts most.
    """
    sizes = images.shape[1:]
    tiles = [axis_tiles(size, patch, overlap, centre) for size, patch in zip(sizes, patch_shape, strict=True)]
    along, across = tiles[axis], [tiles[other] for other in range(3) if other != axis]
    ends = (*along.starts[1:], sizes[axis])
    sums: torch.Tensor | None = None
    for index, (start, end) in enumerate(zip(along.starts, ends, strict=True)):
        pairs = list(product(*(range(len(item.starts)) for item in across)))
        for chosen in _batches(pairs, batch_size):
            corners = [_corner(axis, start, pair, across) for pair in chosen]
            logits = forward(torch.stack([_cut(images, corner, patch_shape) for corner in corners]))
            if sums is None:
                planes = [size for other, size in enumerate(sizes) if other != axis]
                sums = logits.new_zeros(logits.shape[1], along.patch + 1, *planes)
            for pair, corner, values in zip(chosen, corners, logits, strict=True):
                first, second = (corner[other] for other in range(3) if other != axis)
                part = sums[:, 1:, first : first + across[0].patch, second : second + across[1].patch]
                weights = _weights(
                    along.weights[index], *(item.weights[n] for item, n in zip(across, pair, strict=True))
                )
                part.addcmul_(values.movedim(axis + 1, 1), weights.to(part))
        assert sums is not None  # every axis has a tile
        carried = int(index == 0)
        yield Slab(start - 1 + carried, sums[:, carried : 1 + end - start])
        _advance(sums, end - start)


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
