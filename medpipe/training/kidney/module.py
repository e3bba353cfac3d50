"""The Lightning module of the AKI network.

Letters: B stays, T steps, H horizons.
"""

from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from medpipe.data.stay_windows import WindowBatch
from medpipe.metrics.bootstrap import Values
from medpipe.metrics.classification import AVERAGE_PRECISION, ROC_AUC
from medpipe.models.aki_rnn.model import AkiOutput, AkiRnn
from medpipe.tasks.kidney import LABS, RISKS, KidneyTask
from medpipe.tasks.loss_weights import LossWeights
from medpipe.training.kidney.recipe import KidneyRecipe
from medpipe.training.optimisation import build_optimiser, build_schedule

MONITOR = "auroc"
VALIDATED = (MONITOR, "auprc")


class KidneyModule(lightning.LightningModule):
    """Learns risks and lab maxima from windows of stays.

    Args:
        network: What is trained.
        task: Horizons and labs.
        recipe: Loss and optimiser.
        steps: Optimiser steps in all.
    """

    def __init__(self, network: AkiRnn, task: KidneyTask, recipe: KidneyRecipe, *, steps: int) -> None:
        super().__init__()
        self.network = network
        names = (RISKS, LABS) if task.labs else (RISKS,)
        self.weights = LossWeights(
            names, {LABS: recipe.loss.labs}, learned=recipe.loss.weighting == "learned"
        )
        self._task = task
        self._recipe = recipe
        self._steps = steps
        self._state: Tensor | None = None
        self._known: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: WindowBatch, index: int) -> Tensor:
        """Return the loss of a window; its state goes on to the next window without a gradient."""
        output = self._read(batch)
        losses = self._task.losses(output, batch.truth)
        loss = self._task.total(output, losses, self.weights)
        if self._recipe.loss.lookup_l1:
            loss = loss + self._recipe.loss.lookup_l1 * self.network.lookup_l1()
        self._log("loss", loss, batch)
        for name, part in losses.items():
            self._log(f"loss_{name}", part.detach(), batch)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the state of the training: what is looked at begins anew."""
        self._state = None

    def validation_step(self, batch: WindowBatch, index: int) -> None:
        """Keep the risks of known outcome until the end of the epoch."""
        logits = self._read(batch).risk_logits.flatten(0, 1)
        self._known.append((logits.float().cpu(), batch.truth.risks.flatten(0, 1).cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log the mean over horizons of the area under the ROC curve and of the average precision."""
        logits, truth = (torch.cat(parts).double().numpy() for parts in zip(*self._known, strict=True))
        self._known.clear()
        self._state = None
        self.log_dict(mean_figures(logits, truth), logger=False)

    def configure_optimizers(self) -> Any:
        """Return optimiser and schedule, stepped at every batch."""
        optimiser = build_optimiser(
            self.network.parameters(), self._recipe.optimiser, undecayed=self.weights.parameters()
        )
        schedule = build_schedule(optimiser, self._recipe.optimiser, steps=self._steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _read(self, batch: WindowBatch) -> AkiOutput:
        output: AkiOutput = self.network(batch.batch, None if batch.is_first else self._state)
        self._state = output.state.detach()
        return output

    def _log(self, name: str, value: Tensor, batch: WindowBatch) -> None:
        size = len(batch.batch.lengths)
        self.log(name, value, on_step=False, on_epoch=True, logger=False, batch_size=size)


def mean_figures(logits: Values, truth: Values) -> dict[str, float]:
    """Return the mean of each figure over those horizons that have both outcomes; 0 where none has.

    Args:
        logits: ``(N, H)``.
        truth: ``(N, H)``; NaN where unknown.
    """
    figures: dict[str, list[float]] = {name: [0.0] for name in VALIDATED}
    both = [place for place, column in enumerate(truth.T) if len(np.unique(column[np.isfinite(column)])) == 2]
    for name, metric in zip(VALIDATED, (ROC_AUC, AVERAGE_PRECISION), strict=True):
        if both:
            figures[name] = [metric.value(logits[:, place], truth[:, place]) for place in both]
    return {name: float(np.mean(values)) for name, values in figures.items()}
