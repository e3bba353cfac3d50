"""ROC curves, and the band in which those of other patients would lie."""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError
from medpipe.core.roc import RocBand, RocCurve
from medpipe.metrics.bootstrap import LEVEL, NUM_RESAMPLES, Values, bootstrap_counted
from medpipe.metrics.classification import counts_by_score
from medpipe.metrics.metric import KnownCases, known_cases

_GRID: Final = np.linspace(0.0, 1.0, 101)
"""False positive rates at which a band is worked out."""


def roc_curve(scores: npt.ArrayLike, truth: npt.ArrayLike) -> RocCurve:
    """Return the curve of sensitivity over false positive rate.

    Args:
        scores: ``(N,)``, higher where positive is more likely.
        truth: ``(N,)`` 0, 1 or NaN, which is left out.

    Raises:
        ShapeError: Shapes differ, or there are not cases of both classes.
    """
    return _curve_of(_both_classes(scores, truth))


def banded_roc_curve(
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    *,
    patients: npt.ArrayLike | None = None,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
    level: float = LEVEL,
) -> RocCurve:
    """Return the curve with the bootstrap interval of the sensitivity at each false positive rate.

    Args:
        scores: See :func:`roc_curve`.
        truth: See there.
        patients: ``(N,)`` the patient of each case; None where each case is of another patient.
        seed: Of the draw.
        num_resamples: Resamples to draw; those of one class are left out.
        level: Of each interval.

    Raises:
        ShapeError: As :func:`roc_curve`, or more than half of the resamples are of one class.
    """
    cases = _both_classes(scores, truth, patients)

    def sensitivities(counts: Values) -> Values:
        rates, found = _corners(cases, counts)
        # Where the curve rises straight up, its upper end is taken.
        return np.stack([np.interp(_GRID, *corners) for corners in zip(rates, found, strict=True)])

    band = bootstrap_counted(
        len(cases.truth),
        statistic=sensitivities,
        seed=seed,
        patients=cases.patients,
        num_resamples=num_resamples,
        level=level,
    )
    return replace(_curve_of(cases), band=RocBand(_GRID, band.low, band.high, level))


def _both_classes(
    scores: npt.ArrayLike, truth: npt.ArrayLike, patients: npt.ArrayLike | None = None
) -> KnownCases:
    cases = known_cases(scores, truth=truth, patients=patients)
    num_positive = int(cases.truth.sum())
    if not 0 < num_positive < len(cases.truth):
        raise ShapeError(
            "A ROC curve needs cases of both classes",
            found=f"{num_positive} positive among {len(cases.truth)}",
        )
    return cases


def _curve_of(cases: KnownCases) -> RocCurve:
    rates, found = (corners[0] for corners in _corners(cases, np.ones((1, len(cases.truth)))))
    return RocCurve(rates, found, float(np.trapezoid(found, rates)))


def _corners(cases: KnownCases, counts: Values) -> tuple[Values, Values]:
    """Return false positive rates and sensitivities, ``(R, levels + 1)``; NaN where a class was not drawn."""
    positive, negative = counts_by_score(cases.scores[0], cases.truth, counts)
    found, called = (
        np.pad(np.cumsum(part[:, ::-1], axis=1), ((0, 0), (1, 0))) for part in (positive, negative)
    )
    with np.errstate(invalid="ignore"):
        return called / called[:, -1:], found / found[:, -1:]
