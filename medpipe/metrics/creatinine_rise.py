"""The trivial rule for kidney injury: how far the last creatinine stands above the least of the week."""

from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError

WINDOW_H: Final = 168.0
"""The seven days of the KDIGO baseline."""


def creatinine_rise(
    time_h: npt.ArrayLike,
    creatinine_umol_l: npt.ArrayLike,
    moments_h: npt.ArrayLike,
    *,
    window_h: float = WINDOW_H,
) -> Array:
    """Return ``(M,)`` the last creatinine over the least of the window that ends with it, 1 or more.

    What is measured at a moment is known at it. Where nothing was measured before, the rule says 1: no rise.

    Args:
        time_h: ``(N,)`` ascending.
        creatinine_umol_l: ``(N,)`` in any unit, above zero.
        moments_h: ``(M,)`` at which to judge.
        window_h: Hours that the least value may lie before the last one.

    Raises:
        ShapeError: Times and values differ in length, times are not in order, or a value is not above zero.

    Source:
        medpipe: the rule that a model of kidney injury must beat.
    """
    times, values = np.asarray(time_h, dtype=np.float64), np.asarray(creatinine_umol_l, dtype=np.float64)
    if times.ndim != 1 or times.shape != values.shape:
        raise ShapeError("Each creatinine has one time", found=f"shapes {times.shape} and {values.shape}")
    if not ((np.diff(times) >= 0).all() and (values > 0).all()):
        raise ShapeError("Creatinine is above zero, in the order of time", fix="Sort it; leave out the rest.")
    first = np.searchsorted(times, times - window_h, side="left")
    least = [values[start : index + 1].min() for index, start in enumerate(first)]
    rises = np.concatenate([[1.0], values / np.array(least)])
    known = np.searchsorted(times, np.asarray(moments_h, dtype=np.float64), side="right")
    return np.asarray(rises[known])
