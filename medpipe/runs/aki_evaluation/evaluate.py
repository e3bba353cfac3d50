"""Evaluation of kidney-injury predictions that ends in tables, JSON and a page."""

import json
from pathlib import Path
from typing import Final

from medpipe.core.case import Figure
from medpipe.io.atomic import write_text
from medpipe.io.records.meds_predictions import write_meds_predictions
from medpipe.io.records.predictions import read_predictions
from medpipe.reports.evaluation import EvaluationPage, EvaluationSection, write_evaluation
from medpipe.reports.numbers import format_number
from medpipe.reports.result_table import Kind, ResultTable, cell_text
from medpipe.runs.aki_evaluation import tables
from medpipe.runs.aki_evaluation.charts import draw_charts
from medpipe.runs.aki_evaluation.results import AkiEvaluation, AkiEvaluationRequest, judge_predictions

PAGE: Final = "evaluation.html"
DATA: Final = "evaluation.json"
MEDS: Final = "meds_predictions.parquet"

_FOUND: Final = (
    "An episode counts as found where an alert comes before its onset, by no more than the horizon. All "
    "episodes count, those included that begin before the first forecast. Lead times are those of the first "
    "such alert. Steps whose label is not known are neither true nor false; from an onset on such steps do not "
    "alert. Thresholds found on these data flatter a little: give one that was chosen on other patients."
)
_RANKS: Final = (
    "ROC AUC: the chance that a positive step scores above a negative one. PR AUC: precision averaged over the "
    "positive steps; guessing gives the share of positive steps. Normalised PR AUC: that area on a scale from "
    "the least possible at this prevalence, 0, to 1 (Boyd et al. 2012). Intervals draw patients, not steps."
)
_CALIBRATED: Final = (
    "Steps are put into ten bins of equal width. Expected error: mean distance between predicted risk and true "
    "share, weighed by steps; maximum error: the largest one, often that of the emptiest bin. Intervals of the "
    "points in the chart count steps as independent, so they are too narrow where a patient has many."
)
_POLICY: Final = (
    "A policy alerts at the first step that reaches the threshold, keeps still for its hours, and never gives a "
    "patient more alerts within 24 hours than allowed. A patient-day is as many steps as make a day. Alerts "
    "whose label is not known are counted as alerts, and neither as true nor as false."
)
_GROUPS: Final = (
    "All groups share the threshold in use. Predicted minus true share above zero: the risk of this group is "
    "overstated. Groups in which few patients have a positive step get no figures."
)


def evaluate_aki(
    predictions: Path, output: Path, request: AkiEvaluationRequest, *, with_meds: bool = False
) -> tuple[ResultTable, ...]:
    """Judge predictions; write ``evaluation.json``, a CSV a table and ``evaluation.html``.

    Args:
        predictions: Parquet file, see :mod:`medpipe.io.records.predictions`.
        output: Folder for the results.
        request: How they are judged.
        with_meds: Whether to write the main outcome for meds-evaluation too.

    Returns:
        The tables.

    Raises:
        SettingsError: The file is not one of predictions, or lacks what was asked for (``E_DATASET``).
        MachineError: Writing failed.
    """
    rows = read_predictions(predictions)
    evaluation = judge_predictions(rows, request)
    main = evaluation.main
    output.mkdir(parents=True, exist_ok=True)
    shown = _tables(evaluation, request)
    for table in (*shown, tables.sweep_table(evaluation)):
        write_text(output / f"{table.name}.csv", table.csv())
    facts = _facts(evaluation, request)
    data = {"facts": facts, **{table.name: table.data() for table in shown}}
    write_text(output / DATA, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    page = _page(predictions.stem, evaluation, shown, draw_charts(evaluation), facts)
    write_evaluation(page, output / PAGE)
    if with_meds:
        write_meds_predictions(
            output / MEDS,
            rows,
            horizon_h=main.horizon_h,
            threshold=evaluation.in_use.threshold,
            stage=main.stage,
        )
    return shown


def _tables(evaluation: AkiEvaluation, request: AkiEvaluationRequest) -> tuple[ResultTable, ...]:
    return (
        tables.discrimination_table(evaluation),
        tables.operating_table(evaluation),
        tables.lead_table(evaluation),
        tables.false_alert_table(evaluation),
        tables.policy_table(evaluation),
        tables.calibration_table(evaluation),
        *tables.subgroup_tables(evaluation, request.min_positive_patients),
    )


def _facts(evaluation: AkiEvaluation, request: AkiEvaluationRequest) -> dict[str, str]:
    return {
        "alerts and subgroups": evaluation.main.name,
        "threshold in use": f"{evaluation.in_use.threshold:.4g} ({evaluation.threshold_source})",
        "intervals": f"{100 * request.draws.level:g} %, {request.draws.number} draws of patients, "
        f"seed {request.draws.seed}",
        "patient-days": cell_text(evaluation.patient_days, Kind.HOURS).split("\u202f")[0],
        "least patients with a positive step": str(request.min_positive_patients),
    }


def _page(
    name: str,
    evaluation: AkiEvaluation,
    shown: tuple[ResultTable, ...],
    charts: dict[str, Figure],
    facts: dict[str, str],
) -> EvaluationPage:
    by_name = {table.name: table for table in shown}
    groups = tuple(table for table in shown if table.name.startswith("subgroups_"))
    horizon = evaluation.main.name

    def panel(
        key: str, title: str, text: str, how: str, names: tuple[str, ...], drawn: tuple[str, ...]
    ) -> EvaluationSection:
        return EvaluationSection(
            key,
            title,
            text,
            how,
            tuple(by_name[item] for item in names),
            tuple(charts[item] for item in drawn if item in charts),
        )

    sections = [
        panel(
            "alerts",
            "Alerts",
            f"What a threshold on the risk within {horizon} gives.",
            _FOUND,
            ("operating_points", "lead_times", "false_alerts"),
            (),
        ),
        panel("policy", "Alert policy", f"Risk within {horizon}.", _POLICY, ("policies",), ("alerts",)),
        panel("ranks", "Discrimination", "", _RANKS, ("discrimination",), ("roc", "precision_recall")),
        panel("calibration", "Calibration", "", _CALIBRATED, ("calibration",), ("reliability",)),
    ]
    if groups:
        text = f"Risk within {horizon} at the threshold {evaluation.in_use.threshold:.4g}."
        sections.append(EvaluationSection("subgroups", "Subgroups", text, _GROUPS, groups))
    return EvaluationPage("kidney injury", name, _glance(evaluation), sections, facts)


def _glance(evaluation: AkiEvaluation) -> dict[str, str]:
    main, point = evaluation.main.discrimination, evaluation.in_use

    def text(value: float, kind: Kind) -> str:
        return cell_text(value, kind)

    return {
        "Patients": format_number(evaluation.num_patients),
        "Steps with a label": format_number(main.num_steps),
        f"ROC AUC, {evaluation.main.name}": text(main.roc_auc.value, Kind.FIGURE),
        f"PR AUC, {evaluation.main.name}": text(main.average_precision.value, Kind.FIGURE),
        "Episodes found": text(point.episode_sensitivity.value, Kind.SHARE),
        "False a true alert": text(point.false_per_true, Kind.RATE),
    }
