"""Agreement of predicted numbers with the truth."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError
from medpipe.metrics.bootstrap import Interval, Statistic, Values, bootstrap_interval

_LEAST: Final = 3
"""Two points always lie on a line."""


@dataclass(frozen=True)
class Agreement:
    """A figure of agreement over cases.

    Attributes:
        metric: ``"mean_absolute_error"``, ``"bias"`` (mean of predicted minus true), ``"scatter"``
            (standard deviation of that difference) or ``"correlation"`` (Pearson).
        value: In the unit of the numbers; correlations have none.
        interval: 95 % bootstrap interval over cases.
    """

    metric: str
    value: float
    interval: Interval


def agreement(predicted: npt.ArrayLike, truth: npt.ArrayLike, *, seed: int = 0) -> tuple[Agreement, ...]:
    """Return error, bias, scatter and correlation; no correlation where the truth does not vary.

    Args:
        predicted: ``(N,)``.
        truth: ``(N,)``, finite.
        seed: Of the bootstrap.

    Raises:
        ShapeError: There are fewer than three cases, or the two differ in length.
    """
    pairs = _pairs(predicted, truth)
    metrics: dict[str, Statistic] = {
        "mean_absolute_error": lambda cases: float(np.abs(_difference(cases)).mean()),
        "bias": lambda cases: float(_difference(cases).mean()),
        "scatter": lambda cases: float(_difference(cases).std()),
    }
    if np.ptp(pairs, axis=0).all():
        metrics["correlation"] = _correlation
    return tuple(
        Agreement(name, metric(pairs), bootstrap_interval(pairs, statistic=metric, seed=seed))
        for name, metric in metrics.items()
    )


def _pairs(predicted: npt.ArrayLike, truth: npt.ArrayLike) -> Values:
    first, second = np.asarray(predicted, dtype=float), np.asarray(truth, dtype=float)
    if first.shape != second.shape or first.ndim != 1 or len(first) < _LEAST:
        raise ShapeError(
            f"Agreement needs two lists of at least {_LEAST} numbers", found=f"{first.shape}, {second.shape}"
        )
    return np.stack((first, second), axis=1)


def _difference(cases: Values) -> Values:
    return np.asarray(cases[:, 0] - cases[:, 1])


def _correlation(cases: Values) -> float:
    """Return Pearson's correlation; 0 for a draw in which one side does not vary."""
    if not np.ptp(cases, axis=0).all():
        return 0.0
    return float(np.corrcoef(cases.T)[0, 1])
