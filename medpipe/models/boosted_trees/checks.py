"""Trees that were loaded from somewhere: every path ends at a leaf, and none leads out of the tensors."""

import torch
from torch import Tensor

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError


def check_nodes(
    feature: Tensor, numbers: Tensor, right: Tensor, roots: Tensor, *, num_features: int, depth: int
) -> None:
    """Refuse nodes that are no trees.

    Args:
        feature: ``(M,)`` of each node; below 0 for a leaf.
        numbers: ``(M,)`` thresholds, and values of leaves.
        right: ``(M,)`` nodes between a node and its right branch.
        roots: ``(R,)`` first node of each tree.
        num_features: Features of a row.
        depth: Steps that are taken from each root.

    Raises:
        SettingsError: A feature, root or branch does not exist, a leaf has no number, or a leaf lies deeper.
    """
    num_nodes = len(feature)
    is_inner = feature >= 0
    targets = right.long() + torch.arange(num_nodes, device=right.device)
    wrong = {
        "a feature that rows do not have": (feature >= num_features) | (feature < -1),
        "a branch that leads nowhere": is_inner & ((right < 2) | (targets >= num_nodes)),
        "a leaf without a number": ~is_inner & ~numbers.isfinite(),
        "a root that is no node": (roots < 0) | (roots >= num_nodes),
    }
    for found, is_wrong in wrong.items():
        if is_wrong.any():
            raise _no_trees(found)
    reached = torch.zeros(num_nodes, dtype=torch.bool, device=right.device)
    reached[roots.long()] = True
    for _ in range(depth):
        inner = torch.nonzero(reached & is_inner)[:, 0]
        reached = torch.zeros_like(reached)
        reached[inner + 1], reached[targets[inner]] = True, True
    if (reached & is_inner).any():
        raise _no_trees(f"a leaf that lies deeper than {depth} steps")


def _no_trees(found: str) -> SettingsError:
    return SettingsError(
        Code.E_PACKAGE, "The boosted trees cannot be walked", found=found, fix="Make the package again."
    )
