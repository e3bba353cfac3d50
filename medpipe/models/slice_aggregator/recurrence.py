"""The RNN: slices are read in order, each study to its own end."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence, pad_sequence

CELLS: Final = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
"""Recurrent layers by name."""


class Recurrence(nn.Module):
    """Recurrent layers over packed sequences: no layer ever reads padding.

    Args:
        cell: One of :data:`CELLS`.
        features: Numbers of a slice.
        hidden: Numbers of the state, in each direction.
        layers: Layers, one on top of the other.
        bidirectional: Whether a second set of layers reads from the top down.
        dropout: Share of values dropped between layers, while training.
    """

    def __init__(
        self, cell: str, features: int, hidden: int, *, layers: int, bidirectional: bool, dropout: float
    ) -> None:
        super().__init__()
        self.cells = CELLS[cell](
            features,
            hidden,
            num_layers=layers,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
            batch_first=True,
        )
        self.num_features = hidden * (2 if bidirectional else 1)

    def forward(self, features: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return ``(N, num_features)`` of ``(N, features)``.

        Args:
            features: Slices of all studies, one study after the other.
            lengths: Slices of each study.
        """
        padded = pad_sequence(list(torch.split(features, list(lengths))), batch_first=True)
        packed: PackedSequence = pack_padded_sequence(
            padded, torch.tensor(lengths), batch_first=True, enforce_sorted=False
        )
        read, _ = pad_packed_sequence(self.cells(packed)[0], batch_first=True)
        return torch.cat([study[:length] for study, length in zip(read, lengths, strict=True)])
