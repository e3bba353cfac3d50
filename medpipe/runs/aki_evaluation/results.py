"""Every figure of an evaluation of kidney-injury predictions, as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records.predictions import UNKNOWN, Predictions
from medpipe.metrics.alert_policy import AlertPolicy, PolicyOutcome, policy_outcome, sweep_thresholds
from medpipe.metrics.alerts import (
    PRECISIONS,
    FalseAlerts,
    OperatingPoint,
    alerts_at,
    false_alerts,
    operating_point,
    thresholds_at_precisions,
)
from medpipe.metrics.classification import youden_threshold
from medpipe.metrics.discrimination import Discrimination, discrimination
from medpipe.metrics.estimates import Draws
from medpipe.metrics.risk_calibration import RiskCalibration, risk_calibration
from medpipe.metrics.risk_steps import RiskSteps, risk_steps
from medpipe.metrics.subgroups import MIN_POSITIVE_PATIENTS, Subgroup, age_bands, subgroup_figures

HORIZON_H: Final = 48
"""Of Tomašev et al. 2019; the largest of the file where it has no such horizon."""

REFRACTORY_H: Final = 24.0

_USUAL_PRECISIONS: Final = (0.33, 0.25, 0.20)
"""The threshold in use has the first of these that can be reached."""

_SWEPT_SHARES: Final = np.geomspace(0.001, 0.5, 24)
"""Shares of the steps that the thresholds of the chart of alerts call."""


@dataclass(frozen=True)
class AkiEvaluationRequest:
    """How predictions are judged.

    Attributes:
        horizon_h: That alerts and subgroups are of; None for 48 h, or the largest there is.
        stage: That alerts and subgroups are of; None for the least there is.
        threshold: In use; None to find it on the data, at a step precision of 33 %.
        refractory_h: Of the alert policy.
        max_per_day: Of the alert policy; None for no limit.
        min_positive_patients: Of a subgroup that figures are given for.
        draws: How patients are drawn for the intervals.
    """

    horizon_h: int | None = None
    stage: int | None = None
    threshold: float | None = None
    refractory_h: float = REFRACTORY_H
    max_per_day: int | None = None
    min_positive_patients: int = MIN_POSITIVE_PATIENTS
    draws: Draws = field(default_factory=Draws)


@dataclass(frozen=True, eq=False)
class OutcomeFigures:
    """Figures of one stage and horizon.

    Attributes:
        stage: None where the file has none.
        horizon_h: Hours.
        probs: ``(N,)`` of its steps whose truth is known.
        truth: ``(N,)`` of them.
        discrimination: How well they are ranked.
        calibration: Whether they keep their word.
    """

    stage: int | None
    horizon_h: int
    probs: npt.NDArray[Any]
    truth: npt.NDArray[Any]
    discrimination: Discrimination
    calibration: RiskCalibration

    @property
    def name(self) -> str:
        """Such as ``"48 h"`` or ``"stage 2, 48 h"``."""
        return f"{self.horizon_h} h" if self.stage is None else f"stage {self.stage}, {self.horizon_h} h"


@dataclass(frozen=True, eq=False)
class AkiEvaluation:
    """Every figure of an evaluation.

    Attributes:
        outcomes: Each stage and horizon that has labels.
        main: The one that alerts and subgroups are of.
        has_onsets: Whether the file tells when episodes begin; otherwise no episode is counted.
        points: Wanted precision and what its threshold gives; None where no threshold reaches it.
        in_use: What the threshold in use gives.
        threshold_source: Where that threshold is from, in words.
        false_alerts: Where its false alerts fall.
        policies: Outcomes at the threshold in use: each alerting step, then the policy asked for.
        sweeps: The same two at many thresholds.
        subgroups: By the name of what patients are grouped by.
        num_patients: In the file.
        patient_days: At risk, of the main outcome.
    """

    outcomes: tuple[OutcomeFigures, ...]
    main: OutcomeFigures
    has_onsets: bool
    points: tuple[tuple[float, OperatingPoint | None], ...]
    in_use: OperatingPoint
    threshold_source: str
    false_alerts: FalseAlerts
    policies: tuple[PolicyOutcome, ...]
    sweeps: tuple[tuple[PolicyOutcome, ...], ...]
    subgroups: dict[str, tuple[Subgroup, ...]]
    num_patients: int
    patient_days: float


def judge_predictions(predictions: Predictions, request: AkiEvaluationRequest) -> AkiEvaluation:
    """Return every figure of an evaluation.

    Args:
        predictions: Checked.
        request: How they are judged.

    Raises:
        SettingsError: The horizon or stage is not in the file, or no step of it is positive or none is
            negative (``E_DATASET``).
    """
    stage, horizon_h = _main_outcome(predictions, request)
    outcomes = tuple(
        _outcome_figures(predictions, *outcome, request.draws)
        for outcome in predictions.outcomes
        if (~np.isnan(predictions.labels[predictions.rows_of(*outcome)])).any()
    )
    main = next((item for item in outcomes if (item.stage, item.horizon_h) == (stage, horizon_h)), None)
    if main is None or not 0 < main.discrimination.num_positive < main.discrimination.num_steps:
        raise SettingsError(
            Code.E_DATASET,
            f"An evaluation at {horizon_h} h needs steps with and without injury",
            found="labels of one kind, or none",
            fix="Choose another horizon, or predict on more patients.",
        )
    steps = _steps(predictions, stage, horizon_h)
    points = _points(steps, request.draws)
    threshold, source = _threshold_in_use(request, points, main)
    alone = AlertPolicy(threshold)
    asked = AlertPolicy(threshold, request.refractory_h, request.max_per_day)
    swept = _swept_thresholds(steps)
    return AkiEvaluation(
        outcomes,
        main,
        predictions.onset_h is not None,
        points,
        operating_point(steps, threshold, draws=request.draws),
        source,
        false_alerts(steps, alerts_at(steps, threshold)),
        (policy_outcome(steps, alone), policy_outcome(steps, asked)),
        tuple(
            sweep_thresholds(steps, swept, refractory_h=each.refractory_h, max_per_day=each.max_per_day)
            for each in (alone, asked)
        ),
        _subgroups(predictions, steps, threshold, request),
        len(predictions.subjects),
        steps.patient_days,
    )


def _main_outcome(predictions: Predictions, request: AkiEvaluationRequest) -> tuple[int | None, int]:
    stages = sorted({stage for stage, _ in predictions.outcomes if stage is not None})
    if request.stage is not None and request.stage not in stages:
        raise _not_there("stage", request.stage, stages)
    stage = request.stage if request.stage is not None else (stages[0] if stages else None)
    horizons = [horizon for of_stage, horizon in predictions.outcomes if of_stage == stage]
    if request.horizon_h is not None and request.horizon_h not in horizons:
        raise _not_there("horizon", request.horizon_h, horizons)
    if request.horizon_h is not None:
        return stage, request.horizon_h
    return stage, HORIZON_H if HORIZON_H in horizons else max(horizons)


def _not_there(what: str, asked: int, there: Sequence[int]) -> SettingsError:
    return SettingsError(
        Code.E_DATASET,
        f"The predictions have no {what} {asked}",
        found=", ".join(map(str, there)) or "none",
        fix=f"Choose one of those with --{what}." if there else "",
    )


def _outcome_figures(
    predictions: Predictions, stage: int | None, horizon_h: int, draws: Draws
) -> OutcomeFigures:
    rows = predictions.rows_of(stage, horizon_h)
    rows = rows[~np.isnan(predictions.labels[rows])]
    patients = predictions.patients[rows]
    probs, truth = (column[rows].astype(np.float64) for column in (predictions.probs, predictions.labels))
    return OutcomeFigures(
        stage,
        horizon_h,
        probs,
        truth,
        discrimination(probs, truth, patients, draws=draws),
        risk_calibration(probs, truth, patients, draws=draws),
    )


def _steps(predictions: Predictions, stage: int | None, horizon_h: int) -> RiskSteps:
    rows = predictions.rows_of(stage, horizon_h)
    onset_patients, onset_h = predictions.onsets(stage)
    return risk_steps(
        predictions.patients[rows],
        predictions.time_h[rows],
        predictions.probs[rows],
        predictions.labels[rows],
        horizon_h=horizon_h,
        onset_patients=onset_patients,
        onset_h=onset_h,
    )


def _points(steps: RiskSteps, draws: Draws) -> tuple[tuple[float, OperatingPoint | None], ...]:
    thresholds = thresholds_at_precisions(steps.probs, steps.truth)
    return tuple(
        (precision, None if np.isnan(threshold) else operating_point(steps, threshold, draws=draws))
        for precision, threshold in zip(PRECISIONS, thresholds, strict=True)
    )


def _threshold_in_use(
    request: AkiEvaluationRequest,
    points: Sequence[tuple[float, OperatingPoint | None]],
    main: OutcomeFigures,
) -> tuple[float, str]:
    if request.threshold is not None:
        return request.threshold, "given"
    reached = {precision: point for precision, point in points if point is not None}
    for precision in _USUAL_PRECISIONS:
        if precision in reached:
            return reached[
                precision
            ].threshold, f"step precision {100 * precision:.0f} %, found on these data"
    return youden_threshold(main.probs, main.truth), "largest Youden index, found on these data"


def _swept_thresholds(steps: RiskSteps) -> list[float]:
    """Return different thresholds, descending."""
    found = np.quantile(steps.probs[steps.may_alert], 1 - _SWEPT_SHARES, method="higher")
    return [float(value) for value in np.unique(found)[::-1]]


def _subgroups(
    predictions: Predictions, steps: RiskSteps, threshold: float, request: AkiEvaluationRequest
) -> dict[str, tuple[Subgroup, ...]]:
    # Patients without a step or an episode of this outcome have no number in the steps.
    return {
        name: subgroup_figures(
            steps,
            (age_bands(values) if name == "age" else values)[: steps.num_patients],
            threshold=threshold,
            min_positive_patients=request.min_positive_patients,
            draws=request.draws,
        )
        for name, values in predictions.groups.items()
        if not _is_unknown(values)
    }


def _is_unknown(values: npt.NDArray[Any]) -> bool:
    """Whether a subgroup is known of no patient."""
    return bool(np.isnan(values).all() if values.dtype.kind == "f" else (values == UNKNOWN).all())
