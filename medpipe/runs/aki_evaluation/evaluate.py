"""Evaluation of kidney-injury predictions that ends in tables, JSON and a page."""

import json
from pathlib import Path
from typing import Final

from medpipe.core.case import Figure
from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.atomic import write_text
from medpipe.io.records.meds_predictions import write_meds_predictions
from medpipe.io.records.predictions import read_prediction_files
from medpipe.io.study_folder import TABLES
from medpipe.reports.evaluation import EvaluationPage, EvaluationSection, write_evaluation
from medpipe.reports.numbers import format_number
from medpipe.reports.result_table import Kind, ResultTable, cell_text
from medpipe.reports.texts import panel_text
from medpipe.runs.aki_evaluation import tables
from medpipe.runs.aki_evaluation.charts import draw_charts
from medpipe.runs.aki_evaluation.results import AkiEvaluation, AkiEvaluationRequest, judge_predictions
from medpipe.runs.kidney_shards.tables import PREDICTIONS

PAGE: Final = "evaluation.html"
DATA: Final = "evaluation.json"
MEDS: Final = "meds_predictions.parquet"


def evaluate_aki(
    predictions: Path, output: Path, request: AkiEvaluationRequest, *, with_meds: bool = False
) -> tuple[ResultTable, ...]:
    """Judge predictions; write ``evaluation.json``, a CSV a table and ``evaluation.html``.

    Args:
        predictions: Parquet file, see :mod:`medpipe.io.records.predictions`, or a run over records.
        output: Folder for the results.
        request: How they are judged.
        with_meds: Whether to write the main outcome for meds-evaluation too.

    Returns:
        The tables.

    Raises:
        SettingsError: The file is not one of predictions, or lacks what was asked for (``E_DATASET``).
        MachineError: Writing failed.
    """
    rows = read_prediction_files(_files_of(predictions))
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


def _files_of(predictions: Path) -> list[Path]:
    """Return a file itself, and of a run folder the files of its shards."""
    if not predictions.is_dir():
        return [predictions]
    files = sorted((predictions / "studies").glob(f"*/{TABLES}/{PREDICTIONS}.parquet"))
    if not files:
        raise SettingsError(
            Code.E_DATASET,
            f"The folder {predictions.name} holds no predictions",
            found="no finished shard" if (predictions / "run.json").is_file() else "no run",
            fix="Name a parquet file, or the run folder of 'medpipe aki'.",
        )
    return files


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
    groups = tuple(name for name in by_name if name.startswith("subgroups_"))
    horizon = evaluation.main.name

    def panel(key: str, about: str, names: tuple[str, ...], drawn: tuple[str, ...]) -> EvaluationSection:
        words = panel_text(f"aki_{key}")
        return EvaluationSection(
            key,
            words.title,
            about,
            words.how_to_read,
            tuple(by_name[item] for item in names),
            tuple(charts[item] for item in drawn if item in charts),
        )

    sections = [
        panel(
            "alerts",
            f"What a threshold on the risk within {horizon} gives.",
            ("operating_points", "lead_times", "false_alerts"),
            (),
        ),
        panel("policy", f"What a ward gets of the risk within {horizon}.", ("policies",), ("alerts",)),
        panel("discrimination", "", ("discrimination",), ("roc", "precision_recall")),
        panel("calibration", "", ("calibration",), ("reliability",)),
    ]
    if groups:
        text = f"Risk within {horizon} at the threshold {evaluation.in_use.threshold:.4g}."
        sections.append(panel("subgroups", text, groups, ()))
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
