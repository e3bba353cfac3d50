"""Tiling: a network's logits for an image of any size, from overlapping patches."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import nn

from medpipe.core.patches import DEFAULT_OVERLAP
from medpipe.core.preprocessing import Preprocessing
from medpipe.inference.compiled import is_compiled
from medpipe.inference.onednn import OneDnnConvolutions
from medpipe.inference.slabs import Slab, predict_slabs
from medpipe.inference.tiles import TileLayout


@dataclass(frozen=True)
class Tiling(TileLayout):
    """How an image is cut into patches, and how each is predicted.

    Arithmetic is in the type of the network's weights; logits are summed in float32.

    Attributes:
        batch_size: Patches computed at once; results do not depend on it.
        mirror_axes: Axes of the patch that are mirrored in all combinations; the logits are averaged.
    """

    batch_size: int = 1
    mirror_axes: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        spec: Preprocessing,
        *,
        overlap: float | None = None,
        batch_size: int = 1,
        mirror_axes: tuple[int, ...] = (),
    ) -> "Tiling":
        """Return the tiling that a network asks for.

        Args:
            spec: What it states.
            overlap: Instead of its own.
            batch_size: Patches computed at once.
            mirror_axes: Axes of the patch that are mirrored.
        """
        stated = DEFAULT_OVERLAP if spec.patch_overlap is None else spec.patch_overlap
        return cls(
            spec.patch_shape,
            overlap=stated if overlap is None else overlap,
            centre=spec.patch_centre,
            places=spec.patch_places,
            weights=spec.patch_weights,
            batch_size=batch_size,
            mirror_axes=mirror_axes,
        )


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
    weighted by a Gaussian unless the tiling says otherwise, as borders of a patch see less of the image.
    """
    return predict_slabs(forward, images, forward.tiling, batch_size=forward.tiling.batch_size, axis=axis)
