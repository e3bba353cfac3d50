"""Several figures over patients at once, each with its bootstrap interval.

Shapes: ``P`` patients, ``R`` resamples, ``Q`` figures.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.errors import ShapeError
from medpipe.metrics.bootstrap import LEVEL, CountedStatistic, Resamples, Values

NUM_RESAMPLES: Final = 200
"""As in Tomašev et al. 2019: the figures of a million steps take a while."""

_LEAST_SHARE: Final = 0.5
"""Share of resamples that must have a figure: an interval of the rest would be of other patients."""


@dataclass(frozen=True)
class Draws:
    """How patients are drawn.

    Attributes:
        seed: Equal seeds and numbers of patients draw the same patients.
        number: Resamples, above zero.
        level: Probability that an interval claims to hold.
    """

    seed: int = 0
    number: int = NUM_RESAMPLES
    level: float = LEVEL


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval over patients.

    Attributes:
        value: NaN where the cases do not have it.
        low: Lower bound; NaN where too few resamples have the figure.
        high: Upper bound, likewise.
    """

    value: float
    low: float
    high: float


def estimate(num_patients: int, statistic: CountedStatistic, draws: Draws) -> tuple[Estimate, ...]:
    """Return each figure of a statistic with its percentile interval over patients.

    A figure that fewer than half of the resamples have comes without an interval; of the others, resamples
    that lack it are left out.

    Args:
        num_patients: Patients that are drawn.
        statistic: Maps how often each patient counts, ``(R, P)``, to ``(R, Q)``; NaN for none.
        draws: How patients are drawn.

    Raises:
        ShapeError: There is no patient, or no resample is asked for.
    """
    if num_patients < 1 or draws.number < 1:
        raise ShapeError(
            "An interval needs patients and resamples", found=f"{num_patients} and {draws.number}"
        )
    values = statistic(np.ones((1, num_patients)))[0]
    resamples = Resamples(np.arange(num_patients), draws.seed, draws.number)
    drawn = np.concatenate([statistic(counts) for counts in resamples.counts()])
    return tuple(
        Estimate(float(value), *_bounds(column, draws.level))
        for value, column in zip(values, drawn.T, strict=True)
    )


def share_of(parts: Values, wholes: Values) -> Values:
    """Return parts over wholes; NaN where the whole is not above zero."""
    return np.asarray(np.divide(parts, wholes, out=np.full(np.shape(wholes), np.nan), where=wholes > 0))


def sums_by_patient(patients: Values, columns: Values, num_patients: int) -> Values:
    """Return ``(P, K)`` the sum of each of ``(N, K)`` columns over the cases of each patient."""
    weights = np.asarray(columns, dtype=float)
    return np.stack([np.bincount(patients, column, minlength=num_patients) for column in weights.T], axis=1)


def _bounds(drawn: Values, level: float) -> tuple[float, float]:
    known = drawn[~np.isnan(drawn)]
    if len(known) < _LEAST_SHARE * len(drawn):
        return np.nan, np.nan
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(known, [tail, 1.0 - tail], method="inverted_cdf")
    return float(low), float(high)
