"""Evaluation of scores: predictions of cases beside their truth, as a table and as figures."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.core.scores import FittedScore
from medpipe.data.cases import SegmentationCase
from medpipe.figures.scatter import draw_scatter
from medpipe.inference.evaluation import CaseScore, MetricSummary
from medpipe.io.atomic import write_bytes, write_text
from medpipe.metrics.agreement import agreement
from medpipe.tasks.scores import ScoreTask, fit_interval, parse_score

PREDICTIONS: Final = "predictions.csv"

_COLUMNS: Final = ("case", "score", "predicted", "truth")
_LEAST: Final = 3
"""Cases that figures need."""


@dataclass(frozen=True)
class ScoreResult:
    """One score of one case.

    Attributes:
        case_id: The case.
        score: Its name.
        predicted: What the network gave.
        truth: What the data set states.
    """

    case_id: str
    score: str
    predicted: float
    truth: float

    @property
    def error(self) -> float:
        """Size of the error."""
        return abs(self.predicted - self.truth)


def score_results(
    scored: Sequence[CaseScore], cases: Sequence[SegmentationCase], scores: Sequence[FittedScore]
) -> tuple[ScoreResult, ...]:
    """Return each score of each case that has its truth.

    Args:
        scored: From :func:`medpipe.inference.evaluation.score_cases`.
        cases: The same cases in the same order.
        scores: Of the network.

    Raises:
        RefusedError: A case states a value that the score cannot have; names the case.
    """
    task, results = ScoreTask(tuple(scores)), []
    for item, case in zip(scored, cases, strict=True):
        values = () if item.outputs is None else task.decode(item.outputs)
        for fitted, predicted in zip(task.scores, values, strict=bool(values)):
            name = fitted.score.name
            truth = parse_score(fitted.score, case.facts.get(name), case_id=case.id)
            if isfinite(truth):
                results.append(ScoreResult(case.id, name, predicted, truth))
    return tuple(results)


def summarise_results(results: Sequence[ScoreResult], *, seed: int = 0) -> tuple[MetricSummary, ...]:
    """Return the figures of agreement of each score; none for one with fewer than three cases."""
    summaries = []
    for name in dict.fromkeys(result.score for result in results):
        chosen = [result for result in results if result.score == name]
        if len(chosen) < _LEAST:
            continue
        predicted, truth = [item.predicted for item in chosen], [item.truth for item in chosen]
        summaries += [
            MetricSummary(name, item.metric, item.value, item.interval, len(chosen))
            for item in agreement(predicted, truth, seed=seed)
        ]
    return tuple(summaries)


def with_intervals(scores: Sequence[FittedScore], results: Sequence[ScoreResult]) -> tuple[FittedScore, ...]:
    """Return scores with the intervals that hold nine in ten of the cases kept aside."""
    fitted = []
    for item in scores:
        chosen = [result for result in results if result.score == item.score.name]
        interval = fit_interval([result.predicted for result in chosen], [result.truth for result in chosen])
        fitted.append(item.model_copy(update={"interval": interval}))
    return tuple(fitted)


def write_predictions(folder: Path, scores: Sequence[FittedScore], results: Sequence[ScoreResult]) -> None:
    """Write the table of predicted scores and a scatter plot of each.

    Raises:
        MachineError: The disk is full or cannot be written.
    """
    write_text(folder / PREDICTIONS, results_csv(results))
    for fitted in scores:
        chosen = [result for result in results if result.score == fitted.score.name]
        if chosen:
            picture = draw_scatter(
                [result.predicted for result in chosen],
                [result.truth for result in chosen],
                title=fitted.score.code.meaning,
                unit=fitted.score.unit,
                half_width=fitted.interval.half_width if fitted.interval else None,
            )
            write_bytes(folder / f"scatter_{fitted.score.name}.png", picture)


def results_csv(results: Sequence[ScoreResult]) -> str:
    """Return one row a case and score, the largest error of each score first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for item in sorted(results, key=lambda item: (item.score, -item.error, item.case_id)):
        writer.writerow([item.case_id, item.score, f"{item.predicted:.6g}", f"{item.truth:.6g}"])
    return buffer.getvalue()


def read_results(path: Path) -> tuple[ScoreResult, ...]:
    """Read what :func:`results_csv` has made, in its order.

    Raises:
        NoInputError: There is no such file.
        SettingsError: It is no such table.
    """
    if not path.is_file():
        raise NoInputError(Code.E_NO_INPUT, "There is no table of predicted scores", found=f"no file {path}")
    try:
        return tuple(
            ScoreResult(row["case"], row["score"], float(row["predicted"]), float(row["truth"]))
            for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            Code.E_DATASET, f"{path.name} is no table of predicted scores", found=str(error)
        ) from error
