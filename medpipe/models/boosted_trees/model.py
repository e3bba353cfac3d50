"""Boosted trees as tensors of whole numbers: rounding weights to float16 leaves every decision as it was.

Letters: N rows, F features, H forests, M nodes of all trees, R trees of all forests.
"""

from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from medpipe.core.errors import ShapeError
from medpipe.models.boosted_trees.checks import check_nodes
from medpipe.models.checks import check_argument

MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2
"""What a node takes as missing: nothing, with NaN as 0; zero, with NaN as 0; NaN."""

DEFAULT_LEFT: Final = 4
"""Added to one of those where what is missing goes left."""

LEAF: Final = -1
"""In place of the feature of a node that is a leaf."""

_ZERO: Final = 1e-35
"""Numbers as small as this are zero to LightGBM."""

_NUMBERS_AT_ONCE: Final = 2**22


class BoostedTrees(nn.Module):
    """Forests whose trees each add a number to the log-odds of a row.

    The nodes of a tree follow each other, a node's left branch right behind it. Thresholds and the values of
    leaves are kept as the bits of float32: packages round floating numbers to float16, and not these.

    Args:
        num_features: F.
        num_trees: Trees of each of the H forests; a forest may have none, and says 0.
        num_nodes: M, leaves included.
        depth: Steps from a root to the deepest leaf.

    Raises:
        SettingsError: An argument is out of range; it is named.

    Source:
        Decisions as in LightGBM 4 (``Tree::NumericalDecision``).
    """

    feature: Tensor
    rule: Tensor
    bits: Tensor
    right: Tensor
    roots: Tensor

    def __init__(self, num_features: int, *, num_trees: tuple[int, ...], num_nodes: int, depth: int) -> None:
        super().__init__()
        most = torch.iinfo(torch.int16).max
        _check("num_features", num_features, holds=1 <= num_features <= most, expected=f"1 to {most}")
        is_forest = len(num_trees) > 0 and min(num_trees) >= 0
        _check("num_trees", list(num_trees), holds=is_forest, expected="one or more numbers, 0 or above")
        least = sum(num_trees)
        _check("num_nodes", num_nodes, holds=least <= num_nodes < 2**31, expected=f"{least} to 2147483647")
        _check("depth", depth, holds=0 <= depth <= num_nodes, expected=f"0 to {num_nodes}")
        self.num_features = num_features
        self.num_trees = tuple(num_trees)
        self.depth = depth
        self.register_buffer("feature", torch.full((num_nodes,), LEAF, dtype=torch.int16))
        self.register_buffer("rule", torch.zeros(num_nodes, dtype=torch.uint8))
        self.register_buffer("bits", torch.zeros(num_nodes, dtype=torch.int32))
        self.register_buffer("right", torch.zeros(num_nodes, dtype=torch.int32))
        self.register_buffer("roots", torch.arange(sum(num_trees), dtype=torch.int32))
        self.register_load_state_dict_post_hook(_check_loaded)  # type: ignore[no-untyped-call]  # of torch

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that build trees of this size, as plain data."""
        return {
            "num_features": self.num_features,
            "num_trees": list(self.num_trees),
            "num_nodes": len(self.feature),
            "depth": self.depth,
        }

    @torch.no_grad()
    def forward(self, rows: Tensor) -> Tensor:
        """Return ``(N, H)`` float32 log-odds.

        Args:
            rows: ``(N, F)`` float32, NaN where not known.

        Raises:
            ShapeError: Rows are of another shape.
        """
        if rows.ndim != 2 or rows.shape[1] != self.num_features:
            raise ShapeError(f"Rows must be (N, {self.num_features})", found=f"{tuple(rows.shape)}")
        size = max(1, _NUMBERS_AT_ONCE // max(1, len(self.feature)))
        return torch.cat([self._log_odds(part) for part in torch.split(rows.float(), size)])

    def _log_odds(self, rows: Tensor) -> Tensor:
        node = self.roots.long().expand(len(rows), -1)
        steps = self._steps(rows)
        for _ in range(self.depth):
            node = node + steps.gather(1, node)
        values = self.bits.view(torch.float32)[node].double()
        forests = torch.split(values, list(self.num_trees), dim=1)
        return torch.stack([trees.sum(dim=1) for trees in forests], dim=1).float()

    def _steps(self, rows: Tensor) -> Tensor:
        """Return ``(N, M)``: how many nodes further each row goes from each node; 0 from a leaf."""
        values = rows[:, self.feature.clamp_min(0).long()]
        kind = self.rule & (DEFAULT_LEFT - 1)
        takes_nan, takes_zero = kind == MISSING_NAN, kind == MISSING_ZERO
        is_nan = values.isnan()
        values = values.masked_fill(is_nan, 0.0)
        is_missing = (is_nan & takes_nan) | ((values.abs() <= _ZERO) & takes_zero)
        goes_left = torch.where(
            is_missing, (self.rule & DEFAULT_LEFT) > 0, values <= self.bits.view(torch.float32)
        )
        steps = torch.where(goes_left, 1, self.right)
        return steps.masked_fill_(self.feature == LEAF, 0)


def _check_loaded(trees: nn.Module, _: Any) -> None:
    assert isinstance(trees, BoostedTrees)
    check_nodes(
        trees.feature,
        trees.bits.view(torch.float32),
        trees.right,
        trees.roots,
        num_features=trees.num_features,
        depth=trees.depth,
    )


_check = partial(check_argument, "boosted trees")
