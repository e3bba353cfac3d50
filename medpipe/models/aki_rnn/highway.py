"""Highways: a learned gate between what is carried on and what a layer made of it."""

from typing import Final

import torch
from torch import Tensor, nn

CARRY_BIAS: Final = 1.0
"""Of new gates: at first they carry 73 % of what they are given."""


class HighwayGate(nn.Module):
    """A mean of two, weighted by a gate that reads the first: ``g * carried + (1 - g) * made``.

    Args:
        width: Numbers of both.

    Source:
        Srivastava et al. 2015, "Highway networks", with the carry gate as the one that is learned.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.carry = nn.Linear(width, width)
        nn.init.constant_(self.carry.bias, CARRY_BIAS)

    def forward(self, carried: Tensor, made: Tensor) -> Tensor:
        """Return ``(..., width)`` of two such tensors."""
        carry = torch.sigmoid(self.carry(carried))
        return carry * carried + (1 - carry) * made


class HighwayLayer(nn.Module):
    """A dense layer with a tanh, and a gate around it.

    Args:
        width: Numbers in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.gate = HighwayGate(width)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(..., width)`` of ``(..., width)``."""
        mixed: Tensor = self.gate(features, torch.tanh(self.dense(features)))
        return mixed
