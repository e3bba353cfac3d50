"""Loss weights: several losses to one, by fixed weights or by weights that are learned beside the network."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class LossWeights(nn.Module):
    """A weighted sum of those losses that a batch has.

    Args:
        names: All losses that there are.
        weights: Fixed weight by name; 1 for the others.
        learned: Each loss is divided by a learned scale beside its weight, and the logarithm of that scale is
            added: a loss that stays large, because its truth scatters, comes to count less.

    Source:
        Kendall et al. 2018, "Multi-task learning using uncertainty", equation 7.
    """

    def __init__(self, names: Sequence[str], weights: Mapping[str, float], *, learned: bool) -> None:
        super().__init__()
        self._weights = {name: weights.get(name, 1.0) for name in names}
        self.log_scales = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in names if learned})

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the scalar sum of the losses given; what a batch does not have is left out.

        Args:
            losses: Scalar by name, at least one.
        """
        return torch.stack([self._weighted(name, loss) for name, loss in losses.items()]).sum()

    def _weighted(self, name: str, loss: Tensor) -> Tensor:
        weighted = self._weights[name] * loss
        if name not in self.log_scales:
            return weighted
        log_scale: Tensor = self.log_scales[name]
        return weighted * (-log_scale).exp() + log_scale
