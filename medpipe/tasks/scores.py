"""Scores: targets, loss, and decoding of what a score head gives to findings.

Letters: B cases, S scores, N numbers that the network gives for all of them.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.findings import Laterality, Maker, Measurement, Uncertainty
from medpipe.core.scores import (
    SCORE_LEVEL,
    FittedScore,
    RegressionScore,
    Score,
    ScoreInterval,
    ScoreScale,
)

_METHOD: Final = "conformal"

_LARGEST_LOGARITHM: Final = 700.0
"""Beyond it a double overflows."""


def parse_score(score: Score, value: str | float | None, *, case_id: str) -> float:
    """Return the value of a score in a data set's table; NaN where it is unknown.

    Args:
        score: Which one.
        value: The cell; None or blank where it is empty.
        case_id: For the message.

    Raises:
        RefusedError: It is no number, or none that the score can have (``E_LABEL``); names the case.
    """
    if value is None or not str(value).strip():
        return math.nan
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    fault = score.fault(number) if math.isfinite(number) else "a number"
    if fault:
        raise RefusedError(
            Code.E_LABEL,
            f"Case {case_id}: the score {score.name!r} must be {fault}",
            found=repr(value)[:100],
            fix="Correct the cell, or leave it empty where the value is unknown.",
        )
    return number


def fit_scale(score: Score, values: Iterable[float]) -> ScoreScale:
    """Return mean and spread of what is learned of the values that are trained on.

    They are 0 and 1 for ordinal scores and where there is no value.
    """
    known = np.array([value for value in values if math.isfinite(value)], dtype=float)
    if not isinstance(score, RegressionScore) or not len(known):
        return ScoreScale()
    if score.logarithmic:
        known = np.log(known)
    return ScoreScale(mean=float(known.mean()), spread=float(known.std()) or 1.0)


def fit_interval(predicted: Sequence[float], truth: Sequence[float]) -> ScoreInterval | None:
    """Return the half-width that holds the truth of nine in ten new cases; None where cases are too few.

    Args:
        predicted: Scores of cases that were not trained on.
        truth: Theirs.
    """
    errors = np.sort(np.abs(np.subtract(predicted, truth)))
    rank = math.ceil((len(errors) + 1) * SCORE_LEVEL)
    if rank > len(errors):
        return None
    return ScoreInterval(half_width=float(errors[rank - 1]), num_cases=len(errors))


@dataclass(frozen=True)
class ScoreTask:
    """Numbers of a whole image.

    Attributes:
        scores: Each with its scale.
    """

    scores: tuple[FittedScore, ...]

    def losses(self, outputs: Tensor, truth: Tensor) -> list[Tensor | None]:
        """Return the mean loss of each score over the cases that have it; None where none has.

        Regression: smooth L1 of the error in spreads. Ordinal: cross-entropy of every step between levels.

        Args:
            outputs: ``(B, N)``, what the score head gave.
            truth: ``(B, S)`` in the scores' units, NaN where unknown.
        """
        losses: list[Tensor | None] = []
        for fitted, columns, values in zip(self.scores, self._columns(outputs), truth.T, strict=True):
            known = values.isfinite()
            losses.append(_loss(fitted, columns[known].float(), values[known]) if known.any() else None)
        return losses

    def decode(self, outputs: Tensor) -> tuple[float, ...]:
        """Return the value of each score; inside its bounds, or one of its levels.

        Args:
            outputs: ``(N,)`` of one case.
        """
        columns = self._columns(outputs[None].double().cpu())
        return tuple(_decoded(fitted, column[0]) for fitted, column in zip(self.scores, columns, strict=True))

    def findings(
        self, outputs: Tensor, *, source: str, made_by: Maker, laterality: Laterality | None = None
    ) -> tuple[Measurement, ...]:
        """Return one measurement a score, with its interval where the package knows one.

        Args:
            outputs: ``(N,)`` of one case.
            source: Role of the image.
            made_by: Package.
            laterality: Side that the image shows.
        """
        return tuple(
            Measurement(
                id=f"{made_by.name}/{source}/{fitted.score.name}",
                code=fitted.score.code,
                laterality=laterality,
                source=source,
                made_by=made_by,
                name=fitted.score.code.meaning,
                value=value,
                unit=fitted.score.unit,
                uncertainty=_uncertainty(fitted, value),
            )
            for fitted, value in zip(self.scores, self.decode(outputs), strict=True)
        )

    def _columns(self, outputs: Tensor) -> tuple[Tensor, ...]:
        return torch.split(outputs, [fitted.score.num_outputs for fitted in self.scores], dim=1)


def _loss(fitted: FittedScore, columns: Tensor, values: Tensor) -> Tensor:
    """Return the mean loss of cases that all have the score; ``(K, outputs)`` and ``(K,)``."""
    score, scale = fitted.score, fitted.scale
    if isinstance(score, RegressionScore):
        learned = values.log() if score.logarithmic else values
        return smooth_l1_loss(columns[:, 0], (learned - scale.mean) / scale.spread)
    levels = torch.tensor(score.levels[:-1], device=values.device)
    return binary_cross_entropy_with_logits(columns, (values[:, None] > levels).float())


def _decoded(fitted: FittedScore, column: Tensor) -> float:
    score, scale = fitted.score, fitted.scale
    if isinstance(score, RegressionScore):
        low, high = score.bounds
        value = scale.mean + scale.spread * float(column[0])
        if score.logarithmic:
            value = math.exp(min(value, _LARGEST_LOGARITHM))
        return min(max(value, low), high)
    # The median level: as many steps as are likelier than not.
    return score.levels[int((column > 0).sum())]


def _uncertainty(fitted: FittedScore, value: float) -> Uncertainty | None:
    interval = fitted.interval
    if interval is None:
        return None
    low, high = fitted.score.bounds
    return Uncertainty(
        low=max(value - interval.half_width, low),
        high=min(value + interval.half_width, high),
        level=interval.level,
        method=_METHOD,
    )
