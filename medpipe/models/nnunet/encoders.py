"""nnU-Net's two encoders, from the shape of each level."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from torch import nn

from medpipe.models.layers import PerAxis, average_pool, convolution, instance_norm, per_axis
from medpipe.models.unet.blocks import ConvBlock
from medpipe.models.unet.encoder import Encoder

_CONVS_PER_RESIDUAL_BLOCK: Final = 2


class Level(NamedTuple):
    """One level of an encoder.

    Attributes:
        channels: Of every convolution.
        kernel_size: Odd size along each axis.
        stride: By how much it divides the grid along each axis.
        num_blocks: Convolutions, or blocks of two where the encoder is residual.
    """

    channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    num_blocks: int


def plain_encoder(in_channels: int, levels: Sequence[Level], *, dims: int) -> Encoder:
    """Return an encoder of convolutions alone."""
    sources = (in_channels, *(level.channels for level in levels))
    return Encoder(
        ConvBlock(
            source,
            level.channels,
            dims=dims,
            num_convs=level.num_blocks,
            kernel_size=level.kernel_size,
            stride=level.stride,
        )
        for source, level in zip(sources, levels, strict=False)
    )


def residual_encoder(in_channels: int, levels: Sequence[Level], *, dims: int) -> Encoder:
    """Return an encoder of residual blocks behind one convolution, the stem."""
    first = levels[0]
    stem = ConvBlock(in_channels, first.channels, dims=dims, num_convs=1, kernel_size=first.kernel_size)
    sources = (first.channels, *(level.channels for level in levels))
    stages = [
        [_residual_block(source if number == 0 else level.channels, level, dims=dims, is_first=number == 0)
         for number in range(level.num_blocks)]
        for source, level in zip(sources, levels, strict=False)
    ]  # fmt: skip
    stages[0].insert(0, stem)
    return Encoder(nn.Sequential(*blocks) for blocks in stages)


def _residual_block(in_channels: int, level: Level, *, dims: int, is_first: bool) -> ConvBlock:
    stride = level.stride if is_first else per_axis(dims, 1)
    return ConvBlock(
        in_channels,
        level.channels,
        dims=dims,
        num_convs=_CONVS_PER_RESIDUAL_BLOCK,
        kernel_size=level.kernel_size,
        stride=stride,
        shortcut=pooled_shortcut(dims, in_channels, level.channels, stride=stride),
    )


def pooled_shortcut(dims: int, in_channels: int, out_channels: int, *, stride: PerAxis) -> nn.Module:
    """Return a shortcut that takes means where the grid is divided and projects where channels change.

    Source:
        He et al. 2019, "Bag of tricks for image classification", ResNet-D.
    """
    shortcut = nn.Sequential()
    if set(per_axis(dims, stride)) != {1}:
        shortcut.append(average_pool(dims, stride))
    if in_channels != out_channels:
        shortcut.append(convolution(dims, in_channels, out_channels, kernel_size=1))
        shortcut.append(instance_norm(dims, out_channels))
    return shortcut
