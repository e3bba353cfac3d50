"""The score head: dense layers on the bottom of the U, numbers of the whole image."""

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

ACTIVATIONS: Final = {"leaky_relu": nn.LeakyReLU, "relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
"""Between dense layers, by name."""


class ScoreHead(nn.Module):
    """Mean and maximum of each feature, dense layers, and one or more numbers a score.

    After instance norm the mean of a feature says little of how much of it there is; the maximum tells how
    rare it is. A score of several numbers is ordinal: they are logits of "above level 0", "above level 1" and
    so on, and never rise, as what is above level 1 is above level 0 too.

    Args:
        in_channels: Features at the bottom.
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
        outputs: tuple[int, ...],
        *,
        hidden: tuple[int, ...],
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        widths = (2 * in_channels, *hidden)
        self.layers = nn.Sequential()
        for source, target in pairwise(widths):
            self.layers.extend(
                [
                    nn.Dropout(dropout),
                    nn.Linear(source, target),
                    nn.LayerNorm(target),
                    ACTIVATIONS[activation](),
                ]
            )
        self.layers.append(nn.Dropout(dropout))
        self.latent = nn.Linear(widths[-1], len(outputs))
        self.steps = nn.ParameterDict(
            {
                str(number): nn.Parameter(torch.zeros(count - 1))
                for number, count in enumerate(outputs)
                if count > 1
            }
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(B, sum(outputs))`` of features ``(B, in_channels, I, J[, K])``."""
        flat = features.flatten(2)
        pooled = torch.cat((flat.mean(dim=2), flat.amax(dim=2)), dim=1)
        latent = self.latent(self.layers(pooled))
        columns = []
        for number, column in enumerate(latent.split(1, dim=1)):
            columns.append(column)
            if str(number) in self.steps:
                columns.append(column - softplus(self.steps[str(number)]).cumsum(0))
        return torch.cat(columns, dim=1)
