"""Fitting a network that labels voxels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning

from medpipe.data.cases import SegmentationCase
from medpipe.models.registry import build_network
from medpipe.training.segmentation.data_module import SegmentationData
from medpipe.training.segmentation.module import SegmentationModule
from medpipe.training.segmentation.recipe import TrainingRecipe
from medpipe.training.segmentation.score_values import fit_scores, score_values
from medpipe.training.trainer import Course, FitOptions, FitResult, start_folder, train_network


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
    start_folder(folder, recipe)
    lightning.seed_everything(recipe.schedule.seed, verbose=False)
    network = build_network(recipe.network.name, network_arguments(recipe))
    data = SegmentationData(
        recipe, train, validation, workers=options.workers, cache_bytes=options.cache_bytes
    )
    scores = fit_scores(recipe.scores, score_values(recipe.scores, train))
    module = SegmentationModule(network, recipe, scores)
    return train_network(module, data, _course(recipe, validation), folder, options)


def _course(recipe: TrainingRecipe, validation: Sequence[SegmentationCase]) -> Course:
    schedule = recipe.schedule
    return Course(
        steps=schedule.steps,
        steps_per_epoch=schedule.steps_per_epoch,
        validate_every=schedule.validate_every if validation else 0,
        patience=schedule.patience,
        monitor="dice",
        validated=("dice", "error"),
        precision=schedule.precision,
        optimiser=recipe.optimiser,
    )
