"""How well a classifier tells cases that have a finding from those that do not.

Shapes: ``N`` cases, ``L`` labels, ``R`` resamples.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError
from medpipe.metrics.bootstrap import Values
from medpipe.metrics.metric import Metric, known_cases

CLIP: Final = 1e-15
"""Probabilities are kept this far from 0 and 1 before a logarithm is taken, as in the RSNA 2019 challenge."""

NUM_BINS: Final = 10


def weighted_log_loss(weights: Sequence[float]) -> Metric:
    """Return the log loss over cases and labels, ``(N, L)``, each label with its weight.

    Args:
        weights: ``(L,)``; ``(2, 1, 1, 1, 1, 1)`` with "any" first is that of the RSNA 2019 challenge.

    Source:
        Evaluation of the RSNA Intracranial Hemorrhage Detection challenge 2019: the mean over all cases and
        labels, "any" counted twice. An unknown truth leaves out its label of its case alone.
    """
    of_label = np.asarray(weights, dtype=float)

    def counted(probs: Values, truth: Values, counts: Values) -> Values:
        if probs.shape[1:] != of_label.shape:
            raise ShapeError(
                "A log loss over labels needs a weight for each",
                found=f"{len(of_label)} weights, {probs.shape[1]} labels",
            )
        weight = np.where(np.isnan(truth), 0.0, of_label)
        losses = _log_losses(probs, np.nan_to_num(truth))
        return _ratio(counts @ (weight * losses).sum(axis=1), counts @ weight.sum(axis=1))

    return Metric("weighted_log_loss", counted, over_labels=True)


def sensitivity(threshold: float) -> Metric:
    """Return the share of the positive that reach a threshold."""
    return Metric(
        f"sensitivity at {threshold:g}",
        lambda scores, truth, counts: _ratio(counts @ (truth * (scores >= threshold)), counts @ truth),
        of_probabilities=False,
    )


def specificity(threshold: float) -> Metric:
    """Return the share of the negative that stay below a threshold."""
    return Metric(
        f"specificity at {threshold:g}",
        lambda scores, truth, counts: _ratio(
            counts @ ((1 - truth) * (scores < threshold)), counts @ (1 - truth)
        ),
        of_probabilities=False,
    )


def calibration_error(num_bins: int = NUM_BINS) -> Metric:
    """Return the expected calibration error: how far shares of the positive lie from mean probabilities.

    Args:
        num_bins: Bins of equal width in [0, 1], each weighed by its cases.

    Source:
        Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3. It is never below 0, so of
        few cases it is too high, and so is its interval.
    """

    def counted(probs: Values, truth: Values, counts: Values) -> Values:
        inside = bin_of(probs, num_bins)[:, None] == np.arange(num_bins)
        gaps = counts @ (inside * (truth - probs)[:, None])
        return _ratio(np.abs(gaps).sum(axis=1), counts.sum(axis=1))

    return Metric("calibration_error", counted)


def youden_threshold(scores: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the threshold of the largest sensitivity + specificity - 1.

    Args:
        scores: ``(N,)``; a case is called positive where its score reaches the threshold.
        truth: ``(N,)`` 0, 1 or NaN, which is left out.

    Returns:
        Halfway between the lowest score called positive and the next below it; of several that are as good,
        the lowest, which misses least. The lowest score of all where calling every case positive is best.

    Raises:
        ShapeError: Shapes differ, or there are not cases of both classes.

    Source:
        Youden 1950, "Index for rating diagnostic tests".
    """
    cases = known_cases(scores, truth=truth)
    num_positive = int(cases.truth.sum())
    if not 0 < num_positive < len(cases.truth):
        raise ShapeError(
            "A threshold is chosen from cases of both classes",
            found=f"{num_positive} positive among {len(cases.truth)}",
        )
    levels, place = np.unique(cases.scores[0], return_inverse=True)
    positive = np.bincount(place, cases.truth)
    negative = np.bincount(place, 1 - cases.truth)
    missed = np.cumsum(positive) - positive  # by a threshold at each level
    spared = np.cumsum(negative) - negative
    # Whole numbers decide, so that equal indices are seen as equal.
    index = spared * positive.sum() - missed * negative.sum()
    best = int(np.argmax(index))
    return float(levels[0] if best == 0 else (levels[best - 1] + levels[best]) / 2)


def bin_of(probs: Values, num_bins: int) -> npt.NDArray[np.int64]:
    """Return the bin of equal width that each probability lies in; 1 lies in the last."""
    return np.minimum((probs * num_bins).astype(np.int64), num_bins - 1)


def _roc_auc(scores: Values, truth: Values, counts: Values) -> Values:
    positive, negative = counts_by_score(scores, truth, counts)
    below = np.cumsum(negative, axis=1) - negative
    ordered = (positive * (below + negative / 2)).sum(axis=1)
    return _ratio(ordered, positive.sum(axis=1) * negative.sum(axis=1))


def _average_precision(scores: Values, truth: Values, counts: Values) -> Values:
    positive, negative = (part[:, ::-1] for part in counts_by_score(scores, truth, counts))
    found = np.cumsum(positive, axis=1)
    called = found + np.cumsum(negative, axis=1)
    precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
    return _ratio((positive * precision).sum(axis=1), positive.sum(axis=1))


def counts_by_score(scores: Values, truth: Values, counts: Values) -> tuple[Values, Values]:
    """Return counts of the positive and the negative, ``(R, levels)``, at each different score, ascending."""
    order = np.argsort(scores, kind="stable")
    ascending = scores[order]
    starts = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1]))
    ordered = counts[:, order]
    is_positive = truth[order]
    positive = np.add.reduceat(ordered * is_positive, starts, axis=1)
    negative = np.add.reduceat(ordered * (1 - is_positive), starts, axis=1)
    return positive, negative


def _log_losses(probs: Values, truth: Values) -> Values:
    clipped = probs.clip(CLIP, 1 - CLIP)
    return np.asarray(-(truth * np.log(clipped) + (1 - truth) * np.log1p(-clipped)))


def _mean(losses: Values, counts: Values) -> Values:
    return _ratio(counts @ losses, counts.sum(axis=1))


def _ratio(parts: Values, wholes: Values) -> Values:
    return np.asarray(np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0))


ROC_AUC: Final = Metric("roc_auc", _roc_auc, of_probabilities=False)
"""Chance that a positive case scores above a negative one; ties count half."""

AVERAGE_PRECISION: Final = Metric("average_precision", _average_precision, of_probabilities=False)
"""Precision at each positive case, averaged; of equal scores, the precision once all are called."""

LOG_LOSS: Final = Metric("log_loss", lambda probs, truth, counts: _mean(_log_losses(probs, truth), counts))
"""Mean negative logarithm of the probability given to what was true; probabilities clipped at 1e-15."""

BRIER_SCORE: Final = Metric("brier_score", lambda probs, truth, counts: _mean((probs - truth) ** 2, counts))
"""Mean squared difference of probability and truth."""
