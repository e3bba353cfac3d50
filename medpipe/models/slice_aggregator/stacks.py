"""Studies of different numbers of slices, one after the other in one tensor: N slices of B studies."""

from collections.abc import Sequence

import torch
from torch import Tensor

from medpipe.core.errors import ShapeError


def check_lengths(slices: Tensor, lengths: Sequence[int]) -> None:
    """Refuse lengths that are not those of the studies in a tensor.

    Args:
        slices: ``(N, ...)``.
        lengths: Slices of each study, at least one.

    Raises:
        ShapeError: A study has no slice, or the lengths do not add up to N.
    """
    if not lengths or min(lengths) < 1 or sum(lengths) != len(slices):
        raise ShapeError(
            "Lengths must be those of the studies, one slice at least each",
            found=f"lengths {list(lengths)} of {len(slices)} slices",
        )


def with_neighbours(slices: Tensor, lengths: Sequence[int], count: int) -> Tensor:
    """Put each slice between its neighbours, as channels; at the ends of a study the last slice repeats.

    Args:
        slices: ``(N, C, I, J)``.
        lengths: Slices of each study.
        count: Slices in all, odd: 3 for one on either side.

    Returns:
        ``(N, count * C, I, J)``, the lowest slice first.
    """
    if count == 1:
        return slices
    device = slices.device
    sizes = torch.tensor(lengths, device=device)
    ends = sizes.cumsum(0)
    first = (ends - sizes).repeat_interleave(sizes)
    last = (ends - 1).repeat_interleave(sizes)
    here = torch.arange(len(slices), device=device)
    reach = count // 2
    around = [(here + step).clamp(first, last) for step in range(-reach, reach + 1)]
    return torch.cat([slices[index] for index in around], dim=1)


def gap_features(gaps_mm: Tensor, lengths: Sequence[int], *, unit_mm: float) -> Tensor:
    """Return what the network knows of distances: logarithms of the gap before and after each slice.

    Args:
        gaps_mm: ``(N,)`` distance to the slice before; that of a study's first slice says nothing.
        lengths: Slices of each study.
        unit_mm: Distance that becomes the logarithm of 2.

    Returns:
        ``(N, 2)``; 0 where there is no slice.
    """
    before = gaps_mm.clone()
    after = torch.zeros_like(gaps_mm)
    start = 0
    for length in lengths:
        before[start] = 0.0
        after[start : start + length - 1] = gaps_mm[start + 1 : start + length]
        start += length
    return torch.log1p(torch.stack((before, after), dim=1) / unit_mm)


def softmax_by_study(values: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return ``(N, H)`` weights that add up to 1 over each study."""
    return torch.cat([part.softmax(dim=0) for part in torch.split(values, list(lengths))])
