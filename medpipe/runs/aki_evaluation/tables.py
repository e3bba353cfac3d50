"""The figures of an evaluation of kidney-injury predictions as tables."""

from dataclasses import astuple
from math import isnan
from typing import Final

from medpipe.metrics.alert_policy import PolicyOutcome
from medpipe.metrics.alerts import LEAD_SHARES, NEAR_H, OperatingPoint
from medpipe.metrics.estimates import Estimate
from medpipe.metrics.subgroups import Subgroup
from medpipe.reports.result_table import Bounded, Cell, Column, Kind, ResultTable, cell_text
from medpipe.runs.aki_evaluation.results import AkiEvaluation, OutcomeFigures

_LEADS: Final = tuple(f"lead_h_{100 * share:.0f}" for share in LEAD_SHARES)

_OUTCOME: Final = Column("outcome", "horizon", Kind.TEXT)


def discrimination_table(evaluation: AkiEvaluation) -> ResultTable:
    """Return the areas under both curves by horizon."""
    columns = (
        _OUTCOME,
        Column("num_patients", "patients", Kind.COUNT),
        Column("num_steps", "steps", Kind.COUNT),
        Column("prevalence", "positive steps", Kind.SHARE, has_interval=True),
        Column("roc_auc", "ROC AUC", has_interval=True),
        Column("average_precision", "PR AUC", has_interval=True),
        Column("normalised_precision", "normalised PR AUC", has_interval=True),
    )
    rows = tuple(_discrimination_row(item) for item in evaluation.outcomes)
    return ResultTable("discrimination", "By horizon", columns, rows)


def calibration_table(evaluation: AkiEvaluation) -> ResultTable:
    """Return the calibration by horizon."""
    columns = (
        _OUTCOME,
        Column("expected_error", "expected error", has_interval=True),
        Column("maximum_error", "maximum error", has_interval=True),
        Column("in_the_large", "predicted minus true share", has_interval=True),
        Column("brier_score", "Brier score", has_interval=True),
    )
    rows = tuple(map(_calibration_row, evaluation.outcomes))
    return ResultTable("calibration", "By horizon", columns, rows)


def operating_table(evaluation: AkiEvaluation) -> ResultTable:
    """Return what thresholds at chosen precisions give, and the threshold in use."""
    columns = (
        Column("wanted", "step precision", Kind.TEXT),
        Column("threshold", "threshold"),
        Column("precision", "precision reached", Kind.SHARE, has_interval=True),
        Column("false_per_true", "false a true alert", Kind.RATE),
        Column("episode_sensitivity", "episodes found", Kind.SHARE, has_interval=True),
        Column("step_sensitivity", "positive steps found", Kind.SHARE, has_interval=True),
        Column("step_specificity", "specificity of steps", Kind.SHARE, has_interval=True),
        Column("num_true", "true alerts", Kind.COUNT),
        Column("num_false", "false alerts", Kind.COUNT),
        Column("num_unknown", "unknown", Kind.COUNT),
    )
    rows = [_operating_row(f"{100 * wanted:.0f} %", point) for wanted, point in evaluation.points]
    rows.append(_operating_row("in use", evaluation.in_use))
    in_use = evaluation.in_use
    note = (
        f"In use: {evaluation.threshold_source}. {in_use.num_episodes} episodes, of which "
        f"{in_use.num_reachable} have a step within the horizon before."
        if evaluation.has_onsets
        else f"In use: {evaluation.threshold_source}. The file has no onset_h, so no episode is counted."
    )
    return ResultTable("operating_points", "At chosen step precisions", columns, tuple(rows), note)


def lead_table(evaluation: AkiEvaluation) -> ResultTable:
    """Return how long before the onset the first alert comes."""
    columns = (
        Column("wanted", "step precision", Kind.TEXT),
        *(
            Column(key, "median" if share == 0.5 else f"{100 * share:.0f}th percentile", Kind.HOURS)
            for key, share in zip(_LEADS, LEAD_SHARES, strict=True)
        ),
    )
    points = [(f"{100 * wanted:.0f} %", point) for wanted, point in evaluation.points]
    rows = tuple(
        {"wanted": name, **dict(zip(_LEADS, point.leads_h if point else [None] * len(_LEADS), strict=True))}
        for name, point in [*points, ("in use", evaluation.in_use)]
    )
    return ResultTable("lead_times", "First alert before the onset, of the episodes found", columns, rows)


def false_alert_table(evaluation: AkiEvaluation) -> ResultTable:
    """Return where the false alerts at the threshold in use fall."""
    found = evaluation.false_alerts
    middle = LEAD_SHARES.index(0.5)
    near = f"{NEAR_H:g} h"
    places = (
        (f"before an injury, too early by at most {near}", found.early_near),
        (f"before an injury, too early by more than {near}", found.early_far),
        (f"at most {near} after an onset", found.late_near),
        (f"more than {near} after an onset", found.late_far),
        ("in a patient without an episode", found.never),
    )
    columns = (
        Column("place", "where", Kind.TEXT),
        Column("count", "false alerts", Kind.COUNT),
        Column("share", "of all", Kind.SHARE),
    )
    rows = tuple(
        {
            "place": place,
            "count": count,
            "share": count / found.total if found.total else None,
        }
        for place, count in places
    )
    medians = (("too early, before an injury", found.early_h), ("after an onset", found.late_h))
    known = [
        f"{cell_text(hours[middle], Kind.HOURS)} {where}"
        for where, hours in medians
        if not isnan(hours[middle])
    ]
    note = f"In the median {' and '.join(known)}." if known else ""
    return ResultTable("false_alerts", "False alerts at the threshold in use", columns, rows, note)


