"""Evaluation of classifiers: answers about studies beside their truth, as a table and as figures."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from medpipe.core.class_labels import FittedLabel
from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.inference.evaluation import MetricSummary
from medpipe.metrics.calibration import fit_calibration
from medpipe.metrics.classification import (
    AVERAGE_PRECISION,
    BRIER_SCORE,
    LOG_LOSS,
    ROC_AUC,
    sensitivity,
    specificity,
    youden_threshold,
)

ANSWERS: Final = "answers.csv"

_COLUMNS: Final = ("case", "patient", "label", "logit", "truth")
_LEAST: Final = 5
"""Studies of either answer without which neither a figure nor a calibration is stated."""


@dataclass(frozen=True)
class StudyAnswerResult:
    """One answer about one study.

    Attributes:
        case_id: The study.
        patient: Whose it is; empty where unknown.
        label: Name of the question.
        logit: What the network gave.
        truth: 1 or 0, as the data set states it.
    """

    case_id: str
    patient: str
    label: str
    logit: float
    truth: float

    @property
    def owner(self) -> str:
        """The patient, or the study itself where the patient is unknown."""
        return self.patient or self.case_id


def fit_answers(
    labels: Sequence[FittedLabel], results: Sequence[StudyAnswerResult]
) -> tuple[FittedLabel, ...]:
    """Return labels with a calibration and the threshold of the largest Youden index, by held-out studies.

    A label with fewer than five studies of either answer keeps what it had.
    """
    fitted = []
    for item in labels:
        logits, truth, _ = _of_label(results, item.label.name)
        if not _is_enough(truth):
            fitted.append(item)
            continue
        calibration = fit_calibration(logits, truth)
        probs = [calibration.probability(logit) for logit in logits]
        changes = {"calibration": calibration, "threshold": youden_threshold(probs, truth)}
        fitted.append(item.model_copy(update=changes))
    return tuple(fitted)


def summarise_answers(
    labels: Sequence[FittedLabel], results: Sequence[StudyAnswerResult], *, seed: int = 0
) -> tuple[MetricSummary, ...]:
    """Return the figures of each label, with intervals by patient; none where studies are too few.

    Args:
        labels: With what :func:`fit_answers` found; without it probabilities are the network's own.
        results: Of studies that the network did not learn from.
        seed: Of the bootstrap.
    """
    summaries = []
    for item in labels:
        logits, truth, owners = _of_label(results, item.label.name)
        if not _is_enough(truth):
            continue
        probs = np.array([_probability(item, logit) for logit in logits])
        for name, metric, scores in (
            # The order of logits: a calibration that turned it round must not flatter.
            ("roc_auc", ROC_AUC, logits),
            ("average_precision", AVERAGE_PRECISION, logits),
            ("sensitivity", sensitivity(item.threshold), probs),
            ("specificity", specificity(item.threshold), probs),
            ("log_loss", LOG_LOSS, probs),
            ("brier_score", BRIER_SCORE, probs),
        ):
            summaries.append(
                MetricSummary(
                    item.label.name,
                    name,
                    metric.value(scores, truth),
                    metric.interval(scores, truth, patients=owners, seed=seed),
                    len(truth),
                )
            )
    return tuple(summaries)


def answers_csv(results: Sequence[StudyAnswerResult]) -> str:
    """Return the table of answers: one row a study and label."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for item in sorted(results, key=lambda item: (item.label, item.case_id)):
        writer.writerow([item.case_id, item.patient, item.label, f"{item.logit:.6g}", f"{item.truth:g}"])
    return buffer.getvalue()


def read_answers(path: Path) -> tuple[StudyAnswerResult, ...]:
    """Read what :func:`answers_csv` has made.

    Raises:
        NoInputError: There is no such file.
        SettingsError: It is no such table.
    """
    if not path.is_file():
        raise NoInputError(Code.E_NO_INPUT, "There is no table of answers", found=f"no file {path}")
    try:
        return tuple(
            StudyAnswerResult(
                row["case"], row["patient"], row["label"], float(row["logit"]), float(row["truth"])
            )
            for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            Code.E_DATASET, f"{path.name} is no table of answers", found=str(error)
        ) from error


def _of_label(results: Sequence[StudyAnswerResult], name: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    chosen = [item for item in results if item.label == name]
    return (
        np.array([item.logit for item in chosen]),
        np.array([item.truth for item in chosen]),
        [item.owner for item in chosen],
    )


def _is_enough(truth: np.ndarray) -> bool:
    return min(int(truth.sum()), int(len(truth) - truth.sum())) >= _LEAST


def _probability(item: FittedLabel, logit: float) -> float:
    if item.calibration is not None:
        return item.calibration.probability(logit)
    return float(1.0 / (1.0 + np.exp(-logit)))
