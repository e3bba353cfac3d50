"""The score head: dense layers that read numbers of the whole image from the bottom of the U."""

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

ACTIVATIONS: Final = {"leaky_relu": nn.LeakyReLU, "relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
"""Between dense layers, by name."""


_LEAST_SHARE: Final = 1e-4
"""Of the image: what is smaller counts as absent, lest the logarithm of its size is noise."""


class FullLinear(nn.Linear):
    """A linear layer whose arithmetic is in float32 whatever its weights are stored in."""

    def forward(self, values: Tensor) -> Tensor:
        """Map ``(B, in_features)`` to ``(B, out_features)``."""
        return linear(values.float(), self.weight.float(), self.bias.float())


class ScoreHead(nn.Module):
    """Means of the bottom's features and logarithms of the masks' sizes, dense layers, numbers of each score.

    Instance norm takes out of a feature how much of it there is, so that means at the bottom tell shapes
    better than sizes; the masks tell sizes. Between persons both vary by a few percent, so that arithmetic is
    in float32.

    A score of several numbers is ordinal: they are logits of "above level 0", "above level 1" and so on, and
    never rise, as what is above level 1 is above level 0 too.

    Args:
        in_channels: Features at the bottom.
        num_classes: Classes of the mask head, background included.
        outputs: Numbers of each score.
        hidden: Width of each dense layer; empty for a linear head.
        activation: One of :data:`ACTIVATIONS`.
        dropout: Share of values that are dropped before each dense layer, while training.

    Source:
        Ordinal logits: Cao et al. 2020, "Rank consistent ordinal regression" (CORAL); the thresholds are
        ordered by construction here.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        outputs: tuple[int, ...],
        *,
        hidden: tuple[int, ...],
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        widths = (in_channels + num_classes, *hidden)
        self.layers = nn.Sequential()
        for source, target in pairwise(widths):
            self.layers.extend(
                [
                    nn.Dropout(dropout),
                    FullLinear(source, target),
                    nn.LayerNorm(target, elementwise_affine=False),
                    ACTIVATIONS[activation](),
                ]
            )
        self.layers.append(nn.Dropout(dropout))
        self.latent = FullLinear(widths[-1], len(outputs))
        self.steps = nn.ParameterDict(
            {
                str(number): nn.Parameter(torch.zeros(count - 1))
                for number, count in enumerate(outputs)
                if count > 1
            }
        )

    def forward(self, features: Tensor, logits: Tensor) -> Tensor:
        """Return ``(B, sum(outputs))`` float32.

        Args:
            features: ``(B, in_channels, ...)`` at the bottom.
            logits: ``(B, num_classes, ...)`` of the masks.
        """
        with torch.autocast(features.device.type, enabled=False):
            shares = logits.float().softmax(dim=1).flatten(2).mean(dim=2)
            sizes = (shares + _LEAST_SHARE).log()
            pooled = torch.cat((features.float().flatten(2).mean(dim=2), sizes), dim=1)
            return self._numbers(pooled)

    def _numbers(self, pooled: Tensor) -> Tensor:
        latent = self.latent(self.layers(pooled))
        columns = []
        for number, column in enumerate(latent.split(1, dim=1)):
            columns.append(column)
            if str(number) in self.steps:
                columns.append(column - softplus(self.steps[str(number)].float()).cumsum(0))
        return torch.cat(columns, dim=1)
