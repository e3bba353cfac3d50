"""The way down: each level divides the grid."""

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from medpipe.models.unet.blocks import ConvBlock, strided_shortcut


class Encoder(nn.Module):
    """A chain of levels whose features are all kept.

    Args:
        levels: Blocks, finest first; all but the first divide the grid.
    """

    def __init__(self, levels: Iterable[nn.Module]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the features of each level, finest first; the last are the bottom of the U.

        Args:
            images: ``(B, C, I, J[, K])``.

        Returns:
            Level ``n`` is ``(B, channels of the level, ...)`` on axes of ``ceil(size / step)``, where
            ``step`` is the product of the strides so far.
        """
        features = []
        current = images
        for level in self.levels:
            current = level(current)
            features.append(current)
        return tuple(features)


def halving_encoder(
    in_channels: int, channels: Sequence[int], *, dims: int, convs_per_level: int, residual: bool
) -> Encoder:
    """Return an encoder of equal levels; all but the first halve the grid.

    Args:
        in_channels: Channels of the images.
        channels: Channels of each level, finest first.
        dims: Spatial axes.
        convs_per_level: Convolutions of each level.
        residual: Whether blocks have shortcuts.
    """
    strides = (1, *[2] * (len(channels) - 1))
    return Encoder(
        ConvBlock(
            source,
            target,
            dims=dims,
            num_convs=convs_per_level,
            stride=stride,
            shortcut=strided_shortcut(dims, source, target, stride=stride) if residual else None,
        )
        for source, target, stride in zip((in_channels, *channels), channels, strides, strict=False)
    )
