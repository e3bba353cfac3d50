"""Heads: from the features of a step to curves over horizons that never fall."""

from itertools import accumulate
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

FIRST_STEP: Final = -2.0
"""Of new heads before the softplus: a curve rises by 0.13 from one horizon to the next."""


class RisingHead(nn.Module):
    """A number at the shortest horizon, and steps up to each longer one.

    What may happen within 12 hours may not be less likely than within 6, and the largest value of 12 hours
    is not below that of 6: curves rise, or stay, by construction, whatever the weights.

    Args:
        in_width: Features of a step.
        num_horizons: Horizons, 1 or more, shortest first.
        num_curves: Curves.

    Source:
        Tomašev et al. 2019 add up unconstrained numbers over the horizons, for risk alone; the softplus, and
        rising maxima of labs, are medpipe's.
    """

    def __init__(self, in_width: int, num_horizons: int, num_curves: int) -> None:
        super().__init__()
        self._shape = (num_horizons, num_curves)
        self.linear = nn.Linear(in_width, num_horizons * num_curves)
        with torch.no_grad():
            self.linear.bias.view(self._shape)[0] = 0.0
            self.linear.bias.view(self._shape)[1:] = FIRST_STEP

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(B, T, num_horizons, num_curves)`` float32 of ``(B, T, in_width)``."""
        numbers: Tensor = self.linear(features).float().unflatten(-1, self._shape)
        steps = softplus(numbers[..., 1:, :]).unbind(-2)
        # One addition after the other: a parallel cumsum rounds each sum in its own way, and might fall.
        return torch.stack(list(accumulate((numbers[..., 0, :], *steps), torch.add)), dim=-2)
