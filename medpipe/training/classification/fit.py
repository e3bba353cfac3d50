"""Fitting a slice aggregator: the parts of a recipe, one after the other, each in a folder of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np

from medpipe.core.class_labels import FittedLabel
from medpipe.core.scores import FittedScore
from medpipe.data.slice_dataset import SliceDataset
from medpipe.data.slice_store import SliceStore
from medpipe.data.studies import StudyCase
from medpipe.data.study_dataset import StudyDataset
from medpipe.models.registry import build_network
from medpipe.models.slice_aggregator.model import SliceAggregator
from medpipe.tasks.scores import fit_scale
from medpipe.training.checkpoints import network_state
from medpipe.training.classification.data_module import SliceData, StudyData
from medpipe.training.classification.features import FeatureStore, compute_features
from medpipe.training.classification.module import SliceModule, StudyModule
from medpipe.training.classification.norms import settle_norms
from medpipe.training.classification.recipe import ClassificationRecipe, StageRecipe
from medpipe.training.initial_weights import initialise_encoder
from medpipe.training.trainer import Course, FitOptions, FitResult, start_folder, train_network
from medpipe.transforms.slice_augment import augment_slice, augment_study

_SURE = 0.5


@dataclass(frozen=True)
class Studies:
    """What one training sees.

    Attributes:
        store: Slices of all cases.
        train: Cases to learn from.
        validation: Cases to look at; may be empty.
        features: Of all cases, by the encoder that a recipe whose first part is ``"aggregator"`` starts from,
            where they are at hand: trainings that differ in what comes after the encoder share them.
    """

    store: SliceStore
    train: tuple[StudyCase, ...]
    validation: tuple[StudyCase, ...]
    features: FeatureStore | None = None


def network_arguments(recipe: ClassificationRecipe) -> dict[str, Any]:
    """Return all keyword arguments of the recipe's network."""
    return {
        "in_channels": len(recipe.preprocessing.channels),
        "num_labels": len(recipe.labels),
        "num_scores": len(recipe.scores),
        **recipe.network.arguments,
    }


def fit_classifier(
    recipe: ClassificationRecipe, studies: Studies, folder: Path, options: FitOptions | None = None
) -> FitResult:
    """Train a network; the same call on the same folder goes on from the last checkpoint.

    Args:
        recipe: How to train.
        studies: On what.
        folder: Gets the recipe, and a folder for each part with checkpoints, logs and learning curves.
        options: How to work.

    Raises:
        NoInputError: There is no study, or no labelled slice where slices are learned from.
        SettingsError: The folder holds a training by another recipe, or weights and network do not fit.
        MachineError: The disk is full, or the device is not there.
    """
    options = options or FitOptions()
    start_folder(folder, recipe)
    lightning.seed_everything(recipe.seed, verbose=False)
    network = build_network(recipe.network.name, network_arguments(recipe))
    assert isinstance(network, SliceAggregator)  # the only one of this task
    initialise_encoder(
        network.encoder.network,
        network.encoder.name,
        recipe.initial,
        in_channels=network.neighbours * len(recipe.preprocessing.channels),
    )
    if recipe.stages[0].train != "slices" and studies.features is None:
        ids = [case.id for case in studies.train]
        settle_norms(network, recipe.preprocessing, studies.store, ids, seed=recipe.seed)
    steps = 0
    for number, stage in enumerate(recipe.stages, start=1):
        place = folder / f"{number}-{stage.train}"
        result = _fit_stage(recipe, stage, network, studies, place, options)
        network.load_state_dict(network_state(result.checkpoint))
        if stage.train != "aggregator":
            studies = replace(studies, features=None)  # of an encoder that was
        steps += result.steps
    return FitResult(result.checkpoint, steps)


