"""Lightning modules of a slice aggregator: one learns from whole studies, one from single slices.

Letters: M slices of a batch, K neighbours, C channels, I J axes of a slice, L labels.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from medpipe.core.class_labels import FittedLabel
from medpipe.core.scores import FittedScore
from medpipe.core.slice_preprocessing import SlicePreprocessing
from medpipe.core.study_sample import SliceSample
from medpipe.data.study_dataset import StudyBatch
from medpipe.inference.slices import slice_channels
from medpipe.metrics.bootstrap import Values
from medpipe.metrics.classification import ROC_AUC
from medpipe.models.slice_aggregator.model import AggregatorOutput, SliceAggregator
from medpipe.tasks.classification import SLICES, STUDIES, ClassificationTask
from medpipe.tasks.scores import ScoreTask
from medpipe.training.classification.norms import batch_norms
from medpipe.training.classification.recipe import ClassificationRecipe, LossRecipe, StageRecipe
from medpipe.training.optimisation import build_optimiser, build_schedule


class StudyModule(lightning.LightningModule):
    """Learns answers about studies and slices from whole studies.

    Args:
        network: What is trained.
        recipe: Loss and preprocessing.
        stage: Part of the training; ``"aggregator"`` leaves the encoder out, and gets features as slices.
        labels: What is asked.
        scores: What is read beside, with its scale.
        steps: Optimiser steps in all.
    """

    def __init__(
        self,
        network: SliceAggregator,
        recipe: ClassificationRecipe,
        stage: StageRecipe,
        *,
        labels: tuple[FittedLabel, ...],
        scores: tuple[FittedScore, ...],
        steps: int,
    ) -> None:
        super().__init__()
        self.network = network
        self._spec = recipe.preprocessing
        self._loss = recipe.loss
        self._stage = stage
        self._steps = steps
        self._task = ClassificationTask(labels, focus=recipe.loss.focus)
        self._scores = ScoreTask(scores)
        self._known: list[tuple[Tensor, Tensor]] = []

    def train(self, mode: bool = True) -> Self:
        """Switch to training or back, but for batch norm that the recipe keeps."""
        super().train(mode)
        if self._stage.norms == "kept":
            for norm in batch_norms(self.network.encoder):
                norm.eval()
        return self

    def training_step(self, batch: StudyBatch, index: int) -> Tensor:
        """Return the loss of a batch of studies."""
        output = self._answers(batch)
        losses = self._task.losses(
            output.study_logits, output.slice_logits, batch.study_labels, batch.slice_labels
        )
        if output.scores is not None:
            parts = self._scores.losses(output.scores, batch.scores)
            losses |= {
                item.score.name: part
                for item, part in zip(self._scores.scores, parts, strict=True)
                if part is not None
            }
        total = _weighted(losses, self._loss, nothing=output.study_logits)
        if len(losses) > 1:
            for name, loss in losses.items():
                self._log(f"loss_{name}", loss.detach(), batch)
        self._log("loss", total, batch)
        return total

    def validation_step(self, batch: StudyBatch, index: int) -> None:
        """Keep the answers about studies until the end of the epoch."""
        self._known.append((self._answers(batch).study_logits.float().cpu(), batch.study_labels.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log the area under the ROC curve of each label that has both answers, and their mean."""
        logits, truth = (torch.cat(parts).double().numpy() for parts in zip(*self._known, strict=True))
        self._known.clear()
        self.log_dict(mean_auc(logits, truth, self._task.labels), logger=False)

    def configure_optimizers(self) -> Any:
        """Return optimiser and schedule, stepped at every batch."""
        trained = [
            parameter
            for name, parameter in self.network.named_parameters()
            if self._stage.train == "whole" or not name.startswith("encoder.")
        ]
        return _optimisation(trained, self._stage, self._steps)

    def _answers(self, batch: StudyBatch) -> AggregatorOutput:
        lengths = batch.lengths.tolist()
        if self._stage.train == "aggregator":
            return self.network.aggregate(batch.slices, lengths, batch.gaps_mm)
        studies = torch.split(batch.slices, lengths)
        images = torch.cat(
            [
                slice_channels(study.float(), self._spec, window)
                for study, window in zip(studies, batch.windows, strict=True)
            ]
        )
        output: AggregatorOutput = self.network(images, lengths, batch.gaps_mm)
        return output

    def _log(self, name: str, loss: Tensor, batch: StudyBatch) -> None:
        self.log(name, loss, on_step=False, on_epoch=True, logger=False, batch_size=len(batch.lengths))


