"""Heads: from features to answers."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from medpipe.models.layers import convolution


class UNetOutput(NamedTuple):
    """What a segmentation network returns.

    Attributes:
        logits: ``(B, num_classes, I, J[, K])``; class 0 is background.
        deep: Logits of coarser levels, finer ones first, for deep supervision. With ``step = 2**(n + 1)``
            those at ``n`` have axes of ``ceil(size / step)``; their voxel ``i`` lies on voxel ``step * i``.
        scores: ``(B, sum(score_outputs))``; None where the network has no score head.
    """

    logits: Tensor
    deep: tuple[Tensor, ...] = ()
    scores: Tensor | None = None


class MaskHead(nn.Module):
    """A 1x1 convolution to class logits for each of the finest levels of the decoder.

    Args:
        channels: Channels of the levels that are read, finest first; more than one for deep supervision.
        num_classes: Classes, background included.
        dims: Spatial axes.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, *, dims: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            convolution(dims, width, num_classes, kernel_size=1, bias=True) for width in channels
        )

    def forward(self, decoded: tuple[Tensor, ...]) -> UNetOutput:
        """Return the logits of each level that has a convolution.

        Args:
            decoded: What :class:`medpipe.models.unet.decoder.Decoder` returns, finest first.
        """
        logits, *deep = (level(features) for level, features in zip(self.levels, decoded, strict=False))
        return UNetOutput(logits, tuple(deep))