def fitted_labels(recipe: ClassificationRecipe, train: Sequence[StudyCase]) -> tuple[FittedLabel, ...]:
    """Return the recipe's labels with how many studies they are learned from."""
    return tuple(
        FittedLabel(
            label=label,
            num_positive=sum(case.labels.get(label.name, -1.0) > _SURE for case in train),
            num_negative=sum(0.0 <= case.labels.get(label.name, -1.0) <= _SURE for case in train),
        )
        for label in recipe.labels
    )


def fitted_scores(recipe: ClassificationRecipe, train: Sequence[StudyCase]) -> tuple[FittedScore, ...]:
    """Return the recipe's scores with the scale of what is learned from."""
    return tuple(
        FittedScore(
            score=score, scale=fit_scale(score, [case.scores.get(score.name, np.nan) for case in train])
        )
        for score in recipe.scores
    )


def _fit_stage(
    recipe: ClassificationRecipe,
    stage: StageRecipe,
    network: SliceAggregator,
    studies: Studies,
    folder: Path,
    options: FitOptions,
) -> FitResult:
    """Train one part; the network is left as the part began."""
    labels, scores = fitted_labels(recipe, studies.train), fitted_scores(recipe, studies.train)
    if stage.train == "slices":
        data: SliceData | StudyData = _slice_data(recipe, stage, network, studies, options)
    else:
        data = _study_data(recipe, stage, network, studies, options)
    per_epoch = len(data.train_dataloader())
    steps = stage.epochs * per_epoch
    module: SliceModule | StudyModule
    if stage.train == "slices":
        module = SliceModule(network, recipe, stage, labels=labels, steps=steps)
    else:
        module = StudyModule(network, recipe, stage, labels=labels, scores=scores, steps=steps)
    course = Course(
        steps=steps,
        steps_per_epoch=per_epoch,
        validate_every=1 if studies.validation and stage.train != "slices" else 0,
        patience=0,
        monitor="auc",
        validated=("auc",),
        precision=recipe.precision,
        optimiser=stage.optimiser,
    )
    return train_network(module, data, course, folder, options)


def _slice_data(
    recipe: ClassificationRecipe,
    stage: StageRecipe,
    network: SliceAggregator,
    studies: Studies,
    options: FitOptions,
) -> SliceData:
    dataset = SliceDataset(
        studies.store,
        studies.train,
        labels=[label.name for label in recipe.labels],
        neighbours=network.neighbours,
        seed=recipe.seed,
        transform=partial(augment_slice, augmentation=recipe.augmentation) if recipe.augmentation else None,
    )
    return SliceData(
        dataset,
        batch_slices=stage.batch_slices,
        positive_share=stage.positive_share,
        seed=recipe.seed,
        workers=options.workers,
    )


def _study_data(
    recipe: ClassificationRecipe,
    stage: StageRecipe,
    network: SliceAggregator,
    studies: Studies,
    options: FitOptions,
) -> StudyData:
    store: SliceStore | FeatureStore = studies.store
    augmentation = recipe.augmentation
    if stage.train == "aggregator":
        store = studies.features or _features(recipe, network, studies, options)
        augmentation = augmentation.of_order() if augmentation else None
    common: Mapping[str, Any] = {
        "labels": [label.name for label in recipe.labels],
        "scores": [score.name for score in recipe.scores],
        "seed": recipe.seed,
    }
    change = partial(augment_study, augmentation=augmentation) if augmentation else None
    return StudyData(
        StudyDataset(store, studies.train, transform=change, **common),
        StudyDataset(store, studies.validation, **common) if studies.validation else None,
        batch_slices=stage.batch_slices,
        seed=recipe.seed,
        workers=options.workers,
    )


def _features(
    recipe: ClassificationRecipe, network: SliceAggregator, studies: Studies, options: FitOptions
) -> FeatureStore:
    ids = [case.id for case in (*studies.train, *studies.validation)]
    features = compute_features(network, recipe.preprocessing, studies.store, ids, device=options.device)
    network.cpu()
    return features
