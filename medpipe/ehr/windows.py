"""Extremes of a series over windows of time, in O(N log N)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.ehr.series import TIME_SLACK_H, Series

Indices = npt.NDArray[np.intp]


def trailing_minimum(series: Series, window_h: float) -> Array:
    """Return ``(N,)`` the least value in ``[t - window_h, t]``, both ends in it, at each time of the series.

    Values that share the time t count as well. NaN values are passed over.
    """
    start = np.searchsorted(series.time_h, series.time_h - window_h - TIME_SLACK_H, side="left")
    return -range_maximum(-series.values, start, last_at(series.time_h, series.time_h) + 1)


def maximum_between(series: Series, after_h: npt.ArrayLike, until_h: npt.ArrayLike) -> Array:
    """Return the greatest value in ``(after, until]`` for each pair; see :func:`maxima_between`."""
    return maxima_between((series,), after_h, until_h)[..., 0]


def maxima_between(several: Sequence[Series], after_h: npt.ArrayLike, until_h: npt.ArrayLike) -> Array:
    """Return ``(..., L)`` the greatest value of each of L series in ``(after, until]`` for each pair.

    It is NaN where nothing was measured.

    Args:
        several: Of which the values are taken.
        after_h: Any shape; a value at this time is left out.
        until_h: A shape that broadcasts with it; a value at this time counts.
    """
    after, until = np.broadcast_arrays(
        np.asarray(after_h, dtype=np.float64), np.asarray(until_h, dtype=np.float64)
    )
    start, stop = np.empty((2, *after.shape, len(several)), dtype=np.intp)
    before = 0
    for place, series in enumerate(several):
        start[..., place] = before + last_at(series.time_h, after) + 1
        stop[..., place] = before + last_at(series.time_h, until) + 1
        before += len(series)
    values = np.concatenate([np.empty(0), *(series.values for series in several)])
    return range_maximum(values, start.ravel(), stop.ravel()).reshape(start.shape)


def last_at(time_h: Array, moments_h: Array) -> Indices:
    """Return the index of the last of ``time_h`` at or before each moment; -1 where there is none."""
    return np.searchsorted(time_h, moments_h + TIME_SLACK_H, side="right") - 1


def first_after(time_h: Array, moments_h: Array) -> Array:
    """Return the first of ``time_h`` (ascending) after each moment, infinity where there is none."""
    return np.append(time_h, np.inf)[last_at(time_h, moments_h) + 1]


def range_maximum(values: Array, start: Indices, stop: Indices) -> Array:
    """Return ``(Q,)`` the greatest of ``values[start:stop]``; NaN where that is empty or all NaN.

    A range of length n is the union of two of length 2^k, with 2^k <= n < 2^(k+1), that may overlap; the
    maxima of all ranges of length 2^(k+1) follow from those of length 2^k.

    Args:
        values: ``(N,)``; NaN is passed over.
        start: ``(Q,)`` first index of each range.
        stop: ``(Q,)`` index after its last.

    Source:
        Bender & Farach-Colton 2000, "The LCA problem revisited", section 3 (sparse table).
    """
    length = stop - start
    found = np.full(len(length), np.nan)
    # The exponent of frexp is exact where a logarithm of 2^k could round to just below k.
    levels = np.frexp(np.maximum(length, 0))[1] - 1
    maxima, span = values, 1
    for level in range(int(levels.max(initial=-1)) + 1):
        here = np.flatnonzero(levels == level)
        found[here] = np.fmax(maxima[start[here]], maxima[stop[here] - span])
        maxima, span = np.fmax(maxima[:-span], maxima[span:]), 2 * span
    return found
