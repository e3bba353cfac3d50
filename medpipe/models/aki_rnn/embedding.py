"""The embedding: what was measured in a step, how much, how long ago, and its codes, to one vector a step.

Letters: B stays, T steps, V entries of a set, M codes of all steps.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from medpipe.core.errors import ShapeError
from medpipe.core.stay_batch import StayBatch
from medpipe.models.aki_rnn.highway import HighwayLayer

FRESH_H: Final = 24.0
"""A measurement of this age counts for half of a new one: labs of a ward are taken once a day."""

_USUAL_CODES: Final = 16
"""Codes of a step, for the spread of new vectors."""


class LookupSum(nn.Module):
    """A vector for every entry of a set; those of a step are multiplied by their amounts and summed.

    Args:
        num_entries: Entries of the set.
        width: Numbers of a vector.
        num_active: Entries that a step has at once, about.

    Source:
        Tomašev et al. 2021, "Use of deep learning to develop continuous-risk models": uniform start within
        ``sqrt(6 / (num_active + width))``, as Glorot and Bengio 2010 for the entries that are not 0.
    """

    def __init__(self, num_entries: int, width: int, *, num_active: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(num_entries, width))
        bound = math.sqrt(6 / (num_active + width))
        nn.init.uniform_(self.vectors, -bound, bound)

    def forward(self, amounts: Tensor) -> Tensor:
        """Return ``(..., width)`` of the amounts ``(..., V)`` of all entries."""
        return amounts.to(self.vectors.dtype) @ self.vectors

    def of_codes(self, codes: Tensor, counts: Tensor) -> Tensor:
        """Return ``(B, T, width)``: the sum of the vectors of each step's codes.

        Args:
            codes: ``(M,)`` entries, step by step.
            counts: ``(B, T)`` codes of each step.
        """
        ends = counts.flatten().cumsum(0)
        offsets = torch.cat((ends.new_zeros(1), ends))
        summed = embedding_bag(codes, self.vectors, offsets, mode="sum", include_last_offset=True)
        return summed.view(*counts.shape, -1)

    def start_from(self, vectors: Tensor) -> None:
        """Take vectors that were learned elsewhere, such as by skip-gram or CBOW; they are learned on.

        Args:
            vectors: ``(V, width)``; rows with a NaN leave what is there.

        Raises:
            ShapeError: They are of another shape.
        """
        if vectors.shape != self.vectors.shape:
            raise ShapeError(
                f"Vectors of codes must be {tuple(self.vectors.shape)}", found=f"{tuple(vectors.shape)}"
            )
        given = vectors.to(self.vectors)
        known = given.isfinite().all(dim=1, keepdim=True)
        with torch.no_grad():
            self.vectors.copy_(torch.where(known, given, self.vectors))


class SetEmbedding(nn.Module):
    """A lookup-sum, tanh, highway layers and a linear layer.

    Args:
        num_entries: Entries of the set.
        width: Numbers of the embedding.
        highway_layers: Layers of them.
        num_active: See :class:`LookupSum`.

    Source:
        Tomašev et al. 2021: the residual encoder of one set of features.
    """

    def __init__(self, num_entries: int, width: int, *, highway_layers: int, num_active: int) -> None:
        super().__init__()
        self.lookup = LookupSum(num_entries, width, num_active=num_active)
        self.deepen = nn.Sequential(
            nn.Tanh(), *(HighwayLayer(width) for _ in range(highway_layers)), nn.Linear(width, width)
        )

    def forward(self, amounts: Tensor) -> Tensor:
        """Return ``(..., width)`` of ``(..., V)``."""
        embedded: Tensor = self.deepen(self.lookup(amounts))
        return embedded

    def of_codes(self, codes: Tensor, counts: Tensor) -> Tensor:
        """Return ``(B, T, width)``; see :meth:`LookupSum.of_codes`."""
        embedded: Tensor = self.deepen(self.lookup.of_codes(codes, counts))
        return embedded


class StepEmbedding(nn.Module):
    """One embedding for each set of a step, side by side, and the statics of the stay.

    The sets are presence, values and freshness of the variables, extremes and codes. Freshness is 1 for a
    variable that was measured in the step, falls with the hours since, and is 0 where it never was.

    Args:
        num_variables: Variables, 1 or more.
        num_extremes: Extremes, 0 for none.
        num_statics: Statics, 0 for none.
        num_codes: Size of the vocabulary of codes, 0 for none.
        width: Numbers of each embedding.
        highway_layers: Of each set.

    Source:
        Presence and values: Tomašev et al. 2019, methods. Freshness and codes beside them are medpipe's.
    """

    def __init__(
        self,
        num_variables: int,
        *,
        num_extremes: int,
        num_statics: int,
        num_codes: int,
        width: int,
        highway_layers: int,
    ) -> None:
        super().__init__()
        variables = dict.fromkeys(("presence", "numeric", "freshness"), num_variables)
        sizes = {**variables, "extremes": num_extremes, "codes": num_codes}
        self.sets = nn.ModuleDict(
            {
                name: SetEmbedding(
                    size,
                    width,
                    highway_layers=highway_layers,
                    num_active=min(size, _USUAL_CODES) if name == "codes" else size,
                )
                for name, size in sizes.items()
                if size
            }
        )
        self.num_features = width * len(self.sets) + num_statics

    def forward(self, batch: StayBatch) -> Tensor:
        """Return ``(B, T, num_features)``; a step's features depend on no other step."""
        num_steps = batch.presence.shape[1]
        steps = torch.arange(num_steps, device=batch.lengths.device)
        # What stands past the end of a stay could be NaN, and 0 * NaN would end in the gradients.
        is_real = (steps < batch.lengths[:, None])[..., None]
        present = (batch.presence != 0) & is_real
        since_h = batch.time_since_h.masked_fill(~is_real, torch.inf)
        parts = [
            self.of("presence")(present),
            self.of("numeric")(batch.values.masked_fill(~present, 0.0)),
            self.of("freshness")(1 / (1 + since_h / FRESH_H)),
        ]
        if batch.extremes is not None:
            parts.append(self.of("extremes")(batch.extremes.masked_fill(~is_real, 0.0)))
        if batch.codes is not None and batch.code_counts is not None:
            parts.append(self.of("codes").of_codes(batch.codes, batch.code_counts))
        statics = batch.statics.to(parts[0])[:, None].expand(-1, num_steps, -1)
        return torch.cat((*parts, statics), dim=-1)

    def lookup_l1(self) -> Tensor:
        """Return the sum of the absolute values of all lookup matrices, float32."""
        matrices = [self.of(name).lookup.vectors for name in self.sets]
        return torch.stack([matrix.float().abs().sum() for matrix in matrices]).sum()

    def of(self, name: str) -> SetEmbedding:
        """Return the embedding of a set."""
        found = self.sets[name]
        assert isinstance(found, SetEmbedding)
        return found
