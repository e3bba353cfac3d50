"""Several AKI networks, and boosted trees beside them: what a package of kidney injury holds.

Letters: S networks, B stays, T steps, H horizons, L labs, F features of a row.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError, ShapeError
from medpipe.core.stay_batch import StayBatch
from medpipe.models.aki_rnn.model import AkiOutput, AkiRnn
from medpipe.models.boosted_trees.model import BoostedTrees
from medpipe.models.checks import check_argument
from medpipe.models.registry import build_network


class EnsembleOutput(NamedTuple):
    """What an ensemble returns; past the end of a stay the numbers mean nothing.

    Attributes:
        risk_logits: ``(S, B, T, H)`` float32, of each network.
        lab_maxima: ``(B, T, H, L)`` float32, the networks' mean, in the labs' spreads; None without labs.
        tree_logits: ``(B, T, H)`` float32; None without trees.
    """

    risk_logits: Tensor
    lab_maxima: Tensor | None
    tree_logits: Tensor | None

    def merged(self, tree_weight: float) -> Tensor:
        """Return ``(S, B, T, H)`` log-odds of each network, merged with those of the trees.

        Args:
            tree_weight: Share of the trees, 0 to 1.
        """
        if self.tree_logits is None:
            return self.risk_logits
        return (1.0 - tree_weight) * self.risk_logits + tree_weight * self.tree_logits


class AkiEnsemble(nn.Module):
    """Networks of the same arguments, which read stays, and trees, which read the same steps as rows.

    Args:
        num_networks: S, 1 or more.
        network: Arguments of each :class:`~medpipe.models.aki_rnn.model.AkiRnn`.
        trees: Arguments of :class:`~medpipe.models.boosted_trees.model.BoostedTrees`, a forest a horizon;
            None for none.

    Raises:
        SettingsError: An argument is not valid; it is named.
    """

    def __init__(
        self, num_networks: int, *, network: dict[str, Any], trees: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        check_argument(
            "AKI ensemble", "num_networks", num_networks, holds=num_networks >= 1, expected="1 or more"
        )
        self.networks = nn.ModuleList(build_network("aki-rnn", network) for _ in range(num_networks))
        self.trees: BoostedTrees | None = None
        if trees is not None:
            built = build_network("boosted-trees", trees)
            assert isinstance(built, BoostedTrees)
            self._check_horizons(built)
            self.trees = built

    @property
    def members(self) -> tuple[AkiRnn, ...]:
        """The networks."""
        return tuple(network for network in self.networks if isinstance(network, AkiRnn))

    def forward(self, batch: StayBatch, rows: Tensor | None = None) -> EnsembleOutput:
        """Forecast at every step of whole stays.

        Args:
            batch: As the networks take it.
            rows: ``(B, T, F)`` as the trees take them, NaN where not known; None where there are no trees.

        Raises:
            ShapeError: Batch or rows do not fit.
        """
        outputs: list[AkiOutput] = [network(batch) for network in self.networks]
        maxima = [output.lab_maxima for output in outputs if output.lab_maxima is not None]
        return EnsembleOutput(
            risk_logits=torch.stack([output.risk_logits for output in outputs]),
            lab_maxima=torch.stack(maxima).mean(dim=0) if maxima else None,
            tree_logits=self._tree_logits(batch, rows),
        )

    def _tree_logits(self, batch: StayBatch, rows: Tensor | None) -> Tensor | None:
        if self.trees is None:
            return None
        steps = tuple(batch.presence.shape[:2])
        if rows is None or tuple(rows.shape[:2]) != steps:
            found = "none" if rows is None else f"{tuple(rows.shape)}"
            raise ShapeError(f"Rows of the trees must be {steps} and features", found=found)
        logits: Tensor = self.trees(rows.flatten(0, 1))
        return logits.view(*steps, -1)

    def _check_horizons(self, trees: BoostedTrees) -> None:
        num_horizons = self.members[0].num_horizons
        if len(trees.num_trees) != num_horizons:
            raise SettingsError(
                Code.E_SETTINGS,
                f"num_trees of the trees must be {num_horizons} numbers, one a horizon of the networks",
                found=f"{len(trees.num_trees)}",
            )
