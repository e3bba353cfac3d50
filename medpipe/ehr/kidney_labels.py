"""Labels of kidney injury for a record: by KDIGO from its own creatinine, or as a source brings them along.

Letters: T steps, H horizons, L labs, E onsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.findings import Value
from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.baseline import Admission, BaselineRule, baseline_at
from medpipe.ehr.censoring import dialysis_intervals, end_stage_intervals
from medpipe.ehr.episodes import find_episodes
from medpipe.ehr.horizons import HORIZONS_H, LabelMode, horizon_labels, horizon_maxima
from medpipe.ehr.hospital_stays import DIALYSIS, HospitalStay
from medpipe.ehr.intervals import merge_intervals
from medpipe.ehr.kdigo import combined_stages, creatinine_stages, urine_stages
from medpipe.ehr.series import TIME_SLACK_H, Series
from medpipe.io.records.raw_patient import AGE, DIALYSIS_IN_STAY, SEX, WEIGHT_KG, Labels

CREATININE: Final = "creatinine"

YAIB_REACH_H: Final = 6.0
"""Hours before and after an onset that YAIB labels positive."""

_YEAR_H: Final = 365.25 * 24


class LabelRule(Value):
    """What counts as kidney injury, as a package states it: horizons and labs stand beside it there.

    Attributes:
        baseline: The rule that is tried first.
        fallback: Where it gives none; None leaves the ratio unjudged.
        min_stage: Least KDIGO stage.
        urine: Whether urine is judged too.
    """

    baseline: BaselineRule
    fallback: BaselineRule | None = None
    min_stage: Literal[1, 2, 3] = 1
    urine: bool = False

    def over(self, horizons_h: tuple[float, ...], labs: tuple[str, ...] = ()) -> "KidneyRule":
        """Return the rule with horizons and labs."""
        return KidneyRule(self.baseline, self.fallback, self.min_stage, self.urine, horizons_h, labs)


@dataclass(frozen=True)
class KidneyRule:
    """What counts as kidney injury; the baseline is a choice that changes how many there are.

    Attributes:
        baseline: The rule that is tried first.
        fallback: Where it gives none; None leaves the ratio unjudged.
        min_stage: Least KDIGO stage.
        urine: Whether urine is judged too, where it was recorded and a weight is known.
        horizons_h: ``(H,)`` hours, ascending.
        labs: Names of the variables whose maxima are wanted.
    """

    baseline: BaselineRule
    fallback: BaselineRule | None = None
    min_stage: int = 1
    urine: bool = False
    horizons_h: tuple[float, ...] = HORIZONS_H
    labs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class KidneyTruth:
    """What comes after each step.

    Attributes:
        risks: ``(T, H)`` 1, 0 or NaN where it is not known or not asked.
        lab_maxima: ``(T, H, L)`` in the variables' units; NaN where nothing was measured.
        onset_h: ``(E,)`` onsets within the stay, ascending.
        onset_stages: ``(E,)`` the stage that each is measured at; None where the labels tell none.
    """

    risks: Array
    lab_maxima: Array
    onset_h: Array
    onset_stages: Array | None = None

    def next_onset_h(self, step_h: Array) -> Array:
        """Return ``(T,)`` the first onset after each step; NaN where there is none."""
        padded = np.append(self.onset_h, np.nan)
        return padded[np.searchsorted(self.onset_h, step_h + TIME_SLACK_H, side="right")]


def label_kidney(record: PatientRecord, stay: HospitalStay, step_h: Array, rule: KidneyRule) -> KidneyTruth:
    """Label the steps of a stay by KDIGO: creatinine, perhaps urine, and the start of dialysis as stage 3.

    Left out are steps within an episode, in and 7 days after dialysis, with a baseline of 353.6 umol/L or
    more, and all of a stay with dialysis at an unknown hour.

    Args:
        record: Canonical codes and units.
        stay: Whose steps they are; nothing after its end is looked at.
        step_h: ``(T,)`` moments at which a forecast is made.
        rule: What counts.
    """
    creatinine = _until(series_of(record, CREATININE), stay.end_h)
    admission = Admission(
        admission_h=stay.admission_h,
        age_years=float(record.statics.get(AGE, np.nan)) + stay.admission_h / _YEAR_H,
        is_female={"F": True, "M": False}.get(str(record.statics.get(SEX))),
    )
    baseline = baseline_at(creatinine, rule.baseline, fallback=rule.fallback, admission=admission)
    dialysis = _until(series_of(record, DIALYSIS), stay.end_h).time_h
    treatments = np.stack([dialysis, dialysis], axis=1)
    measured = [creatinine_stages(creatinine, baseline.umol_l)]
    if rule.urine:
        measured.append(_urine_stages(record, stay))
    stages = combined_stages(*measured, dialysis_h=treatments)
    in_stay = dialysis >= stay.admission_h - TIME_SLACK_H
    hidden = record.statics.get(DIALYSIS_IN_STAY, False) and not in_stay.any()
    censored = merge_intervals(
        dialysis_intervals(treatments),
        end_stage_intervals(creatinine, baseline.umol_l),
        [(stay.admission_h, np.inf)] if hidden else (),
    )
    labels = horizon_labels(
        step_h,
        stages,
        record_end_h=stay.end_h,
        min_stage=rule.min_stage,
        mode=LabelMode.ONSET,
        censored_h=censored,
        horizons_h=rule.horizons_h,
    )
    onsets = np.array(
        [
            episode.onset_h
            for episode in find_episodes(stages, record_end_h=stay.end_h, min_stage=rule.min_stage)
            if episode.onset_h >= stay.admission_h - TIME_SLACK_H
        ]
    )
    maxima = lab_maxima(record, stay, step_h, labs=rule.labs, horizons_h=rule.horizons_h)
    return KidneyTruth(labels.labels, maxima, onsets, stages.values[np.searchsorted(stages.time_h, onsets)])


def label_yaib(
    record: PatientRecord,
    stay: HospitalStay,
    labels: Labels,
    *,
    drop_after_onset: bool,
    labs: Sequence[str] = (),
) -> KidneyTruth:
    """Take the labels of a YAIB task: positive from 6 hours before an onset to 6 hours after it.

    Args:
        record: Of the stay.
        stay: Whose labels they are.
        labels: ``(T,)`` of the source; their times are the steps.
        drop_after_onset: Whether hours from the onset on, when the injury is known, are left out.
        labs: Names of the variables whose maxima within 6 hours are wanted.

    Returns:
        One horizon of 6 hours. The onset is 6 hours after the first positive label, as the cohort has none
        before hour 6.
    """
    risks = labels.positive.astype(np.float64)
    onsets = labels.time_h[labels.positive][:1] + YAIB_REACH_H
    if drop_after_onset and len(onsets):
        risks[labels.time_h >= onsets[0] - TIME_SLACK_H] = np.nan
    maxima = lab_maxima(record, stay, labels.time_h, labs=labs, horizons_h=(YAIB_REACH_H,))
    return KidneyTruth(risks[:, None], maxima, onsets)


def lab_maxima(
    record: PatientRecord,
    stay: HospitalStay,
    step_h: npt.ArrayLike,
    *,
    labs: Sequence[str],
    horizons_h: Sequence[float],
) -> Array:
    """Return ``(T, H, L)`` the maximum of each lab within each horizon, of what was measured in the stay."""
    return horizon_maxima(
        step_h,
        [series_of(record, name) for name in labs],
        record_end_h=stay.end_h,
        keep_cut=True,
        horizons_h=horizons_h,
    )


def series_of(record: PatientRecord, code: str) -> Series:
    """Return the times and values of a code."""
    chosen = record.codes == code
    return Series(record.time_h[chosen], record.values[chosen])


def _urine_stages(record: PatientRecord, stay: HospitalStay) -> Series:
    """Return stages by urine, for the weight at admission, else the first; none where no weight is known."""
    weights = series_of(record, "weight").values
    weight_kg = float(record.statics.get(WEIGHT_KG, np.nan))
    if np.isnan(weight_kg) and len(weights):
        weight_kg = float(weights[0])
    urine = _until(series_of(record, "urine"), stay.end_h)
    if not weight_kg > 0:
        return Series(urine.time_h[:0], urine.values[:0])
    return urine_stages(urine, weight_kg=weight_kg)


def _until(series: Series, end_h: float) -> Series:
    kept = series.time_h <= end_h + TIME_SLACK_H
    return Series(series.time_h[kept], series.values[kept])
