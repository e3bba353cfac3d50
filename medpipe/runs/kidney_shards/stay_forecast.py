"""A stay with its forecast, what is known of its outcome, and its alerts.

Letters: T steps, H horizons, A alerts, E onsets.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.hospital_stays import HospitalStay
from medpipe.ehr.kidney_labels import (
    CREATININE,
    YAIB_REACH_H,
    KidneyRule,
    KidneyTruth,
    label_kidney,
    label_yaib,
    series_of,
)
from medpipe.ehr.series import TIME_SLACK_H
from medpipe.io.records.raw_patient import Labels

if TYPE_CHECKING:
    from medpipe.inference.kidney import StayRisks


class Outcome(StrEnum):
    """What is taken for the outcome of a stay, where it is known."""

    KDIGO = "kdigo"
    """By the record's own creatinine and dialysis."""

    SOURCE = "source"
    """Labels that the source brings along, such as those of YAIB."""

    NONE = "none"


@dataclass(frozen=True, eq=False)
class StayForecast:
    """A stay and all that is said of it.

    Attributes:
        record: Whose stay it is.
        stay: The stay.
        risks: What is forecast.
        labels: ``(T, H)`` 1, 0 or NaN where the outcome is not known.
        next_onset_h: ``(T,)`` the first onset after each step; NaN where there is none.
        onset_h: ``(E,)`` onsets within the stay.
        onset_stages: ``(E,)`` KDIGO stage of each; None where it is not told.
        alerts: ``(A,)`` numbers of the steps that alert.
        offset_h: What is added to hours of the record for those of the patient, who may have several records.
    """

    record: PatientRecord
    stay: HospitalStay
    risks: "StayRisks"
    labels: Array
    next_onset_h: Array
    onset_h: Array
    onset_stages: Array | None
    alerts: npt.NDArray[np.int64]
    offset_h: float = 0.0


def known_truth(
    record: PatientRecord,
    stay: HospitalStay,
    end_h: Array,
    rule: KidneyRule,
    outcome: Outcome,
    labels: Labels | None,
) -> KidneyTruth:
    """Return what is known of the outcome at each step; NaN throughout where nothing is.

    Args:
        record: Canonical codes and units.
        stay: Whose steps they are. By KDIGO nothing is known of one without creatinine.
        end_h: ``(T,)`` ends of steps.
        rule: Of the labels by KDIGO; its horizons are those of the forecast.
        outcome: Which labels.
        labels: Of the source; they are of 6 hours, and known at their own times alone.
    """
    if outcome is Outcome.KDIGO and _has_creatinine(record, stay):
        return label_kidney(record, stay, end_h, rule)
    risks = np.full((len(end_h), len(rule.horizons_h)), np.nan)
    if outcome is Outcome.SOURCE and labels is not None and len(labels.time_h):
        truth = label_yaib(record, stay, labels, drop_after_onset=False)
        if YAIB_REACH_H in rule.horizons_h:
            place = np.searchsorted(labels.time_h, end_h - TIME_SLACK_H).clip(0, len(labels.time_h) - 1)
            is_same = np.abs(labels.time_h[place] - end_h) <= TIME_SLACK_H
            risks[is_same, rule.horizons_h.index(YAIB_REACH_H)] = truth.risks[place[is_same], 0]
        return KidneyTruth(risks, np.empty((*risks.shape, 0)), truth.onset_h)
    return KidneyTruth(risks, np.empty((*risks.shape, 0)), np.zeros(0))


def _has_creatinine(record: PatientRecord, stay: HospitalStay) -> bool:
    time_h = series_of(record, CREATININE).time_h
    return bool(((time_h >= stay.admission_h) & (time_h <= stay.end_h)).any())
