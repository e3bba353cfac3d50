"""What a record shows of the kidneys at each step: urine for the body's weight, and the rise of creatinine.

Numbers that the criteria of KDIGO are made of. They need a sum over hours, a division by a weight and a
threshold: nothing that trees or networks find by themselves in a few thousand stays.

Letters: T steps, S signs, K numbers.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.kdigo import OLIGURIA, RATIOS, RISE_UMOL_L, RISE_WINDOW_H
from medpipe.ehr.series import TIME_SLACK_H, Series
from medpipe.ehr.windows import last_at, range_maximum
from medpipe.io.records.raw_patient import WEIGHT_KG

RATE_WINDOWS_H: Final = (1.0, 3.0, 6.0, 12.0, 24.0)
RECENT_H: Final = 6.0
ASSUMED_WEIGHT_KG: Final = 75.0
"""Where no weight is known, as in YAIB."""

Floats = npt.NDArray[np.float32]

_JUDGED_H: Final = (6.0, 12.0)
"""Windows of a rate whose extremes are told too."""

_NEAR: Final = ((6.0, 0.3), (6.0, 0.7))
"""Hours and mL/kg/h to either side of the first criterion, beside those of KDIGO."""

_LOW_RATES: Final = (*((hours, limit) for _, hours, limit in OLIGURIA), *_NEAR)
_SIGNS: Final = (
    *(f"urine_below_{limit:g}_{hours:g}h" for hours, limit in _LOW_RATES),
    f"creatinine_{RATIOS[0]:g}_times",
    "creatinine_rise",
)
_WHEN: Final = ("now", "recent", "ever", "share")

STATE_VARIABLES: Final = ("creatinine", "urine", "weight")
"""What the state is made of."""

KIDNEY_STATE: Final = (
    *(f"urine_rate_{hours:g}h" for hours in RATE_WINDOWS_H),
    *(f"urine_recorded_{hours:g}h" for hours in RATE_WINDOWS_H),
    *(
        f"urine_{hours:g}h_{what}"
        for hours in _JUDGED_H
        for what in ("least", "least_recent", "greatest_recent")
    ),
    "creatinine_ratio",
    "creatinine_rise_umol_l",
    *(f"{sign}_{when}" for when in _WHEN for sign in _SIGNS),
)
"""Names of the K numbers.

Rates are mL/kg/h; ``recorded`` is how often urine was entered, an hour; ``recent`` is within 6 h; ``ever``
and ``share`` (of the steps) are since admission; ratio and rise are to the least creatinine of the stay and
of the 48 h before it.
"""


def kidney_state(record: PatientRecord, end_h: Array, *, start_h: float) -> Floats:
    """Return ``(T, K)`` the numbers of :data:`KIDNEY_STATE` at each step; NaN where not known.

    Args:
        record: Harmonised. Its weight at admission counts until another is entered; without any
            :data:`ASSUMED_WEIGHT_KG` does.
        end_h: ``(T,)`` ends of the steps, ascending; what was entered by then counts.
        start_h: When the stay begins; what lies before does not count.
    """
    ends = np.asarray(end_h, dtype=np.float64)
    urine = _entered(record, "urine", start_h)
    weights = _carried(_entered(record, "weight", start_h), ends)
    for assumed_kg in (record.statics.get(WEIGHT_KG, np.nan), ASSUMED_WEIGHT_KG):
        weights = np.where(np.isnan(weights), assumed_kg, weights)
    rates, recorded = _rates(urine, ends, start_h, weights)
    whole = {hours: ends - start_h >= hours - TIME_SLACK_H for hours in RATE_WINDOWS_H}
    ratio, rise = _creatinine(_entered(record, "creatinine", start_h), ends)
    signs = [whole[hours] & (rates[hours] < limit) for hours, limit in _LOW_RATES]
    signs += [ratio >= RATIOS[0], rise >= RISE_UMOL_L]
    columns = [*rates.values(), *recorded.values()]
    for hours in _JUDGED_H:
        judged = np.where(whole[hours], rates[hours], np.nan)
        columns += [np.fmin.accumulate(judged), -_recent_greatest(-judged, ends)]
        columns += [_recent_greatest(judged, ends)]
    columns += [ratio, rise, *_told(np.stack(signs, axis=1).astype(np.float64), ends)]
    return np.stack(columns, axis=1).astype(np.float32)


def _entered(record: PatientRecord, code: str, start_h: float) -> Series:
    chosen = (record.codes == code) & (record.time_h >= start_h - TIME_SLACK_H) & np.isfinite(record.values)
    return Series(record.time_h[chosen], record.values[chosen])


def _carried(series: Series, moments_h: Array) -> Array:
    """Return the last value at or before each moment."""
    return np.append(series.values, np.nan)[last_at(series.time_h, moments_h)]


def _rates(
    urine_ml: Series, ends: Array, start_h: float, weights_kg: Array
) -> tuple[dict[float, Array], dict[float, Array]]:
    """Return mL/kg/h over each window, cut at the start of the stay, and entries an hour."""
    total_ml = np.append(0.0, np.cumsum(urine_ml.values))
    until = last_at(urine_ml.time_h, ends) + 1
    rates, recorded = {}, {}
    for hours in RATE_WINDOWS_H:
        span_h = np.maximum(np.minimum(hours, ends - start_h), min(RATE_WINDOWS_H))
        since = last_at(urine_ml.time_h, ends - span_h) + 1
        number = until - since
        volume_ml = total_ml[until] - total_ml[since]
        rates[hours] = np.where(number > 0, volume_ml / span_h / weights_kg, np.nan)
        recorded[hours] = number / span_h
    return rates, recorded


def _creatinine(creatinine_umol_l: Series, ends: Array) -> tuple[Array, Array]:
    """Return the last value over the least of the stay, and minus the least of the 48 h before it."""
    if not len(creatinine_umol_l):
        return np.full(len(ends), np.nan), np.full(len(ends), np.nan)
    time_h, values = creatinine_umol_l.time_h, creatinine_umol_l.values
    since = np.searchsorted(time_h, time_h - RISE_WINDOW_H - TIME_SLACK_H, side="left")
    lowest = -range_maximum(-values, since, last_at(time_h, time_h) + 1)
    ratio, rise = values / np.minimum.accumulate(values), values - lowest
    return _carried(Series(time_h, ratio), ends), _carried(Series(time_h, rise), ends)


def _recent_greatest(values: Array, ends: Array) -> Array:
    """Return the greatest value of the steps of the last 6 h, this one included."""
    since = np.searchsorted(ends, ends - RECENT_H - TIME_SLACK_H, side="left")
    return range_maximum(values, since, np.arange(1, len(ends) + 1))


def _told(signs: Array, ends: Array) -> list[npt.NDArray[np.float64]]:
    """Return each of ``(T, S)`` signs now, recently, ever, and its share of the steps so far."""
    recent = np.stack([_recent_greatest(column, ends) for column in signs.T], axis=1)
    ever = np.maximum.accumulate(signs)
    share = np.cumsum(signs, axis=0) / np.arange(1, len(ends) + 1)[:, None]
    return [column for part in (signs, recent, ever, share) for column in part.T]
