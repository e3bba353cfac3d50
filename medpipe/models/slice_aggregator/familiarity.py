"""Familiarity: how unlike a study is to those that a network has learned from.

Letters: B studies, N slices of all of them, F features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_SMALLEST_STD = 0.01
"""Of the mean standard deviation of all features: one that hardly ever changed must not decide alone."""


class Familiarity(nn.Module):
    """Knows mean and spread of the features of studies, each the mean over its slices; nothing is trained.

    Until :meth:`learn` is called every feature has mean 0 and standard deviation 1.

    Args:
        features: Numbers of a slice.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))

    def forward(self, features: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return ``(B,)``: how far studies lie off, in standard deviations.

        The root of the mean square over all features: about 1 for a study as those that were learned from.

        Args:
            features: ``(N, F)`` of the slices of all studies, one study after the other.
            lengths: Slices of each study.
        """
        studies = study_means(features, lengths)
        offsets: Tensor = (studies - self.mean) / self.std
        return offsets.square().mean(dim=1).sqrt()

    @torch.no_grad()
    def learn(self, studies: Tensor) -> None:
        """Take mean and spread from the mean features of studies, ``(B, F)``; of one study only the mean."""
        self.mean.copy_(studies.mean(dim=0))
        if len(studies) > 1:
            std = studies.std(dim=0)
            self.std.copy_(std.clamp(min=_SMALLEST_STD * float(std.mean()) or 1.0))


def study_means(features: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return ``(B, F)``: the mean of ``(N, F)`` over each study."""
    return torch.stack([study.mean(dim=0) for study in torch.split(features, list(lengths))])
