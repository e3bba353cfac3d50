"""How well risks rank steps: areas under both curves, with intervals over patients, on a million steps.

Shapes: ``N`` steps, ``P`` patients, ``R`` resamples, ``Q`` points of a curve.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError
from medpipe.metrics.bootstrap import Values
from medpipe.metrics.estimates import Draws, Estimate, estimate, share_of
from medpipe.metrics.metric import known_cases

_AS_GIVEN: Final = Draws()


@dataclass(frozen=True)
class Discrimination:
    """How well risks rank steps.

    Attributes:
        roc_auc: Chance that a positive step scores above a negative one; ties count half.
        average_precision: Area below precision over sensitivity, by steps.
        normalised_precision: That area on a scale from the least possible, 0, to 1.
        prevalence: Share of the steps that are positive.
        num_steps: Steps whose truth is known.
        num_positive: Of them, positive.
        num_patients: Patients that have such a step.
    """

    roc_auc: Estimate
    average_precision: Estimate
    normalised_precision: Estimate
    prevalence: Estimate
    num_steps: int
    num_positive: int
    num_patients: int


def discrimination(
    scores: npt.ArrayLike, truth: npt.ArrayLike, patients: npt.ArrayLike, *, draws: Draws = _AS_GIVEN
) -> Discrimination:
    """Return how well risks rank steps.

    Steps are sorted once; a resample of patients then counts each step as often as its patient was drawn.

    Args:
        scores: ``(N,)``, higher where positive is more likely.
        truth: ``(N,)`` 0, 1 or NaN, which is left out.
        patients: ``(N,)`` the patient of each step, any names.
        draws: How patients are drawn for the intervals.

    Raises:
        ShapeError: Shapes differ, a score is NaN, truth is not 0, 1 or NaN, or none is known.
    """
    cases = known_cases(scores, truth=truth, patients=patients)
    assert cases.patients is not None  # it was given
    _, first, number = np.unique(cases.patients, return_index=True, return_inverse=True)
    # In the order of first mention, as elsewhere: equal seeds draw the same patients.
    codes = np.argsort(np.argsort(first))[number]
    ranked = _Ranked(cases.scores[0], cases.truth, codes)
    area, average, normalised, prevalence = estimate(len(first), ranked.figures, draws)
    num_positive = int(cases.truth.sum())
    return Discrimination(area, average, normalised, prevalence, len(codes), num_positive, len(first))


def normalised_average_precision(average_precision: Values, prevalence: Values) -> Values:
    """Return an area below precision over sensitivity on a scale from the least that is possible.

    It is (area - least) / (1 - least), where least = 1 + (1 - p) ln(1 - p) / p at a prevalence p: 0 is the
    worst order there is, 1 the best; guessing lies above 0. NaN where all or none are positive.

    Source:
        Boyd et al. 2012, "Unachievable region in precision-recall space", arXiv 1206.4667, theorem 2; the
        normalised area in the code of Tomašev et al. 2021. The other usual scale, (area - p) / (1 - p), has
        guessing at 0 instead.
    """
    share = np.where((prevalence > 0) & (prevalence < 1), prevalence, np.nan)
    least = 1 + (1 - share) * np.log1p(-share) / share
    return np.asarray((average_precision - least) / (1 - least))


@dataclass(frozen=True, eq=False)
class PrecisionCurve:
    """Precision over sensitivity, one point a threshold.

    Attributes:
        sensitivities: ``(Q,)`` ascending.
        precisions: ``(Q,)``.
        thresholds: ``(Q,)`` descending; a step is called where its score reaches it.
        prevalence: Precision of guessing.
    """

    sensitivities: Values
    precisions: Values
    thresholds: Values
    prevalence: float


def precision_curve(scores: npt.ArrayLike, truth: npt.ArrayLike) -> PrecisionCurve:
    """Return precision and sensitivity at each score as the threshold.

    Args:
        scores: ``(N,)``.
        truth: ``(N,)`` 0, 1 or NaN, which is left out.

    Raises:
        ShapeError: Shapes differ, or no step is positive.
    """
    cases = known_cases(scores, truth=truth)
    num_positive = int(cases.truth.sum())
    if not num_positive:
        raise ShapeError("Precision needs positive steps", found=f"none among {len(cases.truth)}")
    order = np.argsort(-cases.scores[0], kind="stable")
    descending = cases.scores[0][order]
    ends = np.flatnonzero(np.append(descending[1:] != descending[:-1], True))
    found = np.cumsum(cases.truth[order])[ends]
    return PrecisionCurve(
        found / num_positive, found / (ends + 1), descending[ends], num_positive / len(cases.truth)
    )


def threshold_at_precision(curve: PrecisionCurve, precision: float) -> float:
    """Return the lowest threshold whose precision is at least this; NaN where none has it.

    Args:
        curve: Of the steps on which the threshold is chosen.
        precision: Above 0, at most 1.

    Raises:
        ShapeError: The precision is out of range.
    """
    if not 0 < precision <= 1:
        raise ShapeError("A precision lies above 0 and at most at 1", found=f"{precision:g}")
    reached = np.flatnonzero(curve.precisions >= precision)
    return float(curve.thresholds[reached[-1]]) if len(reached) else np.nan


class _Ranked:
    """Steps in the order of descending scores, with what does not depend on who was drawn."""

    def __init__(self, scores: Values, truth: Values, patients: Values) -> None:
        order = np.argsort(-scores, kind="stable")
        descending = scores[order]
        self._patients = patients[order]
        is_first = np.append(True, descending[1:] != descending[:-1])
        starts = np.flatnonzero(is_first)
        ends = np.append(starts[1:], len(order))
        positive = np.flatnonzero(truth[order] > 0)
        # Only levels with a positive step add to either area.
        level = (np.cumsum(is_first) - 1)[positive]
        self._positive_patients = self._patients[positive]
        self._first_of_level = np.flatnonzero(np.append(True, level[1:] != level[:-1])[: len(level)])
        held = level[self._first_of_level]
        self._before, self._through = starts[held], ends[held]

    def figures(self, counts: Values) -> Values:
        """Map how often each patient counts, ``(R, P)``, to ``(R, 4)``."""
        return np.stack([self._figures_of(row) for row in counts])

    def _figures_of(self, count: Values) -> Values:
        called = np.append(0.0, np.cumsum(count[self._patients]))
        total = called[-1]
        if not len(self._positive_patients):
            return np.array([np.nan, np.nan, np.nan, 0.0 if total else np.nan])
        positive = np.add.reduceat(count[self._positive_patients], self._first_of_level)
        found = np.cumsum(positive)
        num_positive = found[-1]
        through, before = called[self._through], called[self._before]
        negative_before = before - (found - positive)
        negative_here = through - before - positive
        negatives = total - num_positive
        ordered = (positive * (negatives - negative_before - negative_here / 2)).sum()
        precision = np.divide(found, through, out=np.zeros_like(found), where=through > 0)
        sums = np.array([ordered, (positive * precision).sum(), num_positive])
        area, average, prevalence = share_of(sums, np.array([num_positive * negatives, num_positive, total]))
        return np.array([area, average, normalised_average_precision(average, prevalence), prevalence])
