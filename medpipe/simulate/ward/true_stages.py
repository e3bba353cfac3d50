"""KDIGO stages of a creatinine that is known without noise at every hour.

Source:
    KDIGO 2012, "Clinical practice guideline for acute kidney injury", table 2, creatinine only.
"""

from typing import Final

import numpy as np
from scipy.ndimage import minimum_filter1d

from medpipe.core.affine import Array

RISE_UMOL_L, RISE_H = 26.5, 48
RATIOS, RATIO_H = (1.5, 2.0, 3.0), 168
SEVERE_UMOL_L: Final = 353.6


def true_stages(creatinine_umol_l: Array, dialysis: Array) -> Array:
    """Return ``(T,)`` the stage, 0 to 3, at each hour.

    The baseline is the least value of the last seven days. From the first dialysis the stage is 3 until a
    week after the last, since dialysis lowers the creatinine.

    Args:
        creatinine_umol_l: ``(T,)`` without noise, an hour apart.
        dialysis: ``(T,)`` 1 in the hours of sessions.
    """
    ratio = creatinine_umol_l / _trailing(creatinine_umol_l, RATIO_H)
    rise = creatinine_umol_l - _trailing(creatinine_umol_l, RISE_H)
    is_injured = (ratio >= RATIOS[0]) | (rise >= RISE_UMOL_L)
    stages = is_injured.astype(np.float64)
    stages[ratio >= RATIOS[1]] = 2.0
    stages[(ratio >= RATIOS[2]) | (is_injured & (creatinine_umol_l >= SEVERE_UMOL_L))] = 3.0
    stages[-_trailing(-dialysis, RATIO_H) > 0] = 3.0
    return stages


def _trailing(values: Array, hours: int) -> Array:
    """Return the least of the last ``hours`` and the present value at each hour."""
    # The origin moves the window so that it ends at the value itself.
    least: Array = minimum_filter1d(values, hours + 1, mode="nearest", origin=hours // 2)
    return least
