"""Training samples of studies and of single slices.

Letters: S slices, I J axes of a slice, L labels, R scores, K neighbouring slices.
"""

from typing import NamedTuple

import torch


class StudySample(NamedTuple):
    """A whole study.

    Attributes:
        slices: ``(S, I, J)`` int16 in physical order: Hounsfield units of CT, integers as stored otherwise.
        gaps_mm: ``(S,)`` float32: distance to the slice before; 0 for the first.
        study_labels: ``(L,)`` float32 in [0, 1]; NaN where unknown.
        slice_labels: ``(S, L)`` float32 in [0, 1]; NaN where unknown.
        scores: ``(R,)`` float32; NaN where unknown.
        window: ``(2,)`` float32: lowest and highest value that the header's window shows; NaN where it states
            none.
        case_id: Where it comes from.
    """

    slices: torch.Tensor
    gaps_mm: torch.Tensor
    study_labels: torch.Tensor
    slice_labels: torch.Tensor
    scores: torch.Tensor
    window: torch.Tensor
    case_id: str


class SliceSample(NamedTuple):
    """A slice among its neighbours.

    Attributes:
        image: ``(K, I, J)`` int16, the slice itself in the middle; as ``StudySample.slices``.
        labels: ``(L,)`` float32 of the slice itself, in [0, 1]; NaN where unknown.
        window: As ``StudySample.window``.
        case_id: Where it comes from.
        number: Of the slice in its study, from 0.
    """

    image: torch.Tensor
    labels: torch.Tensor
    window: torch.Tensor
    case_id: str
    number: int
