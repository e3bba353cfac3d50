"""The way down: each level halves the grid."""

from collections.abc import Sequence

from torch import Tensor, nn

from medpipe.models.unet.blocks import ConvBlock


class Encoder(nn.Module):
    """One block a level; all but the first begin with a stride of 2.

    Args:
        in_channels: Channels of the images.
        channels: Channels of each level, finest first.
        dims: Spatial axes.
        convs_per_level: Convolutions of each level.
        residual: Whether blocks have shortcuts.
    """

    def __init__(
        self, in_channels: int, channels: Sequence[int], *, dims: int, convs_per_level: int, residual: bool
    ) -> None:
        super().__init__()
        sources = (in_channels, *channels[:-1])
        self.levels = nn.ModuleList(
            ConvBlock(
                source,
                target,
                dims=dims,
                num_convs=convs_per_level,
                stride=2 if level else 1,
                residual=residual,
            )
            for level, (source, target) in enumerate(zip(sources, channels, strict=True))
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the features of each level, finest first; the last are the bottom of the U.

        Args:
            images: ``(B, C, I, J[, K])``.

        Returns:
            Level ``n`` is ``(B, channels[n], ...)`` on axes of ``ceil(size / 2**n)``.
        """
        features = []
        current = images
        for level in self.levels:
            current = level(current)
            features.append(current)
        return tuple(features)
