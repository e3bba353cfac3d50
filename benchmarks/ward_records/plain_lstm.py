"""The loop that people write: stays padded to the longest of their batch, torch's LSTM, one linear layer.

What a step holds: the last value of each variable carried on, whether it was measured in the step, and the
statics. Features are scaled as medpipe scales them. It forecasts the same risks and maxima of labs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from medpipe.ehr.bucketing import MEASURED
from medpipe.training.kidney.reading import StayReader


class PlainStay(NamedTuple):
    """A stay, or several that are padded.

    Attributes:
        features: ``(T, F)``.
        risks: ``(T, H)``; NaN where unknown, and past the end of a stay.
        lab_maxima: ``(T, H, L)`` likewise.
    """

    features: Tensor
    risks: Tensor
    lab_maxima: Tensor


class PlainStays(Dataset[PlainStay]):
    """Whole stays.

    Args:
        reader: Gives the store and the scales.
        stays: Their numbers.
        is_kept: Whether stays are kept in memory once they are read.
    """

    def __init__(self, reader: StayReader, stays: Sequence[int], *, is_kept: bool) -> None:
        self._store = reader.store
        self._scales = reader.encoding.scales
        self._columns = [MEASURED.index(name) for name in reader.encoding.variables]
        self._stays = stays
        self._kept: dict[int, PlainStay] | None = {} if is_kept else None

    def __len__(self) -> int:
        return len(self._stays)

    def __getitem__(self, place: int) -> PlainStay:
        if self._kept is None:
            return self._read(self._stays[place])
        if place not in self._kept:
            self._kept[place] = self._read(self._stays[place])
        return self._kept[place]

    def _read(self, stay: int) -> PlainStay:
        carried = self._store.read(stay, "carried")[:, self._columns]
        values = np.nan_to_num(self._scales.of_variables(carried))
        presence = self._store.read(stay, "since_h")[:, self._columns] == 0
        statics = np.nan_to_num(self._scales.of_statics(self._store.read(stay, "statics")))
        same = np.broadcast_to(statics, (len(values), len(statics)))
        features = np.concatenate([values, presence, same], axis=1, dtype=np.float32)
        truths = (
            torch.from_numpy(np.array(self._store.read(stay, name))) for name in ("risks", "lab_maxima")
        )
        return PlainStay(torch.from_numpy(features), *truths)


def padded(stays: Sequence[PlainStay]) -> PlainStay:
    """Return stays as one batch ``(B, T, ...)``: zeros past their ends, and no truth."""
    features, risks, maxima = zip(*stays, strict=True)
    return PlainStay(
        pad_sequence(list(features), batch_first=True),
        pad_sequence(list(risks), batch_first=True, padding_value=torch.nan),
        pad_sequence(list(maxima), batch_first=True, padding_value=torch.nan),
    )


class PlainLstm(nn.Module):
    """An LSTM and a linear layer.

    Args:
        in_width: F.
        hidden: Width of a layer.
        layers: Layers.
        dropout: Between layers.
        num_horizons: H.
        lab_means: ``(L,)`` of the maxima.
        lab_spreads: ``(L,)`` likewise.
    """

    def __init__(
        self,
        in_width: int,
        *,
        hidden: int,
        layers: int,
        dropout: float,
        num_horizons: int,
        lab_means: Tensor,
        lab_spreads: Tensor,
    ) -> None:
        super().__init__()
        self.cells = nn.LSTM(in_width, hidden, layers, batch_first=True, dropout=dropout)
        self.risk_head = nn.Linear(hidden, num_horizons)
        self.lab_head = nn.Linear(hidden, num_horizons * len(lab_means))
        self._means, self._spreads = lab_means, lab_spreads
        self._shape = (num_horizons, len(lab_means))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return risk logits ``(B, T, H)`` and maxima of labs ``(B, T, H, L)`` in their spreads."""
        read, _ = self.cells(features)
        return self.risk_head(read), self.lab_head(read).unflatten(-1, self._shape)

    def loss(self, batch: PlainStay, *, lab_weight: float) -> Tensor:
        """Return the cross-entropy of what is known, and the squared error of the maxima beside it."""
        logits, maxima = self(batch.features)
        known = batch.risks.isfinite()
        loss = binary_cross_entropy_with_logits(logits[known], batch.risks[known])
        truth = (batch.lab_maxima - self._means) / self._spreads
        known = truth.isfinite()
        return loss + lab_weight * mse_loss(maxima[known], truth[known])
