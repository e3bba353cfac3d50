"""Fitting: one training run in one folder, gone on with where it stopped."""

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lightning
import yaml
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, SettingsError
from medpipe.data.cases import SegmentationCase
from medpipe.io.atomic import write_text
from medpipe.models.registry import build_network
from medpipe.training.checkpoints import BEST, LAST, AtomicCheckpointIO
from medpipe.training.csv_log import CsvLog
from medpipe.training.curves import draw_curves
from medpipe.training.data_module import SegmentationData
from medpipe.training.module import SegmentationModule
from medpipe.training.recipe import ScheduleRecipe, TrainingRecipe
from medpipe.training.score_values import fit_scores, score_values

Progress = Callable[[str, int, int], None]

_PRECISIONS: Final = {"bf16": "bf16-mixed", "fp16": "16-mixed", "fp32": "32-true"}
RECIPE: Final = "recipe.yaml"
"""The recipe that a folder was trained by."""


@dataclass(frozen=True)
class FitOptions:
    """How a training works; none of it changes results on one kind of device.

    Attributes:
        device: ``"cpu"`` or ``"cuda:N"``; under torchrun each process takes its own.
        num_devices: Processes that train together, as torchrun started them.
        workers: Data worker processes.
        cache_bytes: Memory for prepared cases.
        progress: Called with ``"train"``, steps done and steps in all.
    """

    device: str = "cpu"
    num_devices: int = 1
    workers: int = 0
    cache_bytes: int = 2_000_000_000
    progress: Progress | None = None


@dataclass(frozen=True)
class FitResult:
    """A finished training.

    Attributes:
        checkpoint: The last one; with early stopping the best by validation Dice.
        steps: Optimiser steps done.
    """

    checkpoint: Path
    steps: int


def network_arguments(recipe: TrainingRecipe) -> dict[str, Any]:
    """Return all keyword arguments of the recipe's network, channels and classes included."""
    return {
        "in_channels": len(recipe.preprocessing.channels),
        "num_classes": len(recipe.labels) + 1,
        "deep_supervision": recipe.deep_supervision,
        **({"score_outputs": [score.num_outputs for score in recipe.scores]} if recipe.scores else {}),
        **recipe.network.arguments,
    }


def fit(
    recipe: TrainingRecipe,
    train: Sequence[SegmentationCase],
    validation: Sequence[SegmentationCase],
    folder: Path,
    options: FitOptions | None = None,
) -> FitResult:
    """Train a network; the same call on the same folder goes on from the last checkpoint.

    Args:
        recipe: How to train.
        train: Cases to learn from.
        validation: Cases to look at, and to stop early by; may be empty.
        folder: Gets the recipe, checkpoints, logs and learning curves.
        options: How to work.

    Raises:
        NoInputError: There is no case to train on.
        RefusedError: A case is at fault; names it.
        SettingsError: The folder holds a training by another recipe.
        MachineError: The disk is full, or the device is not there.
    """
    options = options or FitOptions()
    _check_folder(folder, recipe)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    lightning.seed_everything(recipe.schedule.seed, verbose=False)
    network = build_network(recipe.network.name, network_arguments(recipe))
    data = SegmentationData(
        recipe, train, validation, workers=options.workers, cache_bytes=options.cache_bytes
    )
    trainer = _trainer(recipe, validation, folder, options)
    last = folder / "checkpoints" / LAST
    with warnings.catch_warnings():
        # What Lightning warns of here is meant: small epochs, and a folder that is gone on with.
        warnings.filterwarnings("ignore", module=r"lightning\.")
        trainer.fit(
            SegmentationModule(
                network, recipe, fit_scores(recipe.scores, score_values(recipe.scores, train))
            ),
            datamodule=data,
            ckpt_path=str(last) if last.exists() else None,
        )
    best = folder / "checkpoints" / BEST
    stops_early = _stops_early(recipe, validation)
    return FitResult(best if stops_early and best.exists() else last, trainer.global_step)


def _stops_early(recipe: TrainingRecipe, validation: Sequence[SegmentationCase]) -> bool:
    return bool(recipe.schedule.patience and validation)


def _check_folder(folder: Path, recipe: TrainingRecipe) -> None:
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    path = folder / RECIPE
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise SettingsError(
            Code.E_OUTPUT,
            f"The folder {folder} holds a training by another recipe",
            fix="Use the same recipe to go on, or another folder.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(
            Code.E_DISK, f"The folder {folder} cannot be made", found=error.strerror or ""
        ) from error
    write_text(path, text)


def _trainer(
    recipe: TrainingRecipe,
    validation: Sequence[SegmentationCase],
    folder: Path,
    options: FitOptions,
) -> lightning.Trainer:
    schedule = recipe.schedule
    kind, _, index = options.device.partition(":")
    several = options.num_devices > 1
    return lightning.Trainer(
        accelerator="gpu" if kind == "cuda" else "cpu",
        devices=options.num_devices if several else ([int(index or 0)] if kind == "cuda" else 1),
        strategy="ddp" if several else "auto",
        max_steps=schedule.steps,
        precision=_PRECISIONS[schedule.precision],  # type: ignore[arg-type]  # one of its literals
        gradient_clip_val=recipe.optimiser.gradient_clip or None,
        check_val_every_n_epoch=schedule.validate_every,
        limit_val_batches=1.0 if validation else 0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=_callbacks(recipe, folder, options, stops_early=_stops_early(recipe, validation)),
        logger=TensorBoardLogger(folder, name="logs", version=""),
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def _callbacks(
    recipe: TrainingRecipe, folder: Path, options: FitOptions, *, stops_early: bool
) -> list[Callback]:
    checkpoints = folder / "checkpoints"
    callbacks: list[Callback] = []
    if stops_early:
        callbacks.append(
            ModelCheckpoint(
                checkpoints,
                filename=BEST.removesuffix(".ckpt"),
                monitor="dice",
                mode="max",
                enable_version_counter=False,
            )
        )
    callbacks.append(
        ModelCheckpoint(
            checkpoints,
            filename=LAST.removesuffix(".ckpt"),
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    )
    if recipe.optimiser.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=recipe.optimiser.ema_decay))
    if stops_early:
        callbacks.append(EarlyStopping("dice", mode="max", patience=recipe.schedule.patience))
    callbacks.append(_Course(recipe.schedule, folder, options.progress))
    return callbacks


class _Course(Callback):
    """Keeps a training on course: the epoch of its patches, its log, its progress and its curves."""

    def __init__(self, schedule: ScheduleRecipe, folder: Path, progress: Progress | None) -> None:
        self._schedule = schedule
        self._log = CsvLog(folder / "logs" / "metrics.csv")
        self._picture = folder / "curves.png"
        self._progress = progress

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            self._log.drop_after(trainer.global_step)

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        # Lightning's own count is one too high after a resume; steps are not.
        epoch = trainer.global_step // self._schedule.steps_per_epoch
        trainer.train_dataloader.sampler.set_epoch(epoch)  # type: ignore[union-attr]  # set by the data module

    def on_train_batch_end(self, trainer: lightning.Trainer, *unused: object) -> None:
        if self._progress is not None:
            self._progress("train", trainer.global_step, self._schedule.steps)

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._write(trainer, "dice", "error")

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._write(trainer, "loss")

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero and self._log.path.exists():
            draw_curves(self._log, self._picture)

    def _write(self, trainer: lightning.Trainer, *kinds: str) -> None:
        metrics = {
            name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith(kinds)
        }
        if trainer.is_global_zero:
            self._log.append(trainer.global_step, metrics)
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)
