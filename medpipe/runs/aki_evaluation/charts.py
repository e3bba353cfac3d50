"""The charts of an evaluation of kidney-injury predictions."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.case import Figure
from medpipe.core.roc import RocCurve
from medpipe.figures.alert_curve import AlertLine, draw_alert_curve
from medpipe.figures.precision_recall import PrecisionLine, draw_precision_recall
from medpipe.figures.reliability import draw_reliability
from medpipe.figures.roc_curve import RocLine, draw_roc
from medpipe.metrics.discrimination import precision_curve
from medpipe.metrics.roc import roc_curve
from medpipe.reports.result_table import Kind, cell_text
from medpipe.runs.aki_evaluation.results import AkiEvaluation, OutcomeFigures
from medpipe.runs.aki_evaluation.tables import policy_name

_MOST_CURVES: Final = 4
_MOST_POINTS: Final = 1500
"""More corners than a chart has pixels cannot be seen."""


def draw_charts(evaluation: AkiEvaluation) -> dict[str, Figure]:
    """Return the charts by their name: ROC, precision, reliability and, where episodes are known, alerts."""
    shown = _shown(evaluation)
    figures = [
        draw_roc([_roc_line(item, evaluation) for item in shown]),
        draw_precision_recall([_precision_line(item, evaluation) for item in shown]),
        draw_reliability([(item.name, item.calibration.bins) for item in shown]),
    ]
    lines = _alert_lines(evaluation)
    if lines:
        figures.append(draw_alert_curve(lines))
    return {figure.name: figure for figure in figures}


def _shown(evaluation: AkiEvaluation) -> list[OutcomeFigures]:
    """Return up to four outcomes of both classes, the main one first."""
    main = evaluation.main
    others = [
        item
        for item in evaluation.outcomes
        if item is not main
        and item.stage == main.stage
        and 0 < item.discrimination.num_positive < item.discrimination.num_steps
    ]
    places = np.unique(
        np.linspace(0, len(others) - 1, min(len(others), _MOST_CURVES - 1)).round().astype(int)
    )
    return [main, *(others[place] for place in places)]


def _roc_line(item: OutcomeFigures, evaluation: AkiEvaluation) -> RocLine:
    curve = roc_curve(item.probs, item.truth)
    kept = _thinned(curve.sensitivities)
    point = evaluation.in_use
    area = item.discrimination.roc_auc
    return RocLine(
        item.name,
        RocCurve(curve.false_positive_rates[kept], curve.sensitivities[kept], area.value),
        (1 - point.step_specificity.value, point.step_sensitivity.value) if item is evaluation.main else None,
        None if np.isnan(area.low) else (area.low, area.high),
    )


def _precision_line(item: OutcomeFigures, evaluation: AkiEvaluation) -> PrecisionLine:
    curve = precision_curve(item.probs, item.truth)
    kept = _thinned(curve.sensitivities)
    point, area = evaluation.in_use, item.discrimination.average_precision
    has_mark = item is evaluation.main and not np.isnan(point.precision.value)
    return PrecisionLine(
        item.name,
        curve.sensitivities[kept],
        curve.precisions[kept],
        curve.prevalence,
        cell_text((area.value, area.low, area.high), Kind.FIGURE),
        (point.step_sensitivity.value, point.precision.value) if has_mark else None,
    )


def _alert_lines(evaluation: AkiEvaluation) -> list[AlertLine]:
    """Return the lines of the policies; none where episodes or the length of a step are not known."""
    lines = [
        AlertLine(
            policy_name(outcome),
            np.array([item.per_patient_day for item in sweep]),
            np.array([item.found_share for item in sweep]),
            (outcome.per_patient_day, outcome.found_share),
        )
        for outcome, sweep in zip(evaluation.policies, evaluation.sweeps, strict=True)
    ]
    different: Sequence[AlertLine] = lines if lines[0].name != lines[-1].name else lines[:1]
    return [line for line in different if (line.per_patient_day > 0).any() and not np.isnan(line.found).any()]


def _thinned(sensitivities: Array) -> npt.NDArray[np.int64]:
    """Return points that are even along both axes, the first and the last included."""
    last = len(sensitivities) - 1
    along = np.linspace(0, last, min(last + 1, _MOST_POINTS)).round().astype(np.int64)
    up = np.searchsorted(sensitivities, np.linspace(0, 1, _MOST_POINTS)).clip(0, last)
    return np.unique(np.concatenate((along, up)))