def policy_table(evaluation: AkiEvaluation) -> ResultTable:
    """Return what each alerting step and the policy give at the threshold in use, and at many."""
    columns = (
        Column("policy", "policy", Kind.TEXT),
        Column("threshold", "threshold"),
        Column("per_patient_day", "alerts a patient-day", Kind.RATE),
        Column("num_alerts", "alerts", Kind.COUNT),
        Column("num_true", "true", Kind.COUNT),
        Column("num_false", "false", Kind.COUNT),
        Column("false_per_true", "false a true one", Kind.RATE),
        Column("found_share", "episodes found", Kind.SHARE),
        Column("median_lead_h", "median lead", Kind.HOURS),
    )
    return ResultTable(
        "policies", "At the threshold in use", columns, tuple(map(_policy_row, evaluation.policies))
    )


def sweep_table(evaluation: AkiEvaluation) -> ResultTable:
    """Return the policies at many thresholds, as they are drawn."""
    rows = tuple(_policy_row(item) for sweep in evaluation.sweeps for item in sweep)
    return ResultTable("policy_sweep", "At many thresholds", policy_table(evaluation).columns, rows)


def subgroup_tables(evaluation: AkiEvaluation, min_positive_patients: int) -> tuple[ResultTable, ...]:
    """Return a table for each way of grouping patients."""
    columns = (
        Column("group", "group", Kind.TEXT),
        Column("num_patients", "patients", Kind.COUNT),
        Column("num_positive_patients", "with a positive step", Kind.COUNT),
        Column("roc_auc", "ROC AUC", has_interval=True),
        Column("sensitivity", "positive steps found", Kind.SHARE, has_interval=True),
        Column("episode_sensitivity", "episodes found", Kind.SHARE, has_interval=True),
        Column("precision", "precision", Kind.SHARE, has_interval=True),
        Column("in_the_large", "predicted minus true share", has_interval=True),
        Column("remark", "", Kind.TEXT),
    )
    note = f"Too few: fewer than {min_positive_patients} patients with a positive step."
    return tuple(
        ResultTable(f"subgroups_{name}", f"By {name}", columns, tuple(map(_group_row, groups)), note)
        for name, groups in evaluation.subgroups.items()
    )


def policy_name(outcome: PolicyOutcome) -> str:
    """Return a policy in words, its threshold apart."""
    policy = outcome.policy
    parts = []
    if policy.refractory_h > 0:
        parts.append(f"{policy.refractory_h:g} h between alerts")
    if policy.max_per_day is not None:
        parts.append(f"at most {policy.max_per_day} a day")
    return ", ".join(parts) or "every step"


def _discrimination_row(item: OutcomeFigures) -> dict[str, Cell]:
    figures = item.discrimination
    return {
        "outcome": item.name,
        "num_patients": figures.num_patients,
        "num_steps": figures.num_steps,
        "prevalence": _bounded(figures.prevalence),
        "roc_auc": _bounded(figures.roc_auc),
        "average_precision": _bounded(figures.average_precision),
        "normalised_precision": _bounded(figures.normalised_precision),
    }


def _calibration_row(item: OutcomeFigures) -> dict[str, Cell]:
    figures = item.calibration
    return {
        "outcome": item.name,
        "expected_error": _bounded(figures.expected_error),
        "maximum_error": _bounded(figures.maximum_error),
        "in_the_large": _bounded(figures.in_the_large),
        "brier_score": _bounded(figures.brier_score),
    }


def _operating_row(wanted: str, point: OperatingPoint | None) -> dict[str, Cell]:
    return {
        "wanted": wanted,
        "threshold": point.threshold if point else None,
        "precision": _bounded(point.precision) if point else None,
        "false_per_true": point.false_per_true if point else None,
        "episode_sensitivity": _bounded(point.episode_sensitivity) if point else None,
        "step_sensitivity": _bounded(point.step_sensitivity) if point else None,
        "step_specificity": _bounded(point.step_specificity) if point else None,
        "num_true": point.num_true if point else None,
        "num_false": point.num_false if point else None,
        "num_unknown": point.num_unknown if point else None,
    }


def _policy_row(outcome: PolicyOutcome) -> dict[str, Cell]:
    return {
        "policy": policy_name(outcome),
        "threshold": outcome.policy.threshold,
        "per_patient_day": outcome.per_patient_day,
        "num_alerts": outcome.num_alerts,
        "num_true": outcome.num_true,
        "num_false": outcome.num_false,
        "false_per_true": outcome.false_per_true,
        "found_share": outcome.found_share,
        "median_lead_h": outcome.median_lead_h,
    }


def _group_row(group: Subgroup) -> dict[str, Cell]:
    figures = group.figures
    return {
        "group": group.name,
        "num_patients": group.num_patients,
        "num_positive_patients": group.num_positive_patients,
        "roc_auc": _bounded(figures.roc_auc) if figures else None,
        "sensitivity": _bounded(figures.sensitivity) if figures else None,
        "episode_sensitivity": _bounded(figures.episode_sensitivity) if figures else None,
        "precision": _bounded(figures.precision) if figures else None,
        "in_the_large": _bounded(figures.in_the_large) if figures else None,
        "remark": "" if figures else "too few",
    }


def _bounded(estimate: Estimate) -> Bounded:
    value, low, high = astuple(estimate)
    return value, low, high
