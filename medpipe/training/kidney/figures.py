"""Figures of the test patients: how well networks, ensemble and trees tell what comes.

Letters: N steps, H horizons.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.metrics.classification import AVERAGE_PRECISION, ROC_AUC, calibration_error
from medpipe.metrics.metric import Metric

NUM_RESAMPLES: Final = 500

NETWORK, ENSEMBLE, TREES, BOTH = "network", "ensemble", "trees", "networks and trees"
"""The models: the first network, the mean of all, the trees, and both merged."""

_METRICS: Final = {"AUROC": ROC_AUC, "AUPRC": AVERAGE_PRECISION}


class Horizon(NamedTuple):
    """What the test patients have of a horizon.

    Attributes:
        horizon_h: Hours.
        steps: Steps in all.
        observable: Share of the steps whose outcome is known.
        prevalence: Share of those with the outcome; NaN without any.
        patients: Patients with a known step.
        ill: Patients with the outcome at some step.
    """

    horizon_h: float
    steps: int
    observable: float
    prevalence: float
    patients: int
    ill: int


class Figure(NamedTuple):
    """A figure with the interval that drawing other patients gives.

    Attributes:
        model: :data:`NETWORK`, :data:`ENSEMBLE`, :data:`TREES`, :data:`BOTH`, or two with a minus for the
            difference.
        horizon_h: Hours.
        metric: ``AUROC``, ``AUPRC`` or ``calibration error``.
        value: On all test steps of known outcome.
        low: Lower bound, 95 %.
        high: Upper bound.
    """

    model: str
    horizon_h: float
    metric: str
    value: float
    low: float
    high: float


def horizons_of(
    truth: Array, patients: npt.NDArray[np.str_], horizons_h: tuple[float, ...]
) -> tuple[Horizon, ...]:
    """Return what each horizon has.

    Args:
        truth: ``(N, H)``; NaN where unknown.
        patients: ``(N,)`` of each step.
        horizons_h: H hours.
    """
    return tuple(
        Horizon(
            horizon_h,
            steps=len(column),
            observable=float(np.isfinite(column).mean()),
            prevalence=float(np.nanmean(column)) if np.isfinite(column).any() else float("nan"),
            patients=len(np.unique(patients[np.isfinite(column)])),
            ill=len(np.unique(patients[column == 1])),
        )
        for horizon_h, column in zip(horizons_h, truth.T, strict=True)
    )


def figures_of(
    scores: Mapping[str, Array],
    probs: Array,
    truth: Array,
    patients: npt.NDArray[np.str_],
    horizons_h: tuple[float, ...],
) -> tuple[Figure, ...]:
    """Return the figures of each horizon that has both outcomes.

    Args:
        scores: ``(N, H)`` of each model by name, higher where the outcome is likelier.
        probs: ``(N, H)`` calibrated probabilities of the last model.
        truth: ``(N, H)``; NaN where unknown.
        patients: ``(N,)`` of each step: patients are drawn, with all of their steps.
        horizons_h: H hours.
    """
    found: list[Figure] = []
    for place, horizon_h in enumerate(horizons_h):
        judged = _Judged(horizon_h, truth[:, place], patients)
        if judged.has_both:
            columns = {name: values[:, place] for name, values in scores.items()}
            found += _figures(judged, columns, probs[:, place])
    return tuple(found)


class _Judged(NamedTuple):
    """Outcomes of one horizon, and whose they are."""

    horizon_h: float
    outcomes: Array
    patients: npt.NDArray[np.str_]

    @property
    def has_both(self) -> bool:
        return len(np.unique(self.outcomes[np.isfinite(self.outcomes)])) == 2

    def figure(self, model: str, name: str, metric: Metric, scores: Array) -> Figure:
        """Return a figure of one model."""
        interval = metric.interval(scores, self.outcomes, patients=self.patients, num_resamples=NUM_RESAMPLES)
        value = metric.value(scores, self.outcomes)
        return Figure(model, self.horizon_h, name, value, interval.low, interval.high)

    def difference(self, model: str, name: str, metric: Metric, pair: tuple[Array, Array]) -> Figure:
        """Return a figure of one model minus that of another, on the same draws."""
        interval = metric.difference(
            *pair, self.outcomes, patients=self.patients, num_resamples=NUM_RESAMPLES
        )
        first, second = (metric.value(scores, self.outcomes) for scores in pair)
        return Figure(model, self.horizon_h, name, first - second, interval.low, interval.high)


def _figures(judged: _Judged, scores: Mapping[str, Array], probs: Array) -> Iterator[Figure]:
    for name, metric in _METRICS.items():
        for model, column in scores.items():
            yield judged.figure(model, name, metric, column)
        for first, second in ((ENSEMBLE, TREES), (BOTH, TREES)):
            if {first, second} <= scores.keys():
                pair = scores[first], scores[second]
                yield judged.difference(f"{first} - {second}", name, metric, pair)
    yield judged.figure(list(scores)[-1], "calibration error", calibration_error(), probs)
