"""Scores of cases: read from their tables, checked, and measured for the scale of the network's output."""

from collections.abc import Iterable, Mapping, Sequence

import torch

from medpipe.core.scores import FittedScore, Score
from medpipe.data.cases import SegmentationCase
from medpipe.tasks.scores import fit_scale, parse_score


def score_values(scores: Sequence[Score], cases: Iterable[SegmentationCase]) -> dict[str, torch.Tensor]:
    """Return the scores ``(S,)`` float32 of each case by its id, NaN where unknown.

    Raises:
        RefusedError: A value is none that the score can have; names the case.
    """
    return {
        case.id: torch.tensor(
            [parse_score(score, case.facts.get(score.name), case_id=case.id) for score in scores]
        )
        for case in cases
    }


def fit_scores(scores: Sequence[Score], train: Mapping[str, torch.Tensor]) -> tuple[FittedScore, ...]:
    """Return scores with the scale of the values that are trained on."""
    return tuple(
        FittedScore(score=score, scale=fit_scale(score, [float(values[number]) for values in train.values()]))
        for number, score in enumerate(scores)
    )
