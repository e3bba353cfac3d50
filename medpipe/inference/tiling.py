"""Tiling: a network's logits for an image of any size, from overlapping patches."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import nn

from medpipe.core.preprocessing import Shape3
from medpipe.inference.slabs import Forward, Slab, predict_slabs


@dataclass(frozen=True)
class Tiling:
    """How an image is cut into patches, and how each is predicted.

    Arithmetic is in the type of the network's weights; logits are summed in float32.

    Attributes:
        patch_shape: Voxels along each axis.
        overlap: Least share of a patch that it has in common with the next one, in [0, 1).
        batch_size: Patches computed at once; results do not depend on it.
        mirror_axes: Axes of the patch that are mirrored in all combinations; the logits are averaged.
    """

    patch_shape: Shape3
    overlap: float = 0.5
    batch_size: int = 1
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
    """Return float32 logits of ``(C, P, Q, R)`` images along an axis; see :mod:`medpipe.inference.slabs`.

    The network may lie on another device than the images, where the logits are wanted. Patches are
    weighted by a Gaussian, as borders of a patch see less of the image. The network is put into
    evaluation mode.
    """
    network.eval()
    return predict_slabs(
        _forward_of(network, tiling.mirror_axes),
        images,
        tiling.patch_shape,
        overlap=tiling.overlap,
        batch_size=tiling.batch_size,
        axis=axis,
    )


def _forward_of(network: nn.Module, mirror_axes: tuple[int, ...]) -> Forward:
    counts = range(len(mirror_axes) + 1)
    flips = [axes for count in counts for axes in combinations([axis + 2 for axis in mirror_axes], count)]

    @torch.inference_mode()
    def forward(patches: torch.Tensor) -> torch.Tensor:
        weights = next(network.parameters(), patches)
        inputs = patches.to(weights.device, weights.dtype)
        # Validation may run where autocast is on for training.
        with torch.autocast(weights.device.type, enabled=False):
            total: torch.Tensor = network(inputs).logits.float()
            for axes in flips[1:]:
                total += network(inputs.flip(axes)).logits.flip(axes).float()
        return total.div_(len(flips)).to(patches.device)

    return forward
