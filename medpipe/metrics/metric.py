"""A figure of merit of a predictor: its value, its interval over patients, the difference of two predictors.

Shapes: ``N`` cases, ``L`` labels, ``R`` resamples.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError
from medpipe.metrics.bootstrap import LEVEL, NUM_RESAMPLES, Interval, Values, bootstrap_counted


class KnownCases(NamedTuple):
    """The cases whose truth is known.

    Attributes:
        scores: Of each predictor, ``(N,)`` or ``(N, L)``.
        truth: Of the same shape: 0 or 1; NaN only where another label of the case is known.
        patients: ``(N,)``; None where none were given.
    """

    scores: tuple[Values, ...]
    truth: Values
    patients: Values | None


@dataclass(frozen=True)
class Metric:
    """A figure of merit, worked out for many resamples of the cases at once.

    Scores and truth are ``(N,)``, or ``(N, L)`` where it is over several labels; truth is 0, 1 or NaN where
    it is not known, which is left out.

    Attributes:
        name: Such as ``"roc_auc"``.
        counted: Maps scores, truth and how often each case counts, ``(R, N)``, to ``(R,)``; NaN where those
            cases do not have it.
        of_probabilities: Whether scores must lie between 0 and 1; otherwise their order alone matters.
        over_labels: Whether it takes several labels at once.
    """

    name: str
    counted: Callable[[Values, Values, Values], Values]
    of_probabilities: bool = True
    over_labels: bool = False

    def value(self, scores: npt.ArrayLike, truth: npt.ArrayLike) -> float:
        """Return the figure; NaN where the cases do not have it, as an AUC of one class.

        Raises:
            ShapeError: Shapes differ, a score is out of range, truth is not 0, 1 or NaN, or none is known.
        """
        cases = self._known(scores, truth=truth)
        return float(self.counted(cases.scores[0], cases.truth, np.ones((1, len(cases.truth))))[0])

    def interval(
        self,
        scores: npt.ArrayLike,
        truth: npt.ArrayLike,
        *,
        patients: npt.ArrayLike | None = None,
        seed: int = 0,
        num_resamples: int = NUM_RESAMPLES,
        level: float = LEVEL,
    ) -> Interval:
        """Return the bootstrap interval of the figure.

        Args:
            scores: Of each case.
            truth: Of each case.
            patients: ``(N,)`` the patient of each case; None where each case is of another patient.
            seed: Of the draw.
            num_resamples: Resamples to draw; those that do not have the figure are left out.
            level: Probability that the interval claims to hold.

        Raises:
            ShapeError: As :meth:`value`, or more than half of the resamples do not have the figure.
        """
        cases = self._known(scores, truth=truth, patients=patients)

        def statistic(counts: Values) -> Values:
            return self.counted(cases.scores[0], cases.truth, counts)

        return bootstrap_counted(
            len(cases.truth),
            statistic=statistic,
            seed=seed,
            patients=cases.patients,
            num_resamples=num_resamples,
            level=level,
        ).interval

    def difference(
        self,
        first: npt.ArrayLike,
        second: npt.ArrayLike,
        truth: npt.ArrayLike,
        *,
        patients: npt.ArrayLike | None = None,
        seed: int = 0,
        num_resamples: int = NUM_RESAMPLES,
        level: float = LEVEL,
    ) -> Interval:
        """Return the interval of the first predictor's figure minus the second's.

        Both are scored on the same draws, so that what makes a case hard for both cancels.

        Args:
            first: Scores of each case.
            second: Scores of each case, of another predictor.
            truth: Of each case.
            patients: See :meth:`interval`.
            seed: See there.
            num_resamples: See there.
            level: See there.

        Raises:
            ShapeError: As :meth:`interval`.
        """
        cases = self._known(first, second, truth=truth, patients=patients)

        def statistic(counts: Values) -> Values:
            ours, theirs = (self.counted(scores, cases.truth, counts) for scores in cases.scores)
            return np.asarray(ours - theirs)

        return bootstrap_counted(
            len(cases.truth),
            statistic=statistic,
            seed=seed,
            patients=cases.patients,
            num_resamples=num_resamples,
            level=level,
        ).interval

    def _known(
        self, *scores: npt.ArrayLike, truth: npt.ArrayLike, patients: npt.ArrayLike | None = None
    ) -> KnownCases:
        for item in scores:
            values = np.asarray(item, dtype=float)
            if values.ndim != 1 + self.over_labels:
                wanted = "(N, L) for N cases and L labels" if self.over_labels else "(N,), a label at a time"
                raise ShapeError(f"Scores of {self.name} are {wanted}", found=f"shape {values.shape}")
            if self.of_probabilities and ((values < 0) | (values > 1)).any():
                raise ShapeError(
                    f"{self.name} takes probabilities between 0 and 1",
                    found=f"{np.nanmin(values):g} to {np.nanmax(values):g}",
                )
        return known_cases(*scores, truth=truth, patients=patients)


def known_cases(
    *scores: npt.ArrayLike, truth: npt.ArrayLike, patients: npt.ArrayLike | None = None
) -> KnownCases:
    """Leave out the cases whose truth is not known.

    Args:
        scores: Of each predictor, ``(N,)`` or ``(N, L)``.
        truth: Of the same shape: 0, 1 or NaN where not known.
        patients: ``(N,)`` the patient of each case, any names.

    Raises:
        ShapeError: Shapes differ, a score is NaN, truth is not 0, 1 or NaN, or none is known.
    """
    told = np.asarray(truth, dtype=float)
    predicted = tuple(np.asarray(item, dtype=float) for item in scores)
    names = None if patients is None else np.asarray(patients)
    for item in predicted:
        if item.shape != told.shape:
            raise ShapeError("Scores and truth are of the same cases", found=f"{item.shape} and {told.shape}")
        if num_nan := int(np.isnan(item).sum()):
            raise ShapeError("Each case needs a score", found=f"{num_nan} NaN among {item.size}")
    if names is not None and names.shape != told.shape[:1]:
        raise ShapeError("Each case is of one patient", found=f"{names.shape} and {told.shape}")
    known = ~np.isnan(told)
    if not np.isin(told[known], (0, 1)).all():
        odd = told[known & ~np.isin(told, (0, 1))]
        raise ShapeError("Truth is 0, 1, or NaN where it is not known", found=f"{odd[0]:g}")
    kept = known.reshape(len(told), -1).any(axis=1)
    if not kept.any():
        raise ShapeError("The truth of no case is known", found=f"{len(told)} cases")
    return KnownCases(
        tuple(item[kept] for item in predicted), told[kept], None if names is None else names[kept]
    )
