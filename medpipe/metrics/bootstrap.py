"""Bootstrap: how far a figure over cases would move with other cases, or patients, of the same kind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError

Values = npt.NDArray[Any]
Statistic = Callable[[Values], float]
"""Maps the values of some cases, ``(N, ...)``, to one number, such as ``np.mean``."""

CountedStatistic = Callable[[Values], Values]
"""Maps how often each case was drawn, ``(R, N)`` for R resamples, to ``(R, ...)``; NaN where it has none."""

NUM_RESAMPLES: Final = 2000
LEVEL: Final = 0.95

_BLOCK: Final = 2_000_000
"""Counts held at a time: resamples of many cases are worked on in blocks."""

_LEAST_SHARE: Final = 0.5
"""Share of resamples that must have the statistic: an interval of the rest would be of other cases."""


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


@dataclass(frozen=True, eq=False)
class Band:
    """Confidence intervals of several numbers, each of which alone claims to hold with ``level``.

    Attributes:
        low: ``(...)`` lower bounds, in the statistic's unit.
        high: ``(...)`` upper bounds.
        level: Probability, such as 0.95.
    """

    low: Values
    high: Values
    level: float

    @property
    def interval(self) -> Interval:
        """The interval of a statistic that is one number."""
        return Interval(float(self.low), float(self.high), self.level)


@dataclass(frozen=True, eq=False)
class Resamples:
    """Draws of patients with replacement: all cases of a patient come along, each time that it is drawn.

    Attributes:
        patients: ``(N,)`` which patient each case is of: 0, 1, ....
        seed: Equal seeds and numbers of patients draw the same patients.
        number: Resamples to draw.

    Source:
        Field & Welsh 2007, "Bootstrapping clustered data", the cluster bootstrap.
    """

    patients: npt.NDArray[np.int64]
    seed: int
    number: int = NUM_RESAMPLES

    def cases(self) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the cases of each resample, those drawn twice twice."""
        order = np.argsort(self.patients, kind="stable")
        cases_of = np.split(order, np.cumsum(np.bincount(self.patients))[:-1])
        is_single = len(cases_of) == len(order)
        for draws in self._draws():
            for draw in draws:
                yield order[draw] if is_single else np.concatenate([cases_of[patient] for patient in draw])

    def counts(self) -> Iterator[npt.NDArray[np.float64]]:
        """Yield how often each case is drawn, ``(R, N)``, in blocks of resamples."""
        for draws in self._draws():
            rows = np.arange(len(draws))[:, None] * self._num_patients
            drawn = np.bincount((rows + draws).ravel(), minlength=len(draws) * self._num_patients)
            yield drawn.reshape(len(draws), -1)[:, self.patients].astype(np.float64)

    @cached_property
    def _num_patients(self) -> int:
        return int(self.patients.max()) + 1

    def _draws(self) -> Iterator[npt.NDArray[np.int64]]:
        """Yield ``(R, P)`` drawn patients in blocks; what is drawn does not depend on their size."""
        rng = np.random.default_rng(self.seed)
        block = max(1, _BLOCK // len(self.patients))
        for start in range(0, self.number, block):
            yield rng.integers(self._num_patients, size=(min(block, self.number - start), self._num_patients))


def bootstrap_interval(
    values: npt.ArrayLike,
    *,
    statistic: Statistic,
    seed: int,
    patients: npt.ArrayLike | None = None,
    num_resamples: int = NUM_RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Return the percentile interval of a statistic over cases.

    Args:
        values: ``(N, ...)``, one row a case; rows are drawn with replacement. Infinite values are kept
            (a Hausdorff distance to nothing): give a median then, as their mean is infinite.
        statistic: Called once a resample.
        seed: Seeds the draw: equal seeds and numbers of patients draw the same patients.
        patients: ``(N,)`` the patient of each case, any names: patients are drawn, all of their cases come
            along. None where each case is of another patient.
        num_resamples: Resamples to draw.
        level: Probability that the interval claims to hold, between 0 and 1.

    Raises:
        ShapeError: There is no case, a value is NaN, or ``patients`` is of other cases.

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
    resamples = Resamples(_numbered(patients, len(cases)), seed, num_resamples)
    estimates = np.array([float(statistic(cases[drawn])) for drawn in resamples.cases()])
    return _percentile_band(estimates, level).interval


def bootstrap_counted(
    num_cases: int,
    *,
    statistic: CountedStatistic,
    seed: int,
    patients: npt.ArrayLike | None = None,
    num_resamples: int = NUM_RESAMPLES,
    level: float = LEVEL,
) -> Band:
    """Return the percentile interval of a statistic that takes how often each case was drawn.

    One call takes many resamples, which is quicker by far than a call for each. Resamples that lack the
    statistic, NaN (an AUC where only one class was drawn), are left out: the interval is of the others.

    Args:
        num_cases: Cases; the statistic holds their values.
        statistic: Called with blocks of resamples; an interval is made of each of its numbers.
        seed: See :func:`bootstrap_interval`, which draws the same cases.
        patients: See there.
        num_resamples: See there.
        level: See there.

    Raises:
        ShapeError: There is no case, ``patients`` is of other cases, or more than half of the resamples
            lack the statistic.
    """
    if num_cases < 1:
        raise ShapeError("A bootstrap needs at least one case", found=f"{num_cases}")
    resamples = Resamples(_numbered(patients, num_cases), seed, num_resamples)
    estimates = np.concatenate([statistic(counts) for counts in resamples.counts()])
    is_known = ~np.isnan(estimates.reshape(num_resamples, -1)).any(axis=1)
    if is_known.sum() < _LEAST_SHARE * num_resamples:
        raise ShapeError(
            "Too many resamples lack the figure that is asked for",
            found=f"{is_known.sum()} of {num_resamples} that have it",
            fix="Give more cases, or patients, of the class that is rare.",
        )
    return _percentile_band(estimates[is_known], level)


def bootstrap_difference(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    statistic: Statistic,
    seed: int,
    patients: npt.ArrayLike | None = None,
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
        patients: See there.
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
        patients=patients,
        num_resamples=num_resamples,
        level=level,
    )


def _numbered(patients: npt.ArrayLike | None, num_cases: int) -> npt.NDArray[np.int64]:
    """Return a number for each patient, in the order of first mention, by case."""
    if patients is None:
        return np.arange(num_cases)
    names = np.asarray(patients)
    if names.shape != (num_cases,):
        raise ShapeError("Each case is of one patient", found=f"shape {names.shape}, {num_cases} cases")
    _, first, sorted_number = np.unique(names, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[sorted_number], dtype=np.int64)


def _percentile_band(estimates: Values, level: float) -> Band:
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(estimates, [tail, 1.0 - tail], axis=0, method="inverted_cdf")
    return Band(low, high, level)
