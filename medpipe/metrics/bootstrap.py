"""Bootstrap: how far a figure over cases would move with other cases of the same kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError

Values = npt.NDArray[Any]
Statistic = Callable[[Values], float]
"""Maps the values of some cases, ``(N, ...)``, to one number, such as ``np.mean``."""

NUM_RESAMPLES: Final = 2000
LEVEL: Final = 0.95


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low: Lower bound, in the statistic's unit.
        high: Upper bound.
        level: Probability that it claims to hold, such as 0.95.
    """

    low: float
    high: float
    level: float


def bootstrap_interval(
    values: npt.ArrayLike,
    *,
    statistic: Statistic,
    seed: int,
    num_resamples: int = NUM_RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Return the percentile interval of a statistic over cases.

    Args:
        values: ``(N, ...)``, one row a case; rows are drawn with replacement. Infinite values are kept
            (a Hausdorff distance to nothing): give a median then, as their mean is infinite.
        statistic: Called once a resample.
        seed: Seeds the draw: equal seeds and numbers of cases draw the same cases.
        num_resamples: Resamples to draw.
        level: Probability that the interval claims to hold, between 0 and 1.

    Raises:
        ShapeError: There is no case, or a value is NaN.

    Source:
        Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13. Bounds are order statistics,
        not interpolated, so that they stay defined beside infinite values.
    """
    cases = np.asarray(values)
    if cases.ndim == 0 or not len(cases):
        raise ShapeError("A bootstrap needs at least one case", found=f"shape {cases.shape}")
    if num_unknown := int(np.isnan(cases).sum()):
        raise ShapeError(
            "The values of a bootstrap must be known",
            found=f"{num_unknown} NaN among {cases.size}",
            fix="Leave those cases out and say how many they are.",
        )
    draws = np.random.default_rng(seed).integers(len(cases), size=(num_resamples, len(cases)))
    estimates = [float(statistic(cases[draw])) for draw in draws]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(estimates, [tail, 1.0 - tail], method="inverted_cdf")
    return Interval(float(low), float(high), level)


def bootstrap_difference(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    statistic: Statistic,
    seed: int,
    num_resamples: int = NUM_RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Return the interval of ``statistic(first) - statistic(second)`` of two systems on the same cases.

    Each resample draws the same cases for both, so that what makes a case hard for both cancels.

    Args:
        first: ``(N, ...)``, one row a case.
        second: As ``first``, the same cases in the same order.
        statistic: See :func:`bootstrap_interval`.
        seed: See there.
        num_resamples: See there.
        level: See there.

    Raises:
        ShapeError: The systems differ in cases; otherwise as :func:`bootstrap_interval`.
    """
    ours, theirs = np.asarray(first), np.asarray(second)
    if ours.shape != theirs.shape:
        raise ShapeError("Paired values must be of the same cases", found=f"{ours.shape} and {theirs.shape}")

    def difference(pairs: Values) -> float:
        return float(statistic(pairs[:, 0])) - float(statistic(pairs[:, 1]))

    return bootstrap_interval(
        np.stack((ours, theirs), axis=1),
        statistic=difference,
        seed=seed,
        num_resamples=num_resamples,
        level=level,
    )
