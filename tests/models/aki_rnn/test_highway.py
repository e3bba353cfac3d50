from math import log

import torch
from torch import nn
from torch.testing import assert_close

from medpipe.models.aki_rnn.highway import HighwayGate, HighwayLayer


def test_gate_mixes_by_what_is_carried() -> None:
    gate = HighwayGate(1)
    nn.init.constant_(gate.carry.weight, log(3.0))
    nn.init.zeros_(gate.carry.bias)
    # sigmoid(log 3) is 3/4: 3/4 * 1 + 1/4 * 5.
    assert_close(gate(torch.tensor([1.0]), torch.tensor([5.0])), torch.tensor([2.0]))


def test_layer_carries_on_what_its_gate_does_not_replace() -> None:
    layer = HighwayLayer(1)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(layer.dense.weight, 0.5)
    nn.init.constant_(layer.gate.carry.bias, log(3.0))
    # 3/4 * 2 + 1/4 * tanh(1), which is 0.7615942.
    assert_close(layer(torch.tensor([2.0])), torch.tensor([1.69039854]))


def test_new_gates_carry_more_than_they_replace() -> None:
    mixed = HighwayGate(4)(torch.zeros(4), torch.ones(4))
    # 1 - sigmoid(1)
    assert_close(mixed, torch.full((4,), 0.2689414))
