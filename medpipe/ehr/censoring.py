"""When the outcome cannot be known: times that a label must leave out."""

from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.ehr.creatinine import SEVERE_UMOL_L
from medpipe.ehr.intervals import intervals_of, merge_intervals
from medpipe.ehr.series import Series

AFTER_DIALYSIS_H: Final = 168.0
"""The 7 days of the rolling minimum: so long it may hold a value that dialysis lowered."""


def dialysis_intervals(dialysis_h: npt.ArrayLike, *, after_h: float = AFTER_DIALYSIS_H) -> Array:
    """Return ``(M, 2)`` the times during and after dialysis, merged.

    Args:
        dialysis_h: ``(K, 2)`` start and end of each treatment.
        after_h: Hours after each end; infinity for the rest of the record.

    Raises:
        ShapeError: ``dialysis_h`` is no list of intervals.
    """
    treatments = intervals_of(dialysis_h)
    return merge_intervals(treatments + np.array([0.0, after_h]))


def end_stage_intervals(
    creatinine_umol_l: Series, baseline_umol_l: Array, *, limit_umol_l: float = SEVERE_UMOL_L
) -> Array:
    """Return ``(M, 2)`` the times at which the baseline is above a limit: the kidney had failed before.

    They begin with the measurement, save that those of the first known baseline begin with the record, at
    minus infinity, and they end with the next known baseline at or below the limit.

    Args:
        creatinine_umol_l: ``(N,)`` measurements.
        baseline_umol_l: ``(N,)`` baseline at each; NaN changes nothing.
        limit_umol_l: 4.0 mg/dL by default, the exclusion of the YAIB benchmark.

    Raises:
        ShapeError: There is not one baseline for each.
    """
    baseline = np.asarray(baseline_umol_l, dtype=np.float64)
    if baseline.shape != creatinine_umol_l.time_h.shape:
        raise ShapeError(
            "Each creatinine has one baseline",
            found=f"shape {baseline.shape} for {len(creatinine_umol_l)} measurements",
        )
    known = ~np.isnan(baseline)
    time_h, failed = creatinine_umol_l.time_h[known].copy(), baseline[known] > limit_umol_l
    if not len(time_h):
        return np.empty((0, 2))
    time_h[0] = -np.inf
    changes = np.diff(np.concatenate([[0], failed.astype(np.int8), [0]]))
    bounds_h = np.append(time_h, np.inf)
    return np.stack([bounds_h[changes > 0], bounds_h[changes < 0]], axis=1)
