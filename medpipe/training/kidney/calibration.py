"""From the logits of an ensemble to calibrated probabilities with the spread of its networks.

Letters: S networks, N steps, H horizons.
"""

from typing import Final, NamedTuple

import numpy as np
from sklearn.isotonic import IsotonicRegression

from medpipe.core.affine import Array
from medpipe.core.isotonic import IsotonicCurve

REACH: Final = 1.96
"""Standard deviations of the networks' log-odds to each side: where 95 % of further networks would lie."""


class RiskSpread(NamedTuple):
    """Calibrated risks of steps.

    Attributes:
        probs: ``(N, H)`` of the mean log-odds of the networks; never falling with the horizon.
        low: ``(N, H)`` lower bound by the spread of the networks; it tells of chance in training alone.
        high: ``(N, H)`` upper bound.
    """

    probs: Array
    low: Array
    high: Array


def fit_isotonic(scores: Array, truth: Array) -> IsotonicCurve:
    """Return the rising curve that fits outcomes best; of one outcome alone, level.

    Args:
        scores: ``(N,)`` any numbers.
        truth: ``(N,)`` 0, 1 or NaN, which is left out.
    """
    known = np.isfinite(truth)
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    fitted.fit(scores[known], truth[known])
    thresholds, first = np.unique(fitted.X_thresholds_, return_index=True)
    return IsotonicCurve(
        thresholds=tuple(thresholds.tolist()),
        values=tuple(np.maximum.accumulate(fitted.y_thresholds_[first].clip(0.0, 1.0)).tolist()),
        num_cases=int(known.sum()),
    )


def fit_curves(logits: Array, truth: Array) -> tuple[IsotonicCurve, ...]:
    """Return the curve of each horizon, fitted on mean probabilities of the networks.

    Args:
        logits: ``(S, N, H)``.
        truth: ``(N, H)``; each horizon has a known outcome.
    """
    scores = _sigmoid(logits.mean(axis=0))
    return tuple(fit_isotonic(*column) for column in zip(scores.T, truth.T, strict=True))


def calibrated(logits: Array, curves: tuple[IsotonicCurve, ...]) -> RiskSpread:
    """Return the risks of an ensemble; one network has no spread.

    Args:
        logits: ``(S, N, H)``.
        curves: H curves.
    """
    mean = logits.mean(axis=0)
    reach = REACH * logits.std(axis=0, ddof=1) if len(logits) > 1 else np.zeros_like(mean)
    return RiskSpread(*(_risks(centre, curves) for centre in (mean, mean - reach, mean + reach)))


def _risks(logits: Array, curves: tuple[IsotonicCurve, ...]) -> Array:
    columns = [curve(column) for curve, column in zip(curves, _sigmoid(logits).T, strict=True)]
    return np.maximum.accumulate(np.stack(columns, axis=1), axis=1)


def _sigmoid(logits: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
