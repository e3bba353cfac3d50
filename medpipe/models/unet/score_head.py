"""The score head: dense layers on the bottom of the U and the sizes of its masks."""

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

ACTIVATIONS: Final = {"leaky_relu": nn.LeakyReLU, "relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
"""Between dense layers, by name."""


_MOMENTUM: Final = 0.05
"""Weight of the newest batch in running statistics, once there were twenty.

Sizes move far while masks are learned, and what was must soon be forgotten.
"""

_LEAST_VARIANCE: Final = 1e-4
"""What varies less than by one percent is not stretched."""

_LEAST_SHARE: Final = 1e-4
"""Of the image: what is smaller counts as absent, lest the logarithm of its size is noise."""


class FullLinear(nn.Linear):
    """A linear layer whose arithmetic is in float32 whatever its weights are stored in."""

    def forward(self, values: Tensor) -> Tensor:
        """Map ``(B, in_features)`` to ``(B, out_features)``."""
        return linear(values.float(), self.weight.float(), self.bias.float())


class RunningScale(nn.Module):
    """Values less their running mean, divided by their running standard deviation.

    As batch norm in use, but in training too: batches of volumes are too small for statistics of their own.

    Args:
        width: Values of a case.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.variance: Tensor
        self.count: Tensor
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))
        self.register_buffer("count", torch.zeros(()))

    def forward(self, values: Tensor) -> Tensor:
        """Scale ``(B, width)`` float32."""
        if self.training:
            with torch.no_grad():
                self.count += 1
                self._count_in(values)
        return (values - self.mean.float()) / self.variance.float().clamp_min(_LEAST_VARIANCE).sqrt()

    def _count_in(self, values: Tensor) -> None:
        weight = (1 / self.count).clamp_min(_MOMENTUM)
        shift = values.mean(dim=0) - self.mean
        # The variance itself is kept, not a mean of squares: it must survive being stored in half precision.
        within = values.var(dim=0, correction=0)
        self.variance.lerp_(within, weight).add_(weight * (1 - weight) * shift.square())
        self.mean.add_(weight * shift)


class ScoreHead(nn.Module):
    """Means of the bottom's features and logarithms of the masks' sizes, dense layers, numbers of each score.

    Instance norm takes out of a feature how much of it there is, so that means at the bottom tell shapes
    better than sizes; the masks tell sizes. Sizes are brought to one scale; what stands at the bottom is
    not, as a few cases would soon be known by heart by it. Sizes are looked at and not trained: a score that
    could change the masks would write itself into their sizes. Arithmetic is in float32.

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
        self.scale = RunningScale(num_classes)
        self.layers = nn.Sequential()
        for source, target in pairwise(widths):
            self.layers.extend([nn.Dropout(dropout), FullLinear(source, target), ACTIVATIONS[activation]()])
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
            shares = logits.detach().float().softmax(dim=1).flatten(2).mean(dim=2)
            sizes = self.scale((shares + _LEAST_SHARE).log())
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
