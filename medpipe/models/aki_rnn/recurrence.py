"""The RNN: layers that read a stay from its start, and a state that can be handed on.

Letters: B stays, T steps, F features of a step, W numbers of a layer's state.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from medpipe.core.errors import ShapeError
from medpipe.models.aki_rnn.highway import HighwayGate

UGRNN_CARRY_BIAS: Final = 1.0
"""Of new gates of a UGRNN: at first they keep 73 % of the state (Collins et al. 2017)."""


class LayerOutput(NamedTuple):
    """What a recurrent layer, or all of them, return.

    Attributes:
        features: ``(B, T, ...)``; past the end of a stay they mean nothing.
        state: ``(B, W)`` of a layer, ``(layers, B, W)`` of all, float32, after the last step of each stay.
    """

    features: Tensor
    state: Tensor


class FusedLayer(nn.Module):
    """An LSTM or a GRU of torch.

    Args:
        kind: ``nn.LSTM`` or ``nn.GRU``.
        in_width: F.
        width: Numbers of the output; an LSTM's state is twice as wide, as its cell is part of it.
    """

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], in_width: int, width: int) -> None:
        super().__init__()
        self.cells = kind(in_width, width, batch_first=True)

    def forward(self, inputs: Tensor, lengths: Tensor, state: Tensor) -> LayerOutput:
        """Read ``(B, T, F)``, from the state ``(B, W)`` on; ``lengths`` are on the CPU."""
        # A packed stay has at least one step: that of an empty one is read, and its state thrown away.
        packed = pack_padded_sequence(inputs, lengths.clamp_min(1), batch_first=True, enforce_sorted=False)
        before = state.to(next(self.cells.parameters()).dtype)[None]
        if isinstance(self.cells, nn.LSTM):
            halves = tuple(half.contiguous() for half in before.chunk(2, dim=-1))
            read, last = self.cells(packed, halves)
            after = torch.cat(last, dim=-1)[0]
        else:
            read, last = self.cells(packed, before)
            after = last[0]
        features, _ = pad_packed_sequence(read, batch_first=True, total_length=inputs.shape[1])
        is_empty = (lengths == 0).to(state.device)[:, None]
        return LayerOutput(features, torch.where(is_empty, state, after.float()))


class SimpleRecurrentUnit(nn.Module):
    """An SRU: all products with matrices are done before the first step; steps are elementwise.

    With forget gate f, reset gate r, candidate x and skip s, all read from the input:
    ``c = f * c_before + (1 - f) * x`` and ``output = r * tanh(c) + (1 - r) * s``.

    Args:
        in_width: F.
        width: Numbers of state and output.

    Source:
        Lei et al. 2017, "Training RNNs as fast as CNNs", the first version of arXiv 1709.02755, whose gates
        do not look at the state; the skip is projected, so that widths may differ.
    """

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(in_width, 4 * width, bias=False)
        self.gate_bias = nn.Parameter(torch.zeros(2 * width))
        self.state_width = width

    def forward(self, inputs: Tensor, lengths: Tensor, state: Tensor) -> LayerOutput:
        """Read ``(B, T, F)``, from the state ``(B, W)`` on."""
        candidate, skip, gates = (
            self.project(inputs)
            .float()
            .split((self.state_width, self.state_width, 2 * self.state_width), dim=-1)
        )
        forget, reset = torch.sigmoid(gates + self.gate_bias).chunk(2, dim=-1)
        states = [state]
        for new, keep in zip(candidate.unbind(1), forget.unbind(1), strict=True):
            states.append(torch.lerp(new, states[-1], keep))
        cells = torch.stack(states, dim=1)
        return LayerOutput(torch.lerp(skip, torch.tanh(cells[:, 1:]), reset), _at_ends(cells, lengths))


class UpdateGateLayer(nn.Module):
    """A UGRNN: one gate between the state and a candidate, ``h = g * h_before + (1 - g) * candidate``.

    Args:
        in_width: F.
        width: Numbers of state and output, which are one.

    Source:
        Collins et al. 2017, "Capacity and trainability in recurrent neural networks".
    """

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(in_width, 2 * width)
        self.recur = nn.Linear(width, 2 * width, bias=False)
        nn.init.orthogonal_(self.recur.weight)
        with torch.no_grad():
            self.project.bias.zero_()
            self.project.bias[width:] = UGRNN_CARRY_BIAS
        self.state_width = width

    def forward(self, inputs: Tensor, lengths: Tensor, state: Tensor) -> LayerOutput:
        """Read ``(B, T, F)``, from the state ``(B, W)`` on."""
        weight = self.recur.weight
        states = [state]
        for projected in self.project(inputs).float().unbind(1):
            both = projected + linear(states[-1].to(weight.dtype), weight).float()
            candidate, gate = both.chunk(2, dim=-1)
            states.append(torch.lerp(torch.tanh(candidate), states[-1], torch.sigmoid(gate)))
        outputs = torch.stack(states, dim=1)
        return LayerOutput(outputs[:, 1:], _at_ends(outputs, lengths))


def _at_ends(states: Tensor, lengths: Tensor) -> Tensor:
    """Return the state ``(B, W)`` after the last step of each stay.

    Args:
        states: ``(B, T + 1, W)``, that before the first step included.
        lengths: ``(B,)``, 0 to T.
    """
    return states[torch.arange(len(states), device=states.device), lengths.to(states.device)]


CELLS: Final = ("sru", "ugrnn", "lstm", "gru")
"""Recurrent layers by name."""


def _layer(cell: str, in_width: int, width: int) -> FusedLayer | SimpleRecurrentUnit | UpdateGateLayer:
    if cell == "sru":
        return SimpleRecurrentUnit(in_width, width)
    if cell == "ugrnn":
        return UpdateGateLayer(in_width, width)
    return FusedLayer(nn.LSTM if cell == "lstm" else nn.GRU, in_width, width)


class Recurrence(nn.Module):
    """Recurrent layers, one on top of the other; the outputs of all of them are given.

    Each layer but an SRU, which has a skip of its own, has a highway gate around it, and a linear layer
    before the first brings the features to their width.

    A stay's outputs are the same whether it is read at once, or in parts that hand the state on.

    Args:
        cell: One of :data:`CELLS`.
        in_width: F.
        width: Numbers of each layer's output.
        layers: Layers.

    Source:
        Tomašev et al. 2021, "Use of deep learning to develop continuous-risk models".
    """

    def __init__(self, cell: str, in_width: int, width: int, *, layers: int) -> None:
        super().__init__()
        has_gates = cell != "sru"
        self.enter = nn.Linear(in_width, width) if has_gates else nn.Identity()
        widths = [width if has_gates else in_width] + [width] * (layers - 1)
        self.layers = nn.ModuleList(_layer(cell, below, width) for below in widths)
        self.gates = nn.ModuleList(HighwayGate(width) for _ in widths if has_gates)
        self.num_features = layers * width
        self.state_width = 2 * width if cell == "lstm" else width

    def forward(self, inputs: Tensor, lengths: Tensor, state: Tensor | None = None) -> LayerOutput:
        """Read stays.

        Args:
            inputs: ``(B, T, F)``.
            lengths: ``(B,)`` steps of each stay; one of 0 steps keeps its state.
            state: ``(layers, B, W)`` after the steps before; None at the start of the stays.

        Returns:
            Features ``(B, T, num_features)`` and the state ``(layers, B, W)``.

        Raises:
            ShapeError: The state is of another shape.
        """
        shape = (len(self.layers), len(inputs), self.state_width)
        if state is None:
            state = torch.zeros(shape, device=inputs.device)
        elif state.shape != shape:
            raise ShapeError(
                f"The state must be {shape}",
                found=f"{tuple(state.shape)}",
                fix="Pass that of the same stays.",
            )
        sizes = lengths.cpu()
        below = self.enter(inputs)
        features, states = [], []
        for number, (layer, before) in enumerate(zip(self.layers, state.float(), strict=True)):
            read, after = layer(below, sizes, before)
            below = (
                self.gates[number](below, read.to(below.dtype)) if len(self.gates) else read.to(below.dtype)
            )
            features.append(below)
            states.append(after)
        return LayerOutput(torch.cat(features, dim=-1), torch.stack(states))
