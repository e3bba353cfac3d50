"""Boosted trees: what they learn, and a horizon without both outcomes."""

import numpy as np

from medpipe.metrics.classification import ROC_AUC
from medpipe.training.kidney.recipe import TreesRecipe
from medpipe.training.kidney.trees import tree_scores

RECIPE = TreesRecipe(rounds=30, leaves=4)


def test_threshold_is_learned_where_outcomes_are_known() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(800, 3)).astype(np.float32)
    truth = (rows[:, 1] > 0.5).astype(float)[:, None]
    hidden = truth.copy()
    hidden[::3] = np.nan
    parts = [(rows[place], hidden[place]) for place in (slice(0, 400), slice(400, 600))]
    (scores,) = tree_scores(RECIPE, train=parts[0], validation=parts[1], tables=(rows[600:],), seed=0)
    assert scores.shape == (200, 1)
    assert ROC_AUC.value(scores[:, 0], truth[600:, 0]) > 0.95


def test_horizon_without_both_outcomes_tells_nothing() -> None:
    rows, truth = np.zeros((50, 2), np.float32), np.zeros((50, 1))
    (scores,) = tree_scores(RECIPE, train=(rows, truth), validation=(rows, truth), tables=(rows,), seed=0)
    assert scores.tolist() == [[0.0]] * 50
