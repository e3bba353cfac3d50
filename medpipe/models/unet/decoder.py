"""The way up: each level doubles the grid and joins the encoder's features of that size."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from medpipe.models.layers import doubling
from medpipe.models.unet.blocks import ConvBlock


class DecoderLevel(nn.Module):
    """A transposed convolution, the skip connection beside it, and a block over both."""

    def __init__(self, coarse_channels: int, fine_channels: int, *, dims: int, num_convs: int) -> None:
        super().__init__()
        self.up = doubling(dims, coarse_channels, fine_channels)
        self.block = ConvBlock(2 * fine_channels, fine_channels, dims=dims, num_convs=num_convs)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Return features of the shape of ``skip``, from features on half its grid."""
        raised = self.up(coarse)
        # An axis of odd size was rounded up on the way down: its last voxel has no partner.
        raised = raised[(..., *map(slice, skip.shape[2:]))]
        joined: Tensor = self.block(torch.cat((raised, skip), dim=1))
        return joined


class Decoder(nn.Module):
    """One level for each of the encoder's but the bottom; no shortcuts.

    Args:
        channels: Channels of each of the encoder's levels, finest first.
        dims: Spatial axes.
        convs_per_level: Convolutions of each level.
    """

    def __init__(self, channels: Sequence[int], *, dims: int, convs_per_level: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            DecoderLevel(coarse, fine, dims=dims, num_convs=convs_per_level)
            for fine, coarse in pairwise(channels)
        )

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
