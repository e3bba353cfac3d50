"""The ensemble: what its members say, side by side, and merged with trees."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.models.aki_rnn.ensemble import AkiEnsemble
from medpipe.models.registry import build_network

from .conftest import NUM_CODES, NUM_EXTREMES, NUM_STATICS, NUM_VARIABLES, only_stay, random_stays

NETWORK = {
    **{"num_variables": NUM_VARIABLES, "num_statics": NUM_STATICS, "num_extremes": NUM_EXTREMES},
    **{"num_codes": NUM_CODES, "num_horizons": 2, "num_labs": 1, "embedding": 6, "hidden": 5, "layers": 1},
}
TREES = {"num_features": 3, "num_trees": [1, 1], "num_nodes": 2, "depth": 0}


def build(**arguments: Any) -> AkiEnsemble:
    torch.manual_seed(0)
    network = build_network("aki-ensemble", {"num_networks": 3, "network": NETWORK, **arguments})
    assert isinstance(network, AkiEnsemble)
    return network.eval()


def test_members_stand_side_by_side_and_maxima_are_their_mean() -> None:
    ensemble, batch = build(), random_stays([4, 2])
    output = ensemble(batch)
    assert output.risk_logits.shape == (3, 2, 4, 2)
    alone = [network(batch) for network in ensemble.members]
    assert_close(output.risk_logits[1], alone[1].risk_logits)
    assert_close(output.lab_maxima, sum(item.lab_maxima for item in alone) / 3)
    assert output.tree_logits is None
    assert_close(output.merged(0.5), output.risk_logits)


def test_trees_are_merged_by_their_weight() -> None:
    ensemble, batch = build(trees=TREES), random_stays([4, 2])
    assert ensemble.trees is not None
    ensemble.trees.bits.copy_(torch.tensor([1.0, -2.0]).view(torch.int32))
    output = ensemble(batch, torch.zeros(2, 4, 3))
    assert output.tree_logits[0, 0].tolist() == [1, -2]
    assert_close(
        output.merged(0.25)[2, 1, 1], 0.75 * output.risk_logits[2, 1, 1] + torch.tensor([0.25, -0.5])
    )


def test_stays_do_not_look_at_each_other() -> None:
    ensemble, batch = build(), random_stays([4, 2])
    assert_close(ensemble(only_stay(batch, 1)).risk_logits[:, 0], ensemble(batch).risk_logits[:, 1, :2])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SettingsError, match="one a horizon"):
        build(trees={**TREES, "num_trees": [2]})
    with pytest.raises(SettingsError, match="num_networks"):
        build(num_networks=0)
    with pytest.raises(SettingsError, match="num_horizon"):
        build(network={**NETWORK, "num_horizon": 3})
    with pytest.raises(ShapeError, match="none"):
        build(trees=TREES)(random_stays([2]))
