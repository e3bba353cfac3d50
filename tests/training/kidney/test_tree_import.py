"""Trees of LightGBM as tensors say what LightGBM says, to the last split."""

from typing import Any

import lightgbm
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import SettingsError
from medpipe.training.kidney.tree_import import rounded_down, trees_of

Floats = np.ndarray[Any, np.dtype[np.float32]]
NUM_FEATURES = 6


def rows_of(seed: int, number: int = 3000) -> Floats:
    """Return rows of rounded numbers, many of them on thresholds, with NaN and zeros."""
    rng = np.random.default_rng(seed)
    rows = np.round(rng.normal(scale=[0.1, 1, 10, 1000, 1, 1e-3], size=(number, NUM_FEATURES)), 2)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[rng.random(rows.shape) < 0.1] = 0.0
    return rows.astype(np.float32)


def booster_of(rows: Floats, **changes: Any) -> lightgbm.Booster:
    rng = np.random.default_rng(0)
    odds = np.nan_to_num(rows[:, 1]) + np.isnan(rows[:, 2]) - (np.nan_to_num(rows[:, 3]) > 500)
    truth = rng.random(len(rows)) < 1 / (1 + np.exp(-odds))
    parameters = {"objective": "binary", "num_leaves": 31, "verbosity": -1, "num_threads": 1, "seed": 0}
    return lightgbm.train({**parameters, **changes}, lightgbm.Dataset(rows, truth), 40)


@pytest.mark.parametrize(
    "changes",
    [{}, {"zero_as_missing": True}, {"use_missing": False}, {"min_data_in_leaf": 1, "num_leaves": 200}],
    ids=["nan", "zero", "none", "deep"],
)
def test_scores_are_those_of_lightgbm(changes: dict[str, Any]) -> None:
    booster = booster_of(rows_of(1), **changes)
    trees = trees_of([booster, None, booster], num_features=NUM_FEATURES)
    rows = rows_of(2)
    # What no training row had: infinities, and numbers on either side of the width of LightGBM's zero.
    rows[:6, 1] = [np.inf, -np.inf, 1e-36, -1e-36, 2e-35, 3e38]
    expected = booster.predict(rows, raw_score=True)
    found = trees(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
    np.testing.assert_array_equal(found[:, 2], found[:, 0])
    assert not found[:, 1].any()


def test_missing_values_of_features_that_never_lacked_them_go_where_lightgbm_sends_them() -> None:
    booster = booster_of(np.nan_to_num(rows_of(1)))
    rows = rows_of(2)
    found = trees_of([booster], num_features=NUM_FEATURES)(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(found[:, 0], booster.predict(rows, raw_score=True), atol=1e-5)


def test_trees_stop_at_the_best_round() -> None:
    booster = booster_of(rows_of(1))
    booster.best_iteration = 3
    trees = trees_of([booster], num_features=NUM_FEATURES)
    assert trees.num_trees == (3,)
    rows = rows_of(2)
    found = trees(torch.from_numpy(rows)).numpy()[:, 0]
    np.testing.assert_allclose(found, booster.predict(rows, raw_score=True), atol=1e-5)


@given(st.floats(allow_nan=False))
def test_rounded_thresholds_part_float32_as_before(threshold: float) -> None:
    rounded = np.float32(rounded_down(threshold))
    assert float(rounded) <= threshold
    with np.errstate(over="ignore"):
        above = np.nextafter(rounded, np.float32(np.inf))
    assert float(above) > threshold or rounded == np.inf


def test_splits_by_categories_are_refused() -> None:
    rows = np.random.default_rng(0).integers(0, 5, (500, 2)).astype(float)
    data = lightgbm.Dataset(rows, rows[:, 0] % 2, categorical_feature=[0])
    booster = lightgbm.train({"objective": "binary", "verbosity": -1, "min_data_per_group": 1}, data, 3)
    with pytest.raises(SettingsError, match="categories"):
        trees_of([booster], num_features=2)
