"""Merging trees and networks: the weight that tells best what came, on patients that neither learned from.

Letters: S networks, N steps, H horizons.
"""

from typing import Final, NamedTuple

from medpipe.core.affine import Array
from medpipe.training.kidney.module import MONITOR, mean_figures

GRID: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of the trees that are tried: few, as many would be fitted to the validation part."""


class TreeWeight(NamedTuple):
    """The weight of the trees' log-odds, and what each was worth.

    Attributes:
        weight: 0 to 1; the rest is the networks'.
        areas: Mean area under the ROC curve over the horizons, of the validation part, by weight.
    """

    weight: float
    areas: dict[float, float]


def merged(logits: Array, trees: Array | None, weight: float) -> Array:
    """Return ``(S, N, H)`` merged log-odds.

    Args:
        logits: ``(S, N, H)`` of the networks.
        trees: ``(N, H)``; None where there are none.
        weight: Of the trees.
    """
    return logits if trees is None else (1.0 - weight) * logits + weight * trees


def choose_weight(logits: Array, trees: Array | None, truth: Array) -> TreeWeight:
    """Return the weight with the largest mean area under the ROC curve; of equals the one nearest to 1/2.

    Args:
        logits: ``(S, N, H)`` of the networks on the validation part.
        trees: ``(N, H)``; None where there are none, which are not weighed.
        truth: ``(N, H)``; NaN where unknown.
    """
    if trees is None:
        return TreeWeight(0.0, {})
    areas = {
        weight: mean_figures(merged(logits, trees, weight).mean(axis=0), truth)[MONITOR] for weight in GRID
    }
    best = max(GRID, key=lambda weight: (areas[weight], -abs(weight - 0.5)))
    return TreeWeight(best, areas)
