"""Boosted trees on the same steps: what a network must beat to be worth its trouble."""

from typing import Any

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.core.errors import MachineError
from medpipe.ehr.bucketing import Floats
from medpipe.training.kidney.recipe import TreesRecipe

_PATIENCE = 40
_LEAST_LEAF = 40


def require_trees() -> Any:
    """Return the library of the trees.

    Raises:
        MachineError: It is not installed (``E_DEVICE``).
    """
    try:
        import lightgbm
    except ImportError as error:
        raise MachineError(
            Code.E_DEVICE,
            "Boosted trees need LightGBM",
            found="no package lightgbm",
            fix="Install medpipe[ehr], or set trees to null in the recipe.",
        ) from error
    return lightgbm


def tree_scores(
    recipe: TreesRecipe,
    *,
    train: tuple[Floats, Array],
    validation: tuple[Floats, Array],
    tables: tuple[Floats, ...],
    seed: int,
) -> tuple[Array, ...]:
    """Return ``(N, H)`` the log-odds of each table's rows, by one set of trees a horizon.

    Args:
        recipe: Of the trees.
        train: ``(N, F)`` rows and ``(N, H)`` outcomes to learn from; NaN outcomes are left out.
        validation: Likewise, to stop by.
        tables: Rows that are judged.
        seed: Of the draws.

    Raises:
        MachineError: LightGBM is not installed.
    """
    lightgbm = require_trees()
    columns = []
    for place in range(train[1].shape[1]):
        parts = [_known(rows, outcomes[:, place]) for rows, outcomes in (train, validation)]
        if any(len(np.unique(outcomes)) < 2 for _, outcomes in parts):
            columns.append(tuple(np.zeros(len(table)) for table in tables))
            continue
        learned, looked_at = (lightgbm.Dataset(rows, outcomes) for rows, outcomes in parts)
        model = lightgbm.train(
            _parameters(recipe, seed),
            learned,
            num_boost_round=recipe.rounds,
            valid_sets=[looked_at],
            callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
        )
        columns.append(tuple(model.predict(table, raw_score=True) for table in tables))
    return tuple(np.stack(column, axis=1) for column in zip(*columns, strict=True))


def _parameters(recipe: TreesRecipe, seed: int) -> dict[str, Any]:
    return {
        "objective": "binary",
        "metric": "auc",
        "num_leaves": recipe.leaves,
        "learning_rate": recipe.learning_rate,
        "min_data_in_leaf": _LEAST_LEAF,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "feature_fraction": 0.5,
        "lambda_l2": 1.0,
        "seed": seed,
        "deterministic": True,
        "num_threads": 1,
        "verbosity": -1,
    }


def _known(rows: Floats, outcomes: Array) -> tuple[Floats, Array]:
    known = np.isfinite(outcomes)
    return rows[known], outcomes[known]