class SliceModule(lightning.LightningModule):
    """Teaches the encoder of a network what slices show, by a head of its own that is thrown away.

    Args:
        network: Its encoder is trained.
        recipe: Loss and preprocessing.
        stage: Part of the training.
        labels: What is asked.
        steps: Optimiser steps in all.
    """

    def __init__(
        self,
        network: SliceAggregator,
        recipe: ClassificationRecipe,
        stage: StageRecipe,
        *,
        labels: tuple[FittedLabel, ...],
        steps: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.head = nn.Linear(network.encoder.num_features, len(labels))
        self._spec = recipe.preprocessing
        self._stage = stage
        self._steps = steps
        self._task = ClassificationTask(labels, focus=recipe.loss.focus)

    def training_step(self, batch: SliceSample, index: int) -> Tensor:
        """Return the loss of slices, collated: ``(M, K, I, J)``."""
        features = self.network.encoder(neighbour_channels(batch.image, self._spec, batch.window))
        nothing = torch.full_like(batch.labels[:1], torch.nan)
        logits: Tensor = self.head(features)
        losses = self._task.losses(logits[:1], logits, nothing, batch.labels)
        loss = losses.get(SLICES, 0.0 * logits.sum())
        self.log("loss", loss, on_step=False, on_epoch=True, logger=False, batch_size=len(batch.image))
        return loss

    def configure_optimizers(self) -> Any:
        """Return optimiser and schedule, stepped at every batch."""
        return _optimisation(
            [*self.network.encoder.parameters(), *self.head.parameters()], self._stage, self._steps
        )


def neighbour_channels(images: Tensor, spec: SlicePreprocessing, windows: Tensor) -> Tensor:
    """Return ``(M, K * C, I, J)`` of ``(M, K, I, J)``: what :class:`SliceAggregator` makes of neighbours.

    Args:
        images: Slices among their neighbours.
        spec: What the network expects.
        windows: ``(M, 2)`` of the headers.
    """
    count, neighbours, size_i, size_j = images.shape
    of_each = windows.repeat_interleave(neighbours, dim=0)
    channels = slice_channels(images.reshape(-1, size_i, size_j).float(), spec, of_each)
    return channels.reshape(count, -1, size_i, size_j)


def mean_auc(logits: Values, truth: Values, labels: Sequence[FittedLabel]) -> dict[str, float]:
    """Return the area under the ROC curve of each label that has both answers, and their mean, by name.

    Args:
        logits: ``(B, L)`` of studies.
        truth: ``(B, L)``; NaN where unknown, and answers in between are passed over.
        labels: The questions.
    """
    areas = {}
    for item, column, answers in zip(labels, logits.T, truth.T, strict=True):
        sure = np.isin(answers, (0.0, 1.0))
        if len(set(answers[sure])) == 2:
            areas[f"auc_{item.label.name}"] = ROC_AUC.value(column[sure], answers[sure])
    return {**areas, "auc": float(np.mean(list(areas.values())))} if areas else {}


def _weighted(losses: Mapping[str, Tensor], weights: LossRecipe, *, nothing: Tensor) -> Tensor:
    """Return the weighted sum of losses; 0 with a gradient of 0 where there are none."""
    factors = {STUDIES: weights.studies, SLICES: weights.slices}
    total = 0.0 * nothing.sum()
    for name, loss in losses.items():
        total = total + factors.get(name, weights.scores) * loss
    return total


def _optimisation(parameters: Iterable[nn.Parameter], stage: StageRecipe, steps: int) -> Any:
    optimiser = build_optimiser(parameters, stage.optimiser)
    schedule = build_schedule(optimiser, stage.optimiser, steps=steps)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
