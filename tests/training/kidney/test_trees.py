"""Boosted trees: what they learn, and a horizon without both outcomes."""

import numpy as np
import torch

from medpipe.metrics.classification import ROC_AUC
from medpipe.training.kidney.recipe import TreesRecipe
from medpipe.training.kidney.trees import fit_trees

RECIPE = TreesRecipe(rounds=30, leaves=4)


def test_threshold_is_learned_where_outcomes_are_known() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(800, 3)).astype(np.float32)
    truth = (rows[:, 1] > 0.5).astype(float)[:, None]
    hidden = truth.copy()
    hidden[::3] = np.nan
    parts = [(rows[place], hidden[place]) for place in (slice(0, 400), slice(400, 600))]
    forests = fit_trees(RECIPE, train=parts[0], validation=parts[1], seed=0)
    scores = forests.log_odds(rows[600:])
    shipped = forests.module()(torch.from_numpy(rows[600:])).numpy()
    np.testing.assert_allclose(shipped, scores, atol=1e-5)
    assert scores.shape == (200, 1)
    assert ROC_AUC.value(scores[:, 0], truth[600:, 0]) > 0.95


def test_horizon_without_both_outcomes_tells_nothing() -> None:
    rows, truth = np.zeros((50, 2), np.float32), np.zeros((50, 1))
    forests = fit_trees(RECIPE, train=(rows, truth), validation=(rows, truth), seed=0)
    assert forests.log_odds(rows).tolist() == [[0.0]] * 50
    assert forests.module()(torch.from_numpy(rows)).tolist() == [[0.0]] * 50
