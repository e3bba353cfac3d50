"""The training module: what Lightning calls at each step."""

from typing import Any

import lightning
import numpy as np
import torch
from torch import nn

from medpipe.inference.tiling import Tiling, predict_logits
from medpipe.metrics.segmentation import dice
from medpipe.tasks.segmentation import SegmentationTask
from medpipe.training.optimisation import build_optimiser, build_schedule
from medpipe.training.patches import PatchBatch, WholeCase
from medpipe.training.recipe import TrainingRecipe


class SegmentationModule(lightning.LightningModule):
    """A network, its task and its optimiser.

    Args:
        network: Gives a :class:`medpipe.models.unet.heads.UNetOutput`.
        recipe: How to train it.
    """

    def __init__(self, network: nn.Module, recipe: TrainingRecipe) -> None:
        super().__init__()
        self.network = network
        self.task = SegmentationTask(recipe.labels)
        self._recipe = recipe
        self._tiling = Tiling(recipe.preprocessing.patch_shape)

    def training_step(self, batch: PatchBatch, index: int) -> torch.Tensor:
        """Return the loss of one batch of patches."""
        loss = self.task.loss(self.network(batch.images), batch.label_map)
        self.log("loss", loss, on_step=False, on_epoch=True, logger=False, batch_size=len(batch.images))
        return loss

    def validation_step(self, case: WholeCase, index: int) -> None:
        """Score one whole case on the network's grid."""
        logits = predict_logits(self.network, case.images, self._tiling)
        pred = self.task.decode(logits[None])[0].cpu().numpy()
        truth = case.label_map.cpu().numpy()
        scores = {label.name: dice(pred == label.value, truth == label.value) for label in self.task.labels}
        for name, score in scores.items():
            self.log(f"dice_{name}", score, on_epoch=True, logger=False, batch_size=1)
        mean = float(np.mean(list(scores.values())))
        self.log("dice", mean, on_epoch=True, logger=False, batch_size=1)

    def configure_optimizers(self) -> Any:
        """Return optimiser and schedule, stepped at every batch."""
        optimiser = build_optimiser(self.network.parameters(), self._recipe.optimiser)
        schedule = build_schedule(optimiser, self._recipe.optimiser, steps=self._recipe.schedule.steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
