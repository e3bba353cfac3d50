"""The slice aggregator: a CNN reads each slice, an RNN reads the slices in order, heads answer.

Letters: B studies, N slices of all of them, C channels, I J axes of a slice, F features.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from medpipe.core.errors import ShapeError
from medpipe.models.checks import check_argument
from medpipe.models.slice_aggregator.encoder import SliceEncoder
from medpipe.models.slice_aggregator.familiarity import Familiarity
from medpipe.models.slice_aggregator.pooling import AttentionPooling, MeanPooling, pooled
from medpipe.models.slice_aggregator.recurrence import Recurrence
from medpipe.models.slice_aggregator.stacks import check_lengths, gap_features, with_neighbours

GAP_UNIT_MM = 5.0
"""A usual distance of slices of a head CT."""


class AggregatorOutput(NamedTuple):
    """What a slice aggregator returns.

    Attributes:
        study_logits: ``(B, num_labels)``.
        slice_logits: ``(N, num_labels)``.
        scores: ``(B, num_scores)``; None where there are none.
        weights: ``(N, num_labels)``: how much each slice counted for the study; 1 in all over a study.
        novelty: ``(B,)``: see :class:`medpipe.models.slice_aggregator.familiarity.Familiarity`.
    """

    study_logits: Tensor
    slice_logits: Tensor
    scores: Tensor | None
    weights: Tensor
    novelty: Tensor


class SliceAggregator(nn.Module):
    """Answers about a study of any number of slices, and about each of them.

    A study's answers do not depend on what it is batched with.

    Args:
        in_channels: Channels of a slice.
        num_labels: Labels, each of its own: none excludes another.
        num_scores: Numbers that are read of the study beside its labels.
        encoder: Name of a convolutional encoder of timm.
        neighbours: Slices that the encoder sees at a time, odd: 1, or 3 for one on either side.
        levels: See :class:`medpipe.models.slice_aggregator.encoder.SliceEncoder`.
        peaks: Likewise.
        features: Width to which the encoder's features are reduced.
        recurrent: ``"none"``, or the kind of recurrent layers.
        hidden: Width of their state, in each direction.
        layers: Recurrent layers.
        bidirectional: Whether slices are read from both ends.
        pooling: From slices to the study.
        dropout: Share of values dropped before each head, while training.
        chunk: Slices that are encoded at a time.
        recompute: See :class:`medpipe.models.slice_aggregator.encoder.SliceEncoder`.

    Source:
        Wang et al. 2021, "A deep learning algorithm for automatic detection and classification of acute
        intracranial hemorrhages in head CT scans": features of slices, then recurrent layers. Packed
        sequences, distances in mm and attention by label are medpipe's.
    """

    def __init__(
        self,
        in_channels: int,
        num_labels: int,
        *,
        num_scores: int = 0,
        encoder: str = "resnet18",
        neighbours: int = 1,
        levels: int = 1,
        peaks: bool = False,
        features: int = 128,
        recurrent: Literal["none", "rnn", "lstm", "gru"] = "gru",
        hidden: int = 64,
        layers: int = 1,
        bidirectional: bool = True,
        pooling: Literal["attention", "mean"] = "attention",
        dropout: float = 0.2,
        chunk: int = 32,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        counts = {"in_channels": in_channels, "num_labels": num_labels, "features": features}
        for name, value in {
            **counts,
            "levels": levels,
            "hidden": hidden,
            "layers": layers,
            "chunk": chunk,
        }.items():
            _check(name, value, holds=value >= 1, expected="1 or more")
        _check("num_scores", num_scores, holds=num_scores >= 0, expected="0 or more")
        is_odd = neighbours >= 1 and neighbours % 2 == 1
        _check("neighbours", neighbours, holds=is_odd, expected="1, 3 or another odd number")
        _check("dropout", dropout, holds=0 <= dropout < 1, expected="in [0, 1)")
        self._in_channels = in_channels
        self._num_labels = num_labels
        self.neighbours = neighbours
        self.encoder = SliceEncoder(
            encoder, neighbours * in_channels, levels=levels, peaks=peaks, chunk=chunk, recompute=recompute
        )
        self.familiarity = Familiarity(self.encoder.num_features)
        self.reduce = nn.Sequential(
            nn.Linear(self.encoder.num_features, features), nn.LayerNorm(features), nn.GELU()
        )
        width = features
        self.recurrence: Recurrence | None = None
        if recurrent != "none":
            self.recurrence = Recurrence(
                recurrent,
                features + 2,
                hidden,
                layers=layers,
                bidirectional=bidirectional,
                dropout=dropout,
            )
            width += self.recurrence.num_features
        num_answers = num_labels + num_scores
        self.pooling = (
            AttentionPooling(width, num_answers) if pooling == "attention" else MeanPooling(num_answers)
        )
        self.dropout = nn.Dropout(dropout)
        self.slice_head = nn.Linear(width, num_labels)
        self.study_head = nn.Linear(width, num_answers)

    def forward(self, slices: Tensor, lengths: Sequence[int], gaps_mm: Tensor) -> AggregatorOutput:
        """Answer about studies.

        Args:
            slices: ``(N, in_channels, I, J)``: the slices of all studies in physical order, one study after
                the other.
            lengths: Slices of each study.
            gaps_mm: ``(N,)`` distance to the slice before; that of a study's first slice is not looked at.

        Raises:
            ShapeError: Slices, lengths and gaps do not fit each other.
        """
        return self.aggregate(self.encode(slices, lengths), lengths, gaps_mm)

    def encode(self, slices: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return the encoder's ``(N, F)`` of each slice between its neighbours."""
        if slices.ndim != 4 or slices.shape[1] != self._in_channels:
            raise ShapeError(f"Slices must be (N, {self._in_channels}, I, J)", found=f"{tuple(slices.shape)}")
        check_lengths(slices, lengths)
        features: Tensor = self.encoder(with_neighbours(slices, lengths, self.neighbours))
        return features

    def aggregate(self, features: Tensor, lengths: Sequence[int], gaps_mm: Tensor) -> AggregatorOutput:
        """Answer about studies by the features of their slices; see :meth:`forward`."""
        check_lengths(features, lengths)
        check_lengths(gaps_mm, lengths)
        read: Tensor = self.reduce(features)
        if self.recurrence is not None:
            gaps = gap_features(gaps_mm.to(read.dtype), lengths, unit_mm=GAP_UNIT_MM)
            in_order = self.recurrence(torch.cat((read, gaps), dim=1), lengths)
            read = torch.cat((read, in_order), dim=1)
        weights: Tensor = self.pooling.weights(read, lengths)
        # Every answer has a mean of its own, and reads no other's.
        by_answer = self.dropout(pooled(read, weights, lengths))
        answers = torch.einsum("baf,af->ba", by_answer, self.study_head.weight) + self.study_head.bias
        return AggregatorOutput(
            study_logits=answers[:, : self._num_labels],
            slice_logits=self.slice_head(self.dropout(read)),
            scores=answers[:, self._num_labels :] if answers.shape[1] > self._num_labels else None,
            weights=weights[:, : self._num_labels],
            novelty=self.familiarity(features, lengths),
        )


_check = partial(check_argument, "slice aggregator")
