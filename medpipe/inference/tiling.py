"""Tiling: a network's logits for an image of any size, from overlapping patches."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Literal

import torch
from torch import nn

from medpipe.core.preprocessing import Shape3
from medpipe.inference.slabs import Forward, Slab, predict_slabs

Precision = Literal["fp32", "bf16", "fp16"]

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Tiling:
    """How an image is cut into patches, and how each is predicted.

    Attributes:
        patch_shape: Voxels along each axis.
        overlap: Least share of a patch that it has in common with the next one, in [0, 1).
        batch_size: Patches computed at once; results do not depend on it.
        precision: Of the network's arithmetic; logits are summed in float32.
        mirror_axes: Axes of the patch that are mirrored in all combinations; the logits are averaged.
    """

    patch_shape: Shape3
    overlap: float = 0.5
    batch_size: int = 1
    precision: Precision = "fp32"
    mirror_axes: tuple[int, ...] = ()


def predict_logits(network: nn.Module, images: torch.Tensor, tiling: Tiling) -> torch.Tensor:
    """Return ``(num_classes, P, Q, R)`` float32 logits of ``(C, P, Q, R)`` images, on their device.

    For where all logits are wanted at once; :func:`slabs_of_logits` needs less memory.
    """
    parts: list[torch.Tensor] = []
    done = 0
    for slab in slabs_of_logits(network, images, tiling, axis=0):
        parts.append(slab.logits[:, done - slab.first :].clone())
        done = slab.first + slab.logits.shape[1]
    return torch.cat(parts, dim=1)


def slabs_of_logits(network: nn.Module, images: torch.Tensor, tiling: Tiling, *, axis: int) -> Iterator[Slab]:
    """Yield float32 logits of ``(C, P, Q, R)`` images along an axis; see :mod:`medpipe.inference.slabs`.

    Patches are weighted by a Gaussian, as borders of a patch see less of the image. The network is put
    into evaluation mode.
    """
    network.eval()
    with torch.inference_mode():
        yield from predict_slabs(
            _forward_of(network, tiling),
            images,
            tiling.patch_shape,
            overlap=tiling.overlap,
            batch_size=tiling.batch_size,
            axis=axis,
        )


def _forward_of(network: nn.Module, tiling: Tiling) -> Forward:
    dtype = _DTYPES.get(tiling.precision, torch.float32)
    flips = [
        tuple(axis + 2 for axis in axes)
        for axes in chain.from_iterable(
            combinations(tiling.mirror_axes, count) for count in range(len(tiling.mirror_axes) + 1)
        )
    ]

    def forward(patches: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor | None = None
        with torch.autocast(patches.device.type, dtype=dtype, enabled=tiling.precision != "fp32"):
            for axes in flips:
                logits = network(patches.flip(axes) if axes else patches).logits.flip(axes).float()
                total = logits if total is None else total.add_(logits)
        assert total is not None  # no flip is a flip too
        return total / len(flips) if len(flips) > 1 else total

    return forward
