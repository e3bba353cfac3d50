"""The training module: what Lightning calls at each step."""

from math import isfinite
from typing import Any, Final

import lightning
import numpy as np
import torch
from torch import nn

from medpipe.core.scores import FittedScore
from medpipe.inference.tiling import TileForward, Tiling, predict_logits
from medpipe.metrics.segmentation import dice
from medpipe.models.unet.heads import UNetOutput
from medpipe.tasks.loss_weights import LossWeights
from medpipe.tasks.scores import ScoreTask
from medpipe.tasks.segmentation import SegmentationTask
from medpipe.training.optimisation import build_optimiser, build_schedule
from medpipe.training.segmentation.patches import PatchBatch, WholeCase
from medpipe.training.segmentation.recipe import MASKS, TrainingRecipe

_CASE: Final[dict[str, Any]] = {"on_epoch": True, "logger": False, "batch_size": 1}
"""How figures of a whole case are logged."""


class SegmentationModule(lightning.LightningModule):
    """A network, its task and its optimiser.

    Args:
        network: Gives a :class:`medpipe.models.unet.heads.UNetOutput`.
        recipe: How to train it.
        scores: The recipe's scores with their scales.
    """

    def __init__(
        self, network: nn.Module, recipe: TrainingRecipe, scores: tuple[FittedScore, ...] = ()
    ) -> None:
        super().__init__()
        self.network = network
        self.task = SegmentationTask(recipe.labels)
        self.score_task = ScoreTask(scores)
        self.loss_weights = LossWeights(
            recipe.loss_names, recipe.loss.weights, learned=recipe.loss.weighting == "learned"
        )
        self._recipe = recipe
        self._tiling = Tiling.of(recipe.preprocessing)

    def training_step(self, batch: PatchBatch, index: int) -> torch.Tensor:
        """Return the loss of one batch of patches."""
        output: UNetOutput = self.network(batch.images)
        losses = self._losses(output, batch)
        if len(self._recipe.loss_names) > 1:
            for name, loss in losses.items():
                self._log_loss(f"loss_{name}", loss.detach(), batch)
        total = self.loss_weights(losses) if losses else torch.zeros((), device=self.device)
        if len(losses) < len(self._recipe.loss_names):
            total = total + _idle(output)
        self._log_loss("loss", total, batch)
        return total

    def _losses(self, output: UNetOutput, batch: PatchBatch) -> dict[str, torch.Tensor]:
        """Return the losses that a batch has by name."""
        losses: dict[str, torch.Tensor] = {}
        known = batch.has_mask
        if known.all():
            losses[MASKS] = self.task.loss(output, batch.label_map)
        elif known.any():
            chosen = UNetOutput(output.logits[known], tuple(deep[known] for deep in output.deep))
            losses[MASKS] = self.task.loss(chosen, batch.label_map[known])
        if output.scores is not None:
            parts = self.score_task.losses(output.scores, batch.scores)
            names = self._recipe.loss_names[1:]
            losses |= {name: part for name, part in zip(names, parts, strict=True) if part is not None}
        return losses

    def _log_loss(self, name: str, loss: torch.Tensor, batch: PatchBatch) -> None:
        self.log(name, loss, on_step=False, on_epoch=True, logger=False, batch_size=len(batch.images))

    def validation_step(self, case: WholeCase, index: int) -> None:
        """Score one whole case on the network's grid."""
        forward = TileForward(self.network, self._tiling)
        logits = predict_logits(forward, case.images)
        if case.label_map is not None:
            self._log_dice(logits, case.label_map)
        if forward.scores is not None:
            found = self.score_task.decode(forward.scores)
            for fitted, value, truth in zip(self.score_task.scores, found, case.scores.tolist(), strict=True):
                if isfinite(truth):
                    self.log(f"error_{fitted.score.name}", abs(value - truth), **_CASE)

    def _log_dice(self, logits: torch.Tensor, label_map: torch.Tensor) -> None:
        pred = self.task.decode(logits[None])[0].cpu().numpy()
        truth = label_map.cpu().numpy()
        scores = {label.name: dice(pred == label.value, truth == label.value) for label in self.task.labels}
        for name, score in scores.items():
            self.log(f"dice_{name}", score, **_CASE)
        mean = float(np.mean(list(scores.values())))
        self.log("dice", mean, **_CASE)

    def configure_optimizers(self) -> Any:
        """Return optimiser and schedule, stepped at every batch."""
        optimiser = build_optimiser(
            self.network.parameters(), self._recipe.optimiser, undecayed=self.loss_weights.parameters()
        )
        schedule = build_schedule(optimiser, self._recipe.optimiser, steps=self._recipe.schedule.steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _idle(output: UNetOutput) -> torch.Tensor:
    """Return 0 with a gradient of 0 for every output.

    Where a batch lacks some truth, all processes still agree on which parameters have a gradient.
    """
    outputs = (output.logits, *output.deep, *([] if output.scores is None else [output.scores]))
    return 0.0 * torch.stack([item.float().mean() for item in outputs]).sum()
