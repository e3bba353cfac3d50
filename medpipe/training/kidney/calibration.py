"""Fitting isotonic curves: from scores to the share of the outcome.

Letters: S networks, N steps, H horizons.
"""

import numpy as np
from sklearn.isotonic import IsotonicRegression

from medpipe.core.affine import Array
from medpipe.core.isotonic import IsotonicCurve
from medpipe.core.risk_spread import sigmoid


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
    scores = sigmoid(logits.mean(axis=0))
    return tuple(fit_isotonic(*column) for column in zip(scores.T, truth.T, strict=True))
