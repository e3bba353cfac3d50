"""Trees that LightGBM trained as a module of tensors."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.models.boosted_trees.model import (
    DEFAULT_LEFT,
    LEAF,
    MISSING_NAN,
    MISSING_NONE,
    MISSING_ZERO,
    BoostedTrees,
)

_MISSING: Final = {"None": MISSING_NONE, "Zero": MISSING_ZERO, "NaN": MISSING_NAN}


def trees_of(boosters: Sequence[Any], *, num_features: int) -> BoostedTrees:
    """Return boosted trees of LightGBM as tensors, up to the best round of each.

    Args:
        boosters: A ``lightgbm.Booster`` a forest; None for a forest without trees.
        num_features: Features of a row.

    Raises:
        SettingsError: A tree splits by categories, has linear leaves, or there are several trees a round.
    """
    nodes = _Nodes()
    num_trees = tuple(
        0 if booster is None else _add_forest(nodes, booster.dump_model()) for booster in boosters
    )
    trees = BoostedTrees(num_features, num_trees=num_trees, num_nodes=len(nodes.feature), depth=nodes.depth)
    trees.load_state_dict(nodes.state())
    return trees


class _Nodes:
    """Nodes of all trees, in the order of :class:`BoostedTrees`."""

    def __init__(self) -> None:
        self.feature: list[int] = []
        self.rule: list[int] = []
        self.number: list[float] = []
        self.right: list[int] = []
        self.roots: list[int] = []
        self.depth = 0

    def add_tree(self, root: Mapping[str, Any]) -> None:
        """Add a tree, each left branch right behind its node."""
        self.roots.append(len(self.feature))
        waiting: list[tuple[Mapping[str, Any], int, int]] = [(root, 0, -1)]
        while waiting:
            node, depth, parent = waiting.pop()
            place = len(self.feature)
            if parent >= 0:
                self.right[parent] = place - parent
            self.depth = max(self.depth, depth)
            self._add(node)
            if "split_feature" in node:
                waiting.append((node["right_child"], depth + 1, place))
                waiting.append((node["left_child"], depth + 1, -1))

    def _add(self, node: Mapping[str, Any]) -> None:
        is_leaf = "split_feature" not in node
        if node.get("decision_type", "<=") != "<=" or "leaf_const" in node:
            raise _foreign("splits by categories" if not is_leaf else "linear leaves")
        self.feature.append(LEAF if is_leaf else int(node["split_feature"]))
        self.rule.append(
            0 if is_leaf else _MISSING[node["missing_type"]] + DEFAULT_LEFT * node["default_left"]
        )
        self.number.append(float(node["leaf_value"]) if is_leaf else rounded_down(node["threshold"]))
        self.right.append(0)

    def state(self) -> dict[str, torch.Tensor]:
        """Return the state of the module."""
        return {
            "feature": torch.tensor(self.feature, dtype=torch.int16),
            "rule": torch.tensor(self.rule, dtype=torch.uint8),
            "bits": torch.tensor(self.number, dtype=torch.float32).view(torch.int32),
            "right": torch.tensor(self.right, dtype=torch.int32),
            "roots": torch.tensor(self.roots, dtype=torch.int32),
        }


def rounded_down(threshold: float) -> float:
    """Return the largest float32 not above a threshold: it parts float32 values as the threshold did."""
    with np.errstate(over="ignore"):
        nearest = np.float32(threshold)
    return float(np.nextafter(nearest, np.float32(-np.inf)) if float(nearest) > threshold else nearest)


def _add_forest(nodes: _Nodes, model: Mapping[str, Any]) -> int:
    if model["num_tree_per_iteration"] != 1 or model.get("average_output", False):
        raise _foreign("several trees a round, or averaged ones")
    for tree in model["tree_info"]:
        nodes.add_tree(tree["tree_structure"])
    return len(model["tree_info"])


def _foreign(found: str) -> SettingsError:
    return SettingsError(
        Code.E_SETTINGS,
        "These trees cannot be kept as tensors",
        found=found,
        fix="Train binary trees on numbers.",
    )
