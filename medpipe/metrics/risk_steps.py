"""Risks of one horizon, step by step, with the onsets that they are to foresee.

Shapes: ``N`` steps, ``P`` patients, ``E`` episodes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError
from medpipe.metrics.bootstrap import Values

SLACK_H: Final = 1e-6
"""Hours by which two times may differ and count as one."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RiskSteps:
    """Risks of one horizon; made by :func:`risk_steps`, which sorts and checks.

    Attributes:
        patients: ``(N,)`` 0 to P - 1, ascending.
        time_h: ``(N,)`` when each forecast is made, ascending within a patient.
        probs: ``(N,)`` in [0, 1].
        truth: ``(N,)`` 1, 0 or NaN where not known.
        horizon_h: Hours that a forecast looks ahead.
        onset_patients: ``(E,)`` ascending.
        onset_h: ``(E,)`` when each episode begins, ascending within a patient.
        num_patients: P.
    """

    patients: npt.NDArray[np.int64]
    time_h: Values
    probs: Values
    truth: Values
    horizon_h: float
    onset_patients: npt.NDArray[np.int64]
    onset_h: Values
    num_patients: int

    @cached_property
    def next_onset_h(self) -> Values:
        """``(N,)`` the first onset after each step; infinite where none comes."""
        return self._onset_at(self._onset_place, missing=np.inf)

    @cached_property
    def last_onset_h(self) -> Values:
        """``(N,)`` the last onset at or before each step; minus infinity where there was none."""
        return self._onset_at(self._onset_place - 1, missing=-np.inf)

    @cached_property
    def may_alert(self) -> Flags:
        """``(N,)`` False where the truth is not known and an episode began before: injury is known then."""
        return ~(np.isnan(self.truth) & np.isfinite(self.last_onset_h))

    @cached_property
    def step_h(self) -> float:
        """Median hours between the steps of a patient; NaN where no patient has two."""
        same = self.patients[1:] == self.patients[:-1]
        gaps = np.diff(self.time_h)[same]
        return float(np.median(gaps)) if len(gaps) else np.nan

    @property
    def patient_days(self) -> float:
        """Days at risk: steps that may alert, each as long as the median step."""
        return float(self.may_alert.sum()) * self.step_h / 24.0

    def keys(self, patients: Values, hours: Values) -> Values:
        """Return numbers that sort by patient first and time second."""
        first_h, span_h = self._range
        return np.asarray(patients * span_h + (hours - first_h))

    def leads_h(self, alerts: Flags) -> Values:
        """Return ``(E,)`` hours from the first alert that foresees each onset; NaN where none does.

        Args:
            alerts: ``(N,)`` which steps alert. An onset is foreseen by alerts within the horizon before it.
        """
        at = np.flatnonzero(alerts & self.may_alert)
        if not len(at) or not len(self.onset_h):
            return np.full(len(self.onset_h), np.nan)
        # Never below the patient's own range of keys: there the alerts of another one lie.
        since_h = np.maximum(self.onset_h - self.horizon_h - SLACK_H, self._range[0])
        alert_keys = self.keys(self.patients[at], self.time_h[at])
        place = np.searchsorted(alert_keys, self.keys(self.onset_patients, since_h))
        candidate = at[np.minimum(place, len(at) - 1)]
        lead_h = self.onset_h - self.time_h[candidate]
        is_found = (place < len(at)) & (self.patients[candidate] == self.onset_patients) & (lead_h > SLACK_H)
        return np.where(is_found, lead_h, np.nan)

    @cached_property
    def _range(self) -> tuple[float, float]:
        hours = np.concatenate((self.time_h, self.onset_h))
        return float(hours.min()), float(np.ptp(hours)) + 1.0

    @cached_property
    def _onset_place(self) -> npt.NDArray[np.int64]:
        onsets = self.keys(self.onset_patients, self.onset_h)
        return np.asarray(np.searchsorted(onsets, self.keys(self.patients, self.time_h + SLACK_H), "right"))

    def _onset_at(self, place: npt.NDArray[np.int64], *, missing: float) -> Values:
        if not len(self.onset_h):
            return np.full(len(self.time_h), missing)
        inside = place.clip(0, len(self.onset_h) - 1)
        is_own = (inside == place) & (self.onset_patients[inside] == self.patients)
        return np.where(is_own, self.onset_h[inside], missing)


def risk_steps(
    patients: npt.ArrayLike,
    time_h: npt.ArrayLike,
    probs: npt.ArrayLike,
    truth: npt.ArrayLike,
    *,
    horizon_h: float,
    onset_patients: npt.ArrayLike = (),
    onset_h: npt.ArrayLike = (),
) -> RiskSteps:
    """Return steps sorted by patient and time.

    Args:
        patients: ``(N,)`` numbers of patients, 0 or above.
        time_h: ``(N,)`` hours since admission; what happened until then may be used.
        probs: ``(N,)`` in [0, 1].
        truth: ``(N,)`` 1, 0 or NaN.
        horizon_h: Above zero.
        onset_patients: ``(E,)`` the patient of each episode.
        onset_h: ``(E,)`` when it begins.

    Raises:
        ShapeError: There is no step, shapes differ, or a value is not of that form.
    """
    whose, when, risk, told = (np.asarray(item) for item in (patients, time_h, probs, truth))
    if whose.ndim != 1 or not len(whose) or not whose.shape == when.shape == risk.shape == told.shape:
        raise ShapeError(
            "Steps are (N,) patients, times, probabilities and truths, at least one",
            found=", ".join(str(item.shape) for item in (whose, when, risk, told)),
        )
    of_onset = np.asarray(onset_patients, dtype=np.int64)
    begin_h = np.asarray(onset_h, dtype=float)
    if of_onset.shape != begin_h.shape or not np.isfinite(begin_h).all():
        raise ShapeError("Each episode has a patient and a finite onset", found=f"{of_onset.shape}")
    risk, told, when = risk.astype(float), told.astype(float), when.astype(float)
    if not ((risk >= 0) & (risk <= 1)).all():
        raise ShapeError("Probabilities lie between 0 and 1", found=f"{risk.min():g} to {risk.max():g}")
    if not (np.isnan(told) | np.isin(told, (0, 1))).all() or not np.isfinite(when).all() or horizon_h <= 0:
        raise ShapeError("Truth is 0, 1 or NaN, times are finite, a horizon is above zero")
    order, onset_order = np.lexsort((when, whose)), np.lexsort((begin_h, of_onset))
    last = max(int(whose.max()), int(of_onset.max()) if len(of_onset) else 0)
    return RiskSteps(
        whose[order].astype(np.int64),
        when[order],
        risk[order],
        told[order],
        float(horizon_h),
        of_onset[onset_order],
        begin_h[onset_order],
        last + 1,
    )
