"""From the logits of an ensemble to calibrated probabilities with the spread of its networks.

Letters: S networks, N steps, H horizons.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

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


def calibrated(logits: Array, curves: Sequence[IsotonicCurve]) -> RiskSpread:
    """Return the risks of an ensemble; one network has no spread.

    Args:
        logits: ``(S, N, H)``.
        curves: H curves.
    """
    mean = logits.mean(axis=0)
    reach = REACH * logits.std(axis=0, ddof=1) if len(logits) > 1 else np.zeros_like(mean)
    return RiskSpread(*(_risks(centre, curves) for centre in (mean, mean - reach, mean + reach)))


def _risks(logits: Array, curves: Sequence[IsotonicCurve]) -> Array:
    columns = [curve(column) for curve, column in zip(curves, sigmoid(logits).T, strict=True)]
    return np.maximum.accumulate(np.stack(columns, axis=1), axis=1)


def sigmoid(logits: Array) -> Array:
    """Return the probability of log-odds."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
