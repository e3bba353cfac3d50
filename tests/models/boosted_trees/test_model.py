"""Boosted trees: a tree by hand, and nodes that are no trees."""

import pytest
import torch
from torch import Tensor

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.models.boosted_trees.model import DEFAULT_LEFT, MISSING_NAN, BoostedTrees
from medpipe.models.registry import build_network

nan = torch.nan


def state_of(**changes: Tensor) -> dict[str, Tensor]:
    """Return two trees: ``x1 <= 2 ? (x0 <= -1 ? 10 : 20) : 30`` with NaN of x1 to the left, and 0.5."""
    numbers = torch.tensor([2.0, -1.0, 10.0, 20.0, 30.0, 0.5])
    return {
        "feature": torch.tensor([1, 0, -1, -1, -1, -1], dtype=torch.int16),
        "rule": torch.tensor([MISSING_NAN + DEFAULT_LEFT, MISSING_NAN, 0, 0, 0, 0], dtype=torch.uint8),
        "bits": numbers.view(torch.int32),
        "right": torch.tensor([4, 2, 0, 0, 0, 0], dtype=torch.int32),
        "roots": torch.tensor([0, 5], dtype=torch.int32),
        **changes,
    }


def build(*, depth: int = 2, num_trees: tuple[int, ...] = (2, 0)) -> BoostedTrees:
    trees = build_network(
        "boosted-trees", {"num_features": 2, "num_trees": list(num_trees), "num_nodes": 6, "depth": depth}
    )
    assert isinstance(trees, BoostedTrees)
    return trees


def test_rows_fall_as_by_hand() -> None:
    trees = build()
    trees.load_state_dict(state_of())
    rows = torch.tensor([[-1.0, 2.0], [-0.9, 2.0], [-5.0, 2.1], [nan, 0.0], [-5.0, nan]])
    assert trees(rows).tolist() == [[10.5, 0], [20.5, 0], [30.5, 0], [20.5, 0], [10.5, 0]]


def test_half_precision_moves_no_threshold() -> None:
    trees = build()
    threshold = torch.tensor([2.0001, -1.0, 10.0, 20.0, 30.0, 0.5]).view(torch.int32)
    trees.load_state_dict(state_of(bits=threshold))
    assert trees.half()(torch.tensor([[-2.0, 2.0001], [-2.0, 2.0002]]))[:, 0].tolist() == [10.5, 30.5]


def test_one_forest_a_column() -> None:
    trees = build(num_trees=(1, 1))
    trees.load_state_dict(state_of())
    assert trees(torch.tensor([[0.0, 0.0]])).tolist() == [[20.0, 0.5]]
    assert trees(torch.zeros(0, 2)).shape == (0, 2)


@pytest.mark.parametrize(
    ("changes", "depth", "message"),
    [
        ({"feature": torch.tensor([2, 0, -1, -1, -1, -1], dtype=torch.int16)}, 2, "feature"),
        ({"right": torch.tensor([4, 99, 0, 0, 0, 0], dtype=torch.int32)}, 2, "leads nowhere"),
        ({"right": torch.tensor([4, -1, 0, 0, 0, 0], dtype=torch.int32)}, 2, "leads nowhere"),
        ({"roots": torch.tensor([0, 6], dtype=torch.int32)}, 2, "root"),
        ({"bits": torch.full((6,), nan).view(torch.int32)}, 2, "without a number"),
        ({}, 1, "deeper than 1 steps"),
    ],
)
def test_what_is_no_tree_is_refused(changes: dict[str, Tensor], depth: int, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build(depth=depth).load_state_dict(state_of(**changes))


def test_rows_of_other_features_are_refused() -> None:
    with pytest.raises(ShapeError, match="2"):
        build()(torch.zeros(4, 3))
