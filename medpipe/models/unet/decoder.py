"""The way up: each level enlarges the grid and joins the encoder's features of that size."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from medpipe.models.layers import PerAxis, enlarging
from medpipe.models.unet.blocks import ConvBlock


class DecoderLevel(nn.Module):
    """A transposed convolution, the skip connection beside it, and a block over both.

    Args:
        coarse_channels: Channels of the level below.
        fine_channels: Channels of this level and of the skip connection.
        dims: Spatial axes.
        num_convs: Convolutions of the block.
        kernel_size: Odd sizes of their kernels.
        factor: How much finer the grid is than that of the level below.
        up_bias: Whether the transposed convolution has one.
    """

    def __init__(
        self,
        coarse_channels: int,
        fine_channels: int,
        *,
        dims: int,
        num_convs: int,
        kernel_size: PerAxis = 3,
        factor: PerAxis = 2,
        up_bias: bool = False,
    ) -> None:
        super().__init__()
        self.up = enlarging(dims, coarse_channels, fine_channels, factor=factor, bias=up_bias)
        self.block = ConvBlock(
            2 * fine_channels, fine_channels, dims=dims, num_convs=num_convs, kernel_size=kernel_size
        )

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return features of the shape of ``skip``, from features on the grid of the level below."""
        raised = self.up(coarse)
        # An axis that the factor does not divide was rounded up on the way down: its end has no partner.
        raised = raised[(..., *map(slice, skip.shape[2:]))]
        joined: Tensor = self.block(torch.cat((raised, skip), dim=1))
        return joined


class Decoder(nn.Module):
    """A chain of levels whose features are all kept; no shortcuts.

    Args:
        levels: One for each of the encoder's but the bottom, finest first.
    """

    def __init__(self, levels: Iterable[DecoderLevel]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the decoded features of each level but the bottom, finest first.

        Args:
            features: What :class:`medpipe.models.unet.encoder.Encoder` returns.
        """
        *skips, current = features
        decoded = []
        for level, skip in zip(reversed(self.levels), reversed(skips), strict=True):
            current = level(current, skip)
            decoded.append(current)
        return tuple(reversed(decoded))
