"""Classification: truth, loss, and decoding of what a slice aggregator gives to findings.

Letters: B studies, N slices of all of them, S slices of one series, L labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from medpipe.core.class_labels import FittedLabel
from medpipe.core.findings import Label, Maker

STUDIES, SLICES = "studies", "slices"
"""Names of the losses."""


class StudyAnswer(NamedTuple):
    """What a network says of one study, for each label.

    Attributes:
        logits: ``(L,)`` of the study.
        slice_probs: ``(S, L)`` for every slice of the series, in its order.
        weights: ``(S, L)``: how much each slice, or its slab, counted for the study's answer.
        scores: ``(R,)`` numbers for :class:`medpipe.tasks.scores.ScoreTask`; None where there are none.
    """

    logits: Tensor
    slice_probs: Tensor
    weights: Tensor
    scores: Tensor | None = None


@dataclass(frozen=True)
class ClassificationTask:
    """Questions about studies and their slices, each answered yes or no; none excludes another.

    Attributes:
        labels: What is asked.
        focus: Exponent of the focal loss: how much less a case counts that is answered well already; 0 for
            the plain log loss.

    Source:
        Weighted log loss: RSNA Intracranial Hemorrhage Detection challenge 2019. Focal loss: Lin et al. 2017,
        equation 4.
    """

    labels: tuple[FittedLabel, ...]
    focus: float = 0.0

    def losses(
        self, study_logits: Tensor, slice_logits: Tensor, study_truth: Tensor, slice_truth: Tensor
    ) -> dict[str, Tensor]:
        """Return the mean loss of studies and that of slices, by name; what has no truth is left out.

        Args:
            study_logits: ``(B, L)``.
            slice_logits: ``(N, L)``.
            study_truth: ``(B, L)`` from 0 to 1, NaN where unknown.
            slice_truth: ``(N, L)``, likewise; columns of labels that slices do not have are not looked at.
        """
        by_slice = torch.tensor([item.label.by_slice for item in self.labels], device=slice_truth.device)
        slices = slice_truth.masked_fill(~by_slice, torch.nan)
        pairs = {STUDIES: (study_logits, study_truth), SLICES: (slice_logits, slices)}
        return {
            name: self._loss(logits.float(), truth)
            for name, (logits, truth) in pairs.items()
            if truth.isfinite().any()
        }

    def _loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        """Return the weighted mean over what is known, of ``(M, L)``."""
        known = truth.isfinite()
        targets = torch.where(known, truth, 0.0)
        losses = binary_cross_entropy_with_logits(logits, targets, reduction="none")
        if self.focus:
            missed = (torch.sigmoid(logits) - targets).abs()
            losses = missed**self.focus * losses
        weights = known * torch.tensor([item.label.weight for item in self.labels], device=logits.device)
        return (weights * losses).sum() / weights.sum()

    def findings(self, answer: StudyAnswer, *, source: str, made_by: Maker) -> tuple[Label, ...]:
        """Return one label finding a question.

        Probabilities of studies are calibrated where the package knows how, those of slices are not.

        Args:
            answer: Of the network.
            source: Role of the series.
            made_by: Package.
        """
        columns = answer.slice_probs.T.double().tolist()
        return tuple(
            self._finding(item, float(logit), column, source, made_by)
            for item, logit, column in zip(self.labels, answer.logits, columns, strict=True)
        )

    def _finding(
        self, item: FittedLabel, logit: float, column: Sequence[float], source: str, made_by: Maker
    ) -> Label:
        calibration = item.calibration
        plain = float(torch.sigmoid(torch.tensor(logit, dtype=torch.float64)))
        return Label(
            id=f"{made_by.name}/{source}/{item.label.name}",
            code=item.label.code,
            source=source,
            made_by=made_by,
            probability=plain if calibration is None else calibration.probability(logit),
            threshold=item.threshold,
            slice_probabilities=tuple(column) if item.label.by_slice else (),
            uncertainty=None if calibration is None else calibration.interval(logit),
        )
