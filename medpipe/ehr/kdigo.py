"""KDIGO stages of acute kidney injury, 0 to 3, at each measurement.

A stage at time t rests on what was measured up to t, and t itself. It is NaN where nothing that was measured
can tell.

Source of the criteria: KDIGO 2012, "Clinical practice guideline for acute kidney injury", section 2.1.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.ehr.creatinine import SEVERE_UMOL_L, check_creatinine
from medpipe.ehr.intervals import end_at, intervals_of, merge_intervals
from medpipe.ehr.series import TIME_SLACK_H, Series
from medpipe.ehr.windows import last_at, range_maximum, trailing_minimum

RISE_UMOL_L: Final = 26.5
"""0.3 mg/dL as KDIGO prints it. Exactly it would be 26.52: the little less lets 1.0 to 1.3 mg/dL, converted
with rounding, count, and no lab reports so finely that another pair would."""

RISE_WINDOW_H: Final = 48.0
RATIOS: Final = (1.5, 2.0, 3.0)
"""Of stages 1, 2 and 3 to the baseline."""

OLIGURIA: Final = ((1, 6.0, 0.5), (2, 12.0, 0.5), (3, 24.0, 0.3))
"""Stage, hours, and the mL/kg/h below which the mean rate over these hours has the stage."""

ANURIA_H: Final = 12.0
"""Hours without urine that have stage 3."""

MAX_RECORDING_GAP_H: Final = 8.0
"""A nursing shift: a longer silence between two volumes is no record of urine, not a record of none."""

MAX_CARRY_H: Final = 48.0
"""How long a stage stands for what was not measured again: the window of the rise."""

_ROUNDING: Final = 1e-9
_NO_VOLUME_ML: Final = 1e-6


def creatinine_stages(creatinine_umol_l: Series, baseline_umol_l: Array, *, padding_h: float = 0.0) -> Series:
    """Return the stage at each creatinine.

    Stage 1: 26.5 umol/L or more above the least value of the last 48 h, or 1.5 times the baseline or more.
    Stage 2: twice. Stage 3: three times, or 353.6 umol/L or more with a criterion of stage 1.

    Args:
        creatinine_umol_l: ``(N,)`` measurements.
        baseline_umol_l: ``(N,)`` baseline at each; where it is NaN only the rise over 48 h can be judged, and
            the stage is NaN if there is none.
        padding_h: Added to the 48 h, for samples that are entered late.

    Raises:
        ShapeError: A value is no creatinine, or there is not one baseline for each.
    """
    check_creatinine(creatinine_umol_l)
    values = creatinine_umol_l.values
    baseline = np.asarray(baseline_umol_l, dtype=np.float64)
    if baseline.shape != values.shape or (baseline <= 0).any():
        raise ShapeError(
            "Each creatinine has one baseline, above zero or NaN",
            found=f"shape {baseline.shape} for {len(values)}, least {baseline.min(initial=np.inf):g} umol/L",
        )
    lowest = trailing_minimum(creatinine_umol_l, RISE_WINDOW_H + padding_h)
    # 1.35 is 1.5 times 0.9 though their float64 products differ in the last place.
    reach = values * (1 + _ROUNDING)
    rises = reach - lowest >= RISE_UMOL_L
    # A comparison with NaN is false, so a ratio without a baseline adds nothing.
    stage = np.zeros(len(values))
    for ratio in RATIOS:
        stage += reach >= ratio * baseline
    stage[rises & (stage == 0)] = 1
    stage[(reach >= SEVERE_UMOL_L) & (stage > 0)] = 3
    stage[np.isnan(baseline) & (stage == 0)] = np.nan
    return Series(creatinine_umol_l.time_h, stage)


def urine_stages(
    urine_ml: Series,
    *,
    weight_kg: float,
    start_h: float | None = None,
    max_gap_h: float = MAX_RECORDING_GAP_H,
) -> Series:
    """Return the stage at each recorded volume of urine.

    A volume has run evenly since the record before it, so that a window that cuts it takes its share. The
    rate is the mean over the window. A window is judged where it lies after the start and has no gap.

    Args:
        urine_ml: ``(N,)`` volumes, each collected since the one before; 0 is a record of no urine.
        weight_kg: Of the body.
        start_h: When the collection of the first volume began; None: not known, and the first volume only
            marks the start of those that follow.
        max_gap_h: The longest time that one volume may stand for.

    Returns:
        Stages; NaN where not even the last 6 h are on record.

    Raises:
        ShapeError: A volume is negative or not finite, the weight is not above zero, or the start lies after
            the first volume.
    """
    _check_urine(urine_ml, weight_kg, start_h)
    time_h, volumes = urine_ml.time_h, urine_ml.values
    if not len(time_h):
        return urine_ml
    # Of several volumes at one time, the first knows of the last.
    here = last_at(time_h, time_h) + 1
    opens = time_h[0] if start_h is None else start_h
    if start_h is None:
        volumes = np.where(time_h <= opens, 0.0, volumes)
    marks = np.append(opens, time_h)
    total_ml = np.append(0.0, np.cumsum(volumes))
    num_gaps = np.append(0, np.cumsum(np.diff(marks) > max_gap_h + TIME_SLACK_H))
    stage = np.full(len(time_h), np.nan)
    for level, window_h, limit in (*OLIGURIA, (3, ANURIA_H, 0.0)):
        from_h = time_h - window_h
        # The record that a window's start falls into is the one that ends after it.
        first = last_at(marks, from_h)
        judged = (from_h >= opens - TIME_SLACK_H) & (num_gaps[here] == num_gaps[np.maximum(first, 0)])
        passed_ml = total_ml[here] - _volume_at(from_h, marks, total_ml)
        limit_ml = limit * window_h * weight_kg
        low = passed_ml < limit_ml * (1 - _ROUNDING) if limit else passed_ml < _NO_VOLUME_ML
        stage = np.fmax(stage, np.where(judged, level * low, np.nan))
    return Series(time_h, stage)


def combined_stages(
    *parts: Series, dialysis_h: npt.ArrayLike = (), max_carry_h: float = MAX_CARRY_H
) -> Series:
    """Return the greatest of the stages by creatinine, by urine and by dialysis, at each time of any.

    Args:
        parts: Stages by one kind of measurement each. The last of a kind stands until the next, but no longer
            than ``max_carry_h``; NaN has no say.
        dialysis_h: ``(M, 2)`` start and end of each treatment. Its start is a time of its own, and until its
            end, that moment included, the stage is 3.
        max_carry_h: See there.

    Returns:
        Stages at the distinct times, NaN where no kind can tell.

    Raises:
        ShapeError: ``dialysis_h`` is no list of intervals.
    """
    dialysis = intervals_of(dialysis_h)
    time_h = np.unique(np.concatenate([dialysis[:, 0], *(part.time_h for part in parts)]))
    stage = np.full(len(time_h), np.nan)
    for part in parts:
        stage = np.fmax(stage, _carried(part, time_h, max_carry_h))
    stage[time_h <= end_at(time_h, merge_intervals(dialysis)) + TIME_SLACK_H] = 3
    return Series(time_h, stage)


def _carried(part: Series, moments_h: Array, max_carry_h: float) -> Array:
    """Return the last stage at or before each moment; the greatest of several at one time."""
    if not len(part):
        return np.full(len(moments_h), np.nan)
    last = last_at(part.time_h, moments_h)
    from_h = part.time_h[np.maximum(last, 0)]
    first = np.searchsorted(part.time_h, from_h - TIME_SLACK_H, side="left")
    stage = range_maximum(part.values, first, np.maximum(last, 0) + 1)
    stands = (last >= 0) & (moments_h - from_h <= max_carry_h + TIME_SLACK_H)
    return np.where(stands, stage, np.nan)


def _volume_at(moments_h: Array, marks_h: Array, total_ml: Array) -> Array:
    """Return the volume since the first mark, straight between marks; at a mark all that it records."""
    last = np.clip(last_at(marks_h, moments_h), 0, len(marks_h) - 1)
    following = np.minimum(last + 1, len(marks_h) - 1)
    span = marks_h[following] - marks_h[last]
    share = np.divide(
        moments_h - marks_h[last], span, out=np.zeros(len(moments_h)), where=span > TIME_SLACK_H
    )
    return total_ml[last] + np.clip(share, 0.0, 1.0) * (total_ml[following] - total_ml[last])


def _check_urine(urine_ml: Series, weight_kg: float, start_h: float | None) -> None:
    wrong = ~(np.isfinite(urine_ml.values) & (urine_ml.values >= 0))
    if wrong.any():
        raise ShapeError(
            "A volume of urine is finite and not negative",
            found=f"{urine_ml.values[wrong][0]:g} mL, {int(wrong.sum())} of {len(urine_ml)} such values",
            fix="Leave out what was not measured.",
        )
    if not (np.isfinite(weight_kg) and weight_kg > 0):
        raise ShapeError("The weight is finite and above zero", found=f"{weight_kg:g} kg")
    if start_h is not None and len(urine_ml) and not start_h <= urine_ml.time_h[0]:
        raise ShapeError(
            "The collection of urine starts at or before its first volume",
            found=f"start {start_h:g} h, first volume {urine_ml.time_h[0]:g} h",
        )
