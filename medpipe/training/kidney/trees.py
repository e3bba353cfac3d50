"""Boosted trees on the same steps: what a network must beat to be worth its trouble."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.core.errors import MachineError
from medpipe.ehr.bucketing import Floats
from medpipe.models.boosted_trees.model import BoostedTrees
from medpipe.training.kidney.recipe import TreesRecipe
from medpipe.training.kidney.tree_import import trees_of

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


@dataclass(frozen=True, eq=False)
class Forests:
    """Trees that were trained.

    Attributes:
        boosters: A ``lightgbm.Booster`` a horizon; None where the known steps have one outcome alone.
        num_features: F.
    """

    boosters: tuple[Any, ...]
    num_features: int

    def log_odds(self, table: Floats) -> Array:
        """Return ``(N, H)`` of rows ``(N, F)``; 0 where a horizon has no trees."""
        columns = [
            np.zeros(len(table)) if booster is None else booster.predict(table, raw_score=True)
            for booster in self.boosters
        ]
        return np.stack(columns, axis=1).astype(np.float64)

    def module(self) -> BoostedTrees:
        """Return them as tensors, for a package."""
        return trees_of(self.boosters, num_features=self.num_features)


def fit_trees(
    recipe: TreesRecipe, *, train: tuple[Floats, Array], validation: tuple[Floats, Array], seed: int
) -> Forests:
    """Train trees, one set a horizon.

    Args:
        recipe: Of the trees.
        train: ``(N, F)`` rows and ``(N, H)`` outcomes to learn from; NaN outcomes are left out.
        validation: Likewise, to stop by.
        seed: Of the draws.

    Raises:
        MachineError: LightGBM is not installed.
    """
    lightgbm = require_trees()
    boosters: list[Any] = []
    for place in range(train[1].shape[1]):
        parts = [_known(rows, outcomes[:, place]) for rows, outcomes in (train, validation)]
        if any(len(np.unique(outcomes)) < 2 for _, outcomes in parts):
            boosters.append(None)
            continue
        learned, looked_at = (lightgbm.Dataset(rows, outcomes) for rows, outcomes in parts)
        boosters.append(
            lightgbm.train(
                _parameters(recipe, seed),
                learned,
                num_boost_round=recipe.rounds,
                valid_sets=[looked_at],
                callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
            )
        )
    return Forests(tuple(boosters), train[0].shape[1])


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
