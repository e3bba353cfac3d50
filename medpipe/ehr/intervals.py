"""Intervals of time: what is one, their union, and what lies in it."""

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.ehr.series import TIME_SLACK_H
from medpipe.ehr.windows import last_at


def intervals_of(pairs_h: npt.ArrayLike) -> Array:
    """Return ``(M, 2)`` float64 starts and ends; an empty list gives ``(0, 2)``.

    Raises:
        ShapeError: It is not ``(M, 2)``, a bound is NaN, or an interval ends before it starts.
    """
    pairs = np.asarray(pairs_h, dtype=np.float64)
    if not pairs.size:
        return np.empty((0, 2))
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ShapeError("Intervals are (M, 2): start and end", found=f"shape {pairs.shape}")
    if not (pairs[:, 0] <= pairs[:, 1]).all():
        wrong = pairs[~(pairs[:, 0] <= pairs[:, 1])][0]
        raise ShapeError("An interval ends at or after its start", found=f"{wrong[0]:g} to {wrong[1]:g} h")
    return pairs


def merge_intervals(*lists_h: npt.ArrayLike) -> Array:
    """Return ``(M, 2)`` the union of lists of intervals, in order and apart from each other.

    Raises:
        ShapeError: One is no list of intervals.
    """
    pairs = np.concatenate([np.empty((0, 2)), *(intervals_of(each) for each in lists_h)])
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    if not len(pairs):
        return pairs
    reach = np.maximum.accumulate(pairs[:, 1])
    apart = np.append(True, pairs[1:, 0] > reach[:-1] + TIME_SLACK_H)
    starts = np.flatnonzero(apart)
    return np.stack([pairs[starts, 0], reach[np.append(starts[1:], len(pairs)) - 1]], axis=1)


def end_at(moments_h: Array, merged_h: Array) -> Array:
    """Return ``(T,)`` the end of the last interval that starts at or before each moment.

    Args:
        moments_h: ``(T,)``.
        merged_h: ``(M, 2)`` intervals in order and apart, see :func:`merge_intervals`. Where none has started
            the result is minus infinity.
    """
    return np.append(merged_h[:, 1], -np.inf)[last_at(merged_h[:, 0], moments_h)]
