"""Training runs: one in one folder, gone on with where it stopped; the same for every kind of network."""

import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lightning
import yaml
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, SettingsError
from medpipe.io.atomic import write_text
from medpipe.training.checkpoints import BEST, LAST, AtomicCheckpointIO, network_state
from medpipe.training.csv_log import CsvLog
from medpipe.training.curves import draw_curves
from medpipe.training.recipe import OptimiserRecipe, Part, Precision

Progress = Callable[[str, int, int], None]

_PRECISIONS: Final = {"bf16": "bf16-mixed", "fp16": "16-mixed", "fp32": "32-true"}
RECIPE: Final = "recipe.yaml"
"""The recipe that a folder was trained by."""
FINISHED: Final = "finished.json"
"""Steps of a training that came to its end, by its steps or by early stopping: it is not begun again."""


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
        checkpoint: The last one; with early stopping the best on the validation cases.
        steps: Optimiser steps done.
    """

    checkpoint: Path
    steps: int


@dataclass(frozen=True)
class Course:
    """How long a training goes on, and by what it is judged.

    Attributes:
        steps: Optimiser steps in all.
        steps_per_epoch: Steps between checkpoints and log lines.
        validate_every: Epochs between validations; 0 where there is nothing to validate on.
        patience: Validations without a better figure before stopping early; 0 for never.
        monitor: Figure of the validation that should rise.
        validated: Beginnings of the names of all figures of the validation.
        precision: Arithmetic.
        optimiser: Gradient clipping and averaging of weights.
    """

    steps: int
    steps_per_epoch: int
    validate_every: int
    patience: int
    monitor: str
    validated: tuple[str, ...]
    precision: Precision
    optimiser: OptimiserRecipe

    @property
    def stops_early(self) -> bool:
        """Whether the training ends where the validation no longer improves."""
        return bool(self.patience and self.validate_every)


def train_network(
    module: lightning.LightningModule,
    data: lightning.LightningDataModule,
    course: Course,
    folder: Path,
    options: FitOptions,
) -> FitResult:
    """Train a network; the same call on the same folder goes on from the last checkpoint, if it is not done.

    Args:
        module: What is trained; its network is ``module.network``.
        data: Its data; the sampler, or batch sampler, of its training loader has ``set_epoch``.
        course: How long.
        folder: Gets checkpoints, logs and learning curves; see :func:`start_folder`.
        options: How to work.

    Raises:
        SettingsError: The checkpoint to go on from is damaged.
        MachineError: The disk is full, or the device is not there.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    last, best = (folder / "checkpoints" / name for name in (LAST, BEST))
    kept = best if course.stops_early and best.exists() else last
    if (folder / FINISHED).exists() and kept.exists():
        network_state(kept)  # or what is damaged would be found by whoever reads it
        return FitResult(kept, json.loads((folder / FINISHED).read_bytes())["steps"])
    trainer = _trainer(course, folder, options)
    with warnings.catch_warnings():
        # What Lightning warns of here is meant: small epochs, and a folder that is gone on with.
        warnings.filterwarnings("ignore", module=r"lightning\.")
        trainer.fit(module, datamodule=data, ckpt_path=str(last) if last.exists() else None)
    if trainer.is_global_zero and not trainer.interrupted:
        write_text(folder / FINISHED, json.dumps({"steps": trainer.global_step}) + "\n")
    return FitResult(best if course.stops_early and best.exists() else last, trainer.global_step)


def start_folder(folder: Path, recipe: Part) -> None:
    """Make a training's folder and write its recipe there.

    Raises:
        SettingsError: The folder holds a training by another recipe.
        MachineError: It cannot be made.
    """
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


def _trainer(course: Course, folder: Path, options: FitOptions) -> lightning.Trainer:
    kind, _, index = options.device.partition(":")
    several = options.num_devices > 1
    return lightning.Trainer(
        accelerator="gpu" if kind == "cuda" else "cpu",
        devices=options.num_devices if several else ([int(index or 0)] if kind == "cuda" else 1),
        strategy="ddp" if several else "auto",
        max_steps=course.steps,
        precision=_PRECISIONS[course.precision],  # type: ignore[arg-type]  # one of its literals
        gradient_clip_val=course.optimiser.gradient_clip or None,
        check_val_every_n_epoch=course.validate_every or 1,
        limit_val_batches=1.0 if course.validate_every else 0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=_callbacks(course, folder, options),
        logger=TensorBoardLogger(folder, name="logs", version=""),
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def _callbacks(course: Course, folder: Path, options: FitOptions) -> list[Callback]:
    checkpoints = folder / "checkpoints"
    callbacks: list[Callback] = []
    if course.stops_early:
        callbacks.append(
            ModelCheckpoint(
                checkpoints,
                filename=BEST.removesuffix(".ckpt"),
                monitor=course.monitor,
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
    if course.optimiser.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=course.optimiser.ema_decay))
    if course.stops_early:
        callbacks.append(EarlyStopping(course.monitor, mode="max", patience=course.patience))
    callbacks.append(_Watch(course, folder, options.progress))
    return callbacks


class _Watch(Callback):
    """Keeps a training on course: the epoch of its patches, its log, its progress and its curves."""

    def __init__(self, course: Course, folder: Path, progress: Progress | None) -> None:
        self._course = course
        self._log = CsvLog(folder / "logs" / "metrics.csv")
        self._picture = folder / "curves.png"
        self._progress = progress

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            self._log.drop_after(trainer.global_step)

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        # Lightning's own count is one too high after a resume; steps are not.
        epoch = trainer.global_step // self._course.steps_per_epoch
        loader: Any = trainer.train_dataloader
        drawn = loader.batch_sampler if hasattr(loader.batch_sampler, "set_epoch") else loader.sampler
        drawn.set_epoch(epoch)

    def on_train_batch_end(self, trainer: lightning.Trainer, *unused: object) -> None:
        if self._progress is not None:
            self._progress("train", trainer.global_step, self._course.steps)

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._write(trainer, *self._course.validated)

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
