from math import inf, nan, sqrt

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.models.aki_rnn.embedding import LookupSum, StepEmbedding

from .conftest import NUM_CODES, build, random_stays


def lookup() -> LookupSum:
    table = LookupSum(3, 2, num_active=3)
    table.vectors.data = torch.tensor([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    return table


def test_vectors_are_summed_by_their_amounts() -> None:
    assert lookup()(torch.tensor([1.0, 0.0, 0.5])).tolist() == [51.0, 102.0]


def test_codes_of_a_step_are_summed_and_none_is_zero() -> None:
    summed = lookup().of_codes(torch.tensor([0, 0, 2, 1]), torch.tensor([[3, 0], [0, 1]]))
    assert summed.tolist() == [[[102.0, 204.0], [0.0, 0.0]], [[0.0, 0.0], [10.0, 20.0]]]


def test_new_vectors_lie_within_the_bound() -> None:
    torch.manual_seed(0)
    vectors = LookupSum(500, 20, num_active=4).vectors
    bound = sqrt(6 / 24)
    assert 0.98 * bound < vectors.abs().max().item() <= bound


def test_vectors_from_elsewhere_replace_those_that_are_known() -> None:
    table = lookup()
    table.start_from(torch.tensor([[7.0, 8.0], [nan, 0.0], [9.0, 9.0]], dtype=torch.float64))
    assert table.vectors.tolist() == [[7.0, 8.0], [10.0, 20.0], [9.0, 9.0]]
    assert table.vectors.requires_grad
    with pytest.raises(ShapeError, match=r"must be \(3, 2\): found \(2, 3\)"):
        table.start_from(torch.zeros(2, 3))


def test_a_network_takes_vectors_of_its_codes() -> None:
    network = build()
    vectors = torch.arange(6.0 * NUM_CODES).reshape(NUM_CODES, 6)
    network.start_codes_from(vectors)
    assert_close(network.embedding.of("codes").lookup.vectors.data, vectors)
    with pytest.raises(SettingsError, match="without codes"):
        build(codes=False).start_codes_from(vectors)


def test_freshness_falls_with_the_hours_since() -> None:
    embedding = StepEmbedding(1, num_extremes=0, num_statics=0, num_codes=0, width=1, highway_layers=0)
    freshness = embedding.of("freshness")
    freshness.deepen = nn.Sequential()
    nn.init.ones_(freshness.lookup.vectors)
    batch = random_stays([4], codes=False)._replace(
        presence=torch.tensor([1, 0, 0, 0]).reshape(1, 4, 1),
        values=torch.zeros(1, 4, 1),
        time_since_h=torch.tensor([0.0, 24.0, 72.0, inf]).reshape(1, 4, 1),
        statics=torch.zeros(1, 0),
    )
    # A half after a day, a quarter after three, nothing where it never was measured.
    assert embedding(batch)[0, :, 2].tolist() == [1.0, 0.5, 0.25, 0.0]


def test_values_of_what_was_not_measured_are_not_looked_at() -> None:
    network, batch = build().eval(), random_stays([4, 6])
    spoiled = batch._replace(values=batch.values.masked_fill(~batch.presence, nan))
    assert torch.equal(network(spoiled).risk_logits, network(batch).risk_logits)


def test_presence_may_be_bools_or_numbers() -> None:
    network, batch = build().eval(), random_stays([4, 6])
    assert torch.equal(
        network(batch._replace(presence=batch.presence.float())).risk_logits, network(batch).risk_logits
    )


def test_l1_is_the_sum_over_all_lookup_matrices() -> None:
    network = build()
    for name in ("presence", "numeric", "freshness", "extremes", "codes"):
        nn.init.constant_(network.embedding.of(name).lookup.vectors, -0.5)
    # Rows of 6: three times 5 variables, 3 extremes, 7 codes.
    penalty = network.lookup_l1()
    assert penalty.item() == 0.5 * 6 * (15 + 3 + 7)
    penalty.backward()
    reached = [name for name, item in network.named_parameters() if item.grad is not None]
    assert reached == [name for name, _ in network.named_parameters() if "lookup" in name]
