from math import log

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medpipe.core.errors import ShapeError
from medpipe.models.aki_rnn.recurrence import CELLS, Recurrence, SimpleRecurrentUnit, UpdateGateLayer

ONE = torch.tensor([1])


def test_one_step_of_an_sru() -> None:
    layer = SimpleRecurrentUnit(1, 1)
    layer.project.weight.data = torch.tensor([[2.0], [3.0], [0.0], [0.0]])
    layer.gate_bias.data = torch.tensor([log(3.0), 0.0])
    features, state = layer(torch.tensor([[[0.5]]]), ONE, torch.tensor([[0.4]]))
    # Candidate 1, skip 1.5, forget 3/4, reset 1/2: 3/4 * 0.4 + 1/4 * 1, then (tanh(0.55) + 1.5) / 2.
    assert_close(state, torch.tensor([[0.55]]))
    assert_close(features, torch.tensor([[[1.0002601]]]))


def test_one_step_of_a_ugrnn() -> None:
    layer = UpdateGateLayer(1, 1)
    layer.project.weight.data = torch.tensor([[2.0], [0.0]])
    layer.project.bias.data = torch.tensor([0.0, log(3.0)])
    layer.recur.weight.data = torch.tensor([[1.0], [0.0]])
    features, state = layer(torch.tensor([[[0.3]]]), ONE, torch.tensor([[0.4]]))
    # Candidate tanh(2 * 0.3 + 0.4) = 0.7615942, gate 3/4: 3/4 * 0.4 + 1/4 * 0.7615942.
    assert_close(state, torch.tensor([[0.49039854]]))
    assert_close(features, torch.tensor([[[0.49039854]]]))


def test_gates_of_an_sru_and_a_ugrnn_read_the_input() -> None:
    sru, ugrnn = SimpleRecurrentUnit(1, 1), UpdateGateLayer(1, 1)
    sru.project.weight.data = torch.tensor([[0.0], [0.0], [log(3.0)], [0.0]])
    ugrnn.project.weight.data = torch.tensor([[0.0], [log(3.0)]])
    nn.init.zeros_(ugrnn.project.bias)
    nn.init.zeros_(ugrnn.recur.weight)
    # The candidate is 0: three quarters of the state are kept.
    for layer in (sru, ugrnn):
        assert_close(layer(torch.ones(1, 1, 1), ONE, torch.ones(1, 1)).state, torch.tensor([[0.75]]))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_an_lstm_and_a_gru_are_those_of_torch_between_gates(cell: str) -> None:
    torch.manual_seed(0)
    network = Recurrence(cell, 3, 4, layers=1)
    inputs = torch.randn(2, 5, 3)
    entered = network.enter(inputs)
    expected, _ = network.layers[0].cells(entered)  # type: ignore[operator, union-attr]
    carry = torch.sigmoid(network.gates[0].carry(entered))  # type: ignore[operator, union-attr]
    found = network(inputs, torch.tensor([5, 5])).features
    assert_close(found, carry * entered + (1 - carry) * expected)


@pytest.mark.parametrize("cell", CELLS)
def test_outputs_of_all_layers_are_given(cell: str) -> None:
    torch.manual_seed(0)
    deep = Recurrence(cell, 3, 4, layers=3)
    shallow = Recurrence(cell, 3, 4, layers=1)
    shallow.load_state_dict(deep.state_dict(), strict=False)
    inputs, lengths = torch.randn(2, 5, 3), torch.tensor([5, 2])
    features = deep(inputs, lengths).features
    assert features.shape == (2, 5, 12)
    assert_close(features[..., :4], shallow(inputs, lengths).features)


@pytest.mark.parametrize("cell", CELLS)
def test_a_stay_without_steps_keeps_its_state(cell: str) -> None:
    torch.manual_seed(0)
    network = Recurrence(cell, 3, 4, layers=2)
    before = torch.randn(2, 3, network.state_width)
    after = network(torch.randn(3, 5, 3), torch.tensor([5, 0, 2]), before).state
    assert torch.equal(after[:, 1], before[:, 1])
    assert not torch.isclose(after[:, [0, 2]], before[:, [0, 2]]).any()


@pytest.mark.parametrize("cell", CELLS)
def test_a_state_of_other_stays_is_refused(cell: str) -> None:
    network = Recurrence(cell, 3, 4, layers=2)
    with pytest.raises(ShapeError, match="Pass that of the same stays"):
        network(torch.zeros(2, 5, 3), torch.tensor([5, 5]), torch.zeros(2, 3, network.state_width))
