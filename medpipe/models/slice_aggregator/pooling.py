"""Pooling: from the slices of a study to the study."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medpipe.models.slice_aggregator.stacks import softmax_by_study


class MeanPooling(nn.Module):
    """The mean over slices, the same for every answer.

    Args:
        num_answers: Answers of the study.
    """

    def __init__(self, num_answers: int) -> None:
        super().__init__()
        self._num_answers = num_answers

    def weights(self, features: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return ``(N, num_answers)``: how much each slice counts; 1 in all over each study."""
        return torch.cat([features.new_full((length, self._num_answers), 1.0 / length) for length in lengths])


class AttentionPooling(nn.Module):
    """A weighted mean over slices, with weights of its own for every answer.

    Args:
        features: Numbers of a slice.
        num_answers: Answers of the study.
        hidden: Width of the gated layer.

    Source:
        Ilse et al. 2018, "Attention-based deep multiple instance learning", equation 9.
    """

    def __init__(self, features: int, num_answers: int, *, hidden: int = 64) -> None:
        super().__init__()
        self.value = nn.Linear(features, hidden)
        self.gate = nn.Linear(features, hidden)
        self.weight = nn.Linear(hidden, num_answers)

    def weights(self, features: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return ``(N, num_answers)``: how much each slice counts; 1 in all over each study."""
        gated = torch.tanh(self.value(features)) * torch.sigmoid(self.gate(features))
        return softmax_by_study(self.weight(gated), lengths)


def pooled(features: Tensor, weights: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return ``(B, num_answers, F)``: the weighted sum of ``(N, F)`` over each study."""
    parts = zip(torch.split(features, list(lengths)), torch.split(weights, list(lengths)), strict=True)
    return torch.stack([weight.T @ feature for feature, weight in parts])
