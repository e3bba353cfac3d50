"""Calibration of a classifier: logits to probabilities, and how well probabilities keep their word."""

from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.calibration import LogitCalibration, ReliabilityBin
from medpipe.core.errors import ShapeError
from medpipe.metrics.bootstrap import LEVEL, Values
from medpipe.metrics.classification import NUM_BINS, bin_of
from medpipe.metrics.metric import known_cases

_MAX_STEPS: Final = 100
_CLOSE: Final = 1e-10
"""Mean gradient at which the fit has arrived; logits are scaled to unit spread."""

_SMALLEST_STEP: Final = 1e-10


def fit_calibration(logits: npt.ArrayLike, truth: npt.ArrayLike) -> LogitCalibration:
    """Fit a line from logits to log odds by maximum likelihood, with targets drawn in a little.

    Targets are (n + 1) / (n + 2) and 1 / (n + 2), with n the cases of each class, so that data which a
    threshold parts without error still have a finite fit, and its covariance with it.

    Args:
        logits: ``(N,)`` of cases that the network did not learn from. Each counts as independent: where a
            patient has several, give one of them, or the covariance comes out too small.
        truth: ``(N,)`` 0, 1 or NaN, which is left out.

    Raises:
        ShapeError: Shapes differ, all cases are of one class, or logits do not vary or are infinite.

    Source:
        Platt 1999, section 2.2; Lin, Lin & Weng 2007, "A note on Platt's probabilistic outputs", for Newton's
        method with a line search. The covariance is the inverse of the Hessian.
    """
    cases = known_cases(logits, truth=truth)
    values = cases.scores[0]
    num_positive = int(cases.truth.sum())
    num_negative = len(cases.truth) - num_positive
    if not num_positive or not num_negative:
        raise ShapeError(
            "A calibration needs cases of both classes",
            found=f"{num_positive} positive and {num_negative} negative",
            fix="Give held-out cases with and without the finding.",
        )
    if not np.isfinite(values).all() or not np.ptp(values):
        raise ShapeError(
            "The logits of a calibration are finite and vary", found=f"{values.min():g} to {values.max():g}"
        )
    targets = np.where(cases.truth > 0, (num_positive + 1) / (num_positive + 2), 1 / (num_negative + 2))
    centre, spread = float(values.mean()), float(values.std())
    line, hessian = _newton((values - centre) / spread, targets)
    # Back from scaled logits: slope / spread, and the offset at a logit of 0.
    jacobian = np.array([[1 / spread, 0.0], [-centre / spread, 1.0]])
    slope, offset = jacobian @ line
    covariance = jacobian @ np.linalg.inv(hessian) @ jacobian.T
    return LogitCalibration(
        slope=float(slope),
        offset=float(offset),
        covariance=(float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])),
        num_cases=len(values),
    )


def reliability(
    probs: npt.ArrayLike, truth: npt.ArrayLike, *, num_bins: int = NUM_BINS, level: float = LEVEL
) -> tuple[ReliabilityBin, ...]:
    """Return the share of the positive among cases of like probability; empty bins are left out.

    Args:
        probs: ``(N,)`` in [0, 1].
        truth: ``(N,)`` 0, 1 or NaN, which is left out.
        num_bins: Bins of equal width.
        level: Of the interval of each share, which counts cases as independent.

    Raises:
        ShapeError: Shapes differ, a probability is out of range, or no truth is known.

    Source:
        Wilson 1927, "Probable inference, the law of succession, and statistical inference", for the interval.
    """
    cases = known_cases(probs, truth=truth)
    values = cases.scores[0]
    if ((values < 0) | (values > 1)).any():
        raise ShapeError("Probabilities lie between 0 and 1", found=f"{values.min():g} to {values.max():g}")
    place = bin_of(values, num_bins)
    return tuple(
        _bin(values[place == number], cases.truth[place == number], level) for number in np.unique(place)
    )


def _bin(probs: Values, truth: Values, level: float) -> ReliabilityBin:
    count, share = len(truth), float(truth.mean())
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    # Rounding must not leave a bound beyond the share itself, nor beyond 0 and 1.
    low, high = max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))
    return ReliabilityBin(probability=float(probs.mean()), share=share, low=low, high=high, num_cases=count)


def _newton(scaled: Values, targets: Values) -> tuple[Values, Values]:
    """Return slope and offset of least log loss, and the Hessian there."""
    rows = np.stack((scaled, np.ones_like(scaled)), axis=1)
    share = targets.mean()
    line = np.array([0.0, np.log(share / (1 - share))])
    for _ in range(_MAX_STEPS):
        probs = _sigmoid(rows @ line)
        gradient = rows.T @ (probs - targets)
        hessian = (rows * (probs * (1 - probs))[:, None]).T @ rows
        if np.abs(gradient).max() <= _CLOSE * len(targets):
            break
        step = np.linalg.solve(hessian, gradient)
        size, loss = 1.0, _log_loss(rows @ line, targets)
        while size > _SMALLEST_STEP and _log_loss(rows @ (line - size * step), targets) > loss:
            size /= 2
        line = line - size * step
    return line, hessian


def _log_loss(log_odds: Values, targets: Values) -> float:
    return float((np.logaddexp(0.0, log_odds) - targets * log_odds).sum())


def _sigmoid(log_odds: Values) -> Values:
    return np.asarray(np.exp(-np.logaddexp(0.0, -log_odds)))
