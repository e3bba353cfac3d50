"""Batches of stays that a network can take."""

from typing import NamedTuple

from torch import Tensor

from medpipe.core.errors import ShapeError
from medpipe.core.stay_batch import StayBatch


class StaySizes(NamedTuple):
    """What each step of a stay must have.

    Attributes:
        variables: V.
        extremes: E; 0 for none.
        statics: D; 0 for none.
        codes: Size of the vocabulary; 0 for no codes.
    """

    variables: int
    extremes: int
    statics: int
    codes: int


def check_stays(batch: StayBatch, sizes: StaySizes) -> None:
    """Refuse a batch that does not fit a network.

    Raises:
        ShapeError: A tensor is missing, too many or of another shape; lengths or codes are out of range.
    """
    presence = batch.presence
    if presence.ndim != 3 or 0 in presence.shape[:2] or presence.shape[2] != sizes.variables:
        raise ShapeError(
            f"Presence must be (B, T, {sizes.variables}), one stay and one step at least",
            found=f"{tuple(presence.shape)}",
        )
    num_stays, num_steps, _ = presence.shape
    _check_shape("Values", batch.values, tuple(presence.shape))
    _check_shape("Hours since", batch.time_since_h, tuple(presence.shape))
    _check_shape("Statics", batch.statics, (num_stays, sizes.statics))
    _check_shape("Lengths", batch.lengths, (num_stays,))
    if batch.lengths.min() < 0 or batch.lengths.max() > num_steps:
        raise ShapeError(f"Lengths must be 0 to {num_steps}", found=f"{batch.lengths.tolist()}")
    _check_optional("extremes", (batch.extremes,), wanted=bool(sizes.extremes))
    if batch.extremes is not None:
        _check_shape("Extremes", batch.extremes, (num_stays, num_steps, sizes.extremes))
    _check_optional("codes", (batch.codes, batch.code_counts), wanted=bool(sizes.codes))
    if batch.codes is not None and batch.code_counts is not None:
        _check_shape("Counts of codes", batch.code_counts, (num_stays, num_steps))
        _check_codes(batch.codes, batch.code_counts, sizes.codes)


def _check_shape(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(values.shape) != shape:
        raise ShapeError(f"{name} must be {shape}", found=f"{tuple(values.shape)}")


def _check_optional(name: str, tensors: tuple[Tensor | None, ...], *, wanted: bool) -> None:
    if any((item is not None) is not wanted for item in tensors):
        raise ShapeError(
            f"The network was built {'with' if wanted else 'without'} {name}",
            found=f"a batch {'without' if wanted else 'with'} them",
        )


def _check_codes(codes: Tensor, counts: Tensor, vocabulary: int) -> None:
    if codes.ndim != 1 or counts.min() < 0 or int(counts.sum()) != len(codes):
        raise ShapeError(
            "Codes must be (M,), as many as their counts say",
            found=f"{tuple(codes.shape)} and counts of {int(counts.sum())} in all",
        )
    # On a GPU a code out of range would end the process.
    if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < vocabulary:
        raise ShapeError(
            f"Codes must be 0 to {vocabulary - 1}", found=f"{int(codes.min())} to {int(codes.max())}"
        )
