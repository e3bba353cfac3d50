"""Tiling: a network's logits for an image of any size, from overlapping patches."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import nn

from medpipe.core.preprocessing import PatchCentre, Shape3
from medpipe.inference.compiled import is_compiled
from medpipe.inference.onednn import OneDnnConvolutions
from medpipe.inference.slabs import Slab, predict_slabs


@dataclass(frozen=True)
class Tiling:
    """How an image is cut into patches, and how each is predicted.

    Arithmetic is in the type of the network's weights; logits are summed in float32.

    Attributes:
        patch_shape: Voxels along each axis.
        overlap: Least share of a patch that it has in common with the next one, in [0, 1).
        batch_size: Patches computed at once; results do not depend on it.
        mirror_axes: Axes of the patch that are mirrored in all combinations; the logits are averaged.
        centre: Where a patch counts most.
    """

    patch_shape: Shape3
    overlap: float = 0.5
    batch_size: int = 1
    mirror_axes: tuple[int, ...] = ()
    centre: PatchCentre = PatchCentre.MIDDLE


class TileForward:
    """A network in evaluation mode, as it predicts the tiles of one image.

    Args:
        network: May lie on another device than the tiles.
        tiling: How the image is cut.
    """

    def __init__(self, network: nn.Module, tiling: Tiling) -> None:
        self.tiling = tiling
        self._network = network.eval()
        axes = [axis + 2 for axis in tiling.mirror_axes]
        self._flips = [chosen for count in range(len(axes) + 1) for chosen in combinations(axes, count)]
        # A compiled network has its convolutions chosen already, and a mode would have it compiled anew.
        self._convolutions = nullcontext() if is_compiled(network) else OneDnnConvolutions()
        self._scores: list[torch.Tensor] = []

    @property
    def scores(self) -> torch.Tensor | None:
        """Mean of the score head's numbers over all tiles so far, ``(N,)`` float32 on the CPU.

        None before the first tile, and for networks without a score head.
        """
        return torch.cat(self._scores).mean(dim=0) if self._scores else None

    @torch.inference_mode()
    def __call__(self, patches: torch.Tensor) -> torch.Tensor:
        """Return float32 logits of patches ``(B, C, P, Q, R)``, on their device."""
        weights = next(self._network.parameters(), patches)
        # A copy is made within inference mode: a compiled network tells such tensors from others.
        inputs = patches.to(weights.device, weights.dtype, copy=True)
        # Validation may run where autocast is on for training.
        with torch.autocast(weights.device.type, enabled=False), self._convolutions:
            total = self._logits(inputs)
            for axes in self._flips[1:]:
                total += self._logits(inputs.flip(axes)).flip(axes)
        return total.div_(len(self._flips)).to(patches.device)

    def _logits(self, inputs: torch.Tensor) -> torch.Tensor:
        output = self._network(inputs)
        if output.scores is not None:
            self._scores.append(output.scores.float().cpu())
        logits: torch.Tensor = output.logits.float()
        return logits


def predict_logits(forward: TileForward, images: torch.Tensor) -> torch.Tensor:
    """Return ``(num_classes, P, Q, R)`` float32 logits of ``(C, P, Q, R)`` images, on their device.

    For where all logits are wanted at once; :func:`slabs_of_logits` needs less memory.
    """
    parts: list[torch.Tensor] = []
    done = 0
    for slab in slabs_of_logits(forward, images, axis=0):
        parts.append(slab.logits[:, done - slab.first :].clone())
        done = slab.first + slab.logits.shape[1]
    return torch.cat(parts, dim=1)


def slabs_of_logits(forward: TileForward, images: torch.Tensor, *, axis: int) -> Iterator[Slab]:
    """Return float32 logits of ``(C, P, Q, R)`` images along an axis; see :mod:`medpipe.inference.slabs`.

    The network may lie on another device than the images, where the logits are wanted. Patches are
    weighted by a Gaussian, as borders of a patch see less of the image.
    """
    return predict_slabs(
        forward,
        images,
        forward.tiling.patch_shape,
        overlap=forward.tiling.overlap,
        batch_size=forward.tiling.batch_size,
        axis=axis,
        centre=forward.tiling.centre,
    )
