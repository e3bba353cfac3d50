"""The whole way from studies to a package: split, prepare, fit, answer, calibrate, package."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from medpipe.core.slice_preprocessing import Seen
from medpipe.data.slice_store_build import open_slice_store
from medpipe.data.studies import StudySet
from medpipe.inference.score_evaluation import (
    ScoreResult,
    summarise_results,
    with_intervals,
    write_predictions,
)
from medpipe.inference.study_evaluation import (
    ANSWERS,
    StudyAnswerResult,
    answers_csv,
    fit_answers,
    summarise_answers,
)
from medpipe.io.atomic import write_text
from medpipe.models.registry import build_network
from medpipe.models.slice_aggregator.model import SliceAggregator
from medpipe.tasks.scores import ScoreTask
from medpipe.training.card import PackageFacts, card_text, licence_text
from medpipe.training.checkpoints import network_state
from medpipe.training.classification.features import compute_features
from medpipe.training.classification.fit import (
    Studies,
    fit_classifier,
    fitted_labels,
    fitted_scores,
    network_arguments,
)
from medpipe.training.classification.folds import pooled_results
from medpipe.training.classification.preparation import StudyPreparation
from medpipe.training.classification.recipe import ClassificationRecipe
from medpipe.training.folds import ONE_SPLIT, SPLITS, Fold, choose_split, refuse_held_out
from medpipe.training.result import TrainingResult
from medpipe.training.trainer import FitOptions, FitResult
from medpipe.zoo.manifest import ClassificationSpec, NetworkSpec
from medpipe.zoo.writing import write_package

STORE: Final = "slices"
"""Folder of the prepared slices in a training's folder, unless another is named."""

_LONGEST_SUMMARY: Final = 200

_MARGIN: Final = 1.5
"""Of the largest novelty of a known study: beyond it a study is said to be unlike those trained on."""


@dataclass(frozen=True)
class Evidence:
    """What a network said of studies that it did not learn from.

    Attributes:
        answers: Of each study and label whose truth is known.
        scores: Of each study and score whose truth is known.
        protocol: How they were got, in a sentence or two.
        learned: What the network of the package was trained on, in a sentence.
    """

    answers: tuple[StudyAnswerResult, ...]
    scores: tuple[ScoreResult, ...]
    protocol: str
    learned: str


def train_classification(
    recipe: ClassificationRecipe,
    study_set: StudySet,
    folder: Path,
    facts: PackageFacts,
    *,
    fold: Fold = ONE_SPLIT,
    validation: float = 0.2,
    figures_from: Sequence[Path] = (),
    store_folder: Path | None = None,
    options: FitOptions | None = None,
) -> TrainingResult:
    """Train, evaluate and package; the same call goes on where it stopped.

    Args:
        recipe: How to train.
        study_set: What to learn from.
        folder: Gets splits, prepared slices, checkpoints, logs, answers and the package.
        facts: What the card must say beside the figures.
        fold: Fold of a cross-validation.
        validation: Share of patients kept aside where there are no folds; 0 trains on all.
        figures_from: Folders of finished folds, whose pooled answers are the figures of a network that is
            trained on all studies.
        store_folder: Place of the prepared slices, where trainings share them.
        options: How to work.

    Raises:
        RefusedError: Studies are at fault; names the first and says how many.
        SettingsError: Recipe, split and folder do not fit each other.
        MachineError: The disk is full, or the device is not there.
    """
    options = options or FitOptions()
    split, rule = choose_split(study_set, folder / SPLITS, fold, validation, recipe.seed)
    train, held_out = study_set.select(split.train), study_set.select(split.validation)
    refuse_held_out(figures_from, held_out)
    evidence = _evidence_of_folds(figures_from, recipe, study_set) if figures_from else None
    preparation = StudyPreparation(recipe.preprocessing)
    store = open_slice_store(
        store_folder or folder / STORE,
        study_set.cases,
        preparation,
        settings=preparation.settings,
        workers=options.workers,
    )
    studies = Studies(store, train, held_out)
    result = fit_classifier(recipe, studies, folder, options)
    if held_out:
        evidence = _evidence(recipe, studies, result.checkpoint, folder, options.device, rule)
    if evidence is None:
        return TrainingResult(result, (), None)
    return _packaged(recipe, studies, result, evidence, facts, folder, options.device)


def _evidence_of_folds(
    folders: Sequence[Path], recipe: ClassificationRecipe, study_set: StudySet
) -> Evidence:
    answers, scores, words = pooled_results(folders, recipe, study_set)
    return Evidence(answers, scores, words, "Trained on all of them.")


def _evidence(
    recipe: ClassificationRecipe, studies: Studies, checkpoint: Path, folder: Path, device: str, rule: str
) -> Evidence:
    """Return what the network says of the studies kept aside; writes their answers down."""
    answers, scores = _answers(recipe, studies, checkpoint, device)
    write_text(folder / ANSWERS, answers_csv(answers))
    count = len(studies.validation)
    words = (
        f"Scored on {count} studies that were not trained on. These studies also gave the calibration and "
        "the thresholds, which flatters all but the first two figures of a label a little."
    )
    learned = f"Trained on {len(studies.train)}, {count} kept for figures; split {rule}."
    return Evidence(answers, scores, words, learned)


def _packaged(
    recipe: ClassificationRecipe,
    studies: Studies,
    result: FitResult,
    evidence: Evidence,
    facts: PackageFacts,
    folder: Path,
    device: str,
) -> TrainingResult:
    labels = fit_answers(fitted_labels(recipe, studies.train), evidence.answers)
    scores = with_intervals(fitted_scores(recipe, studies.train), evidence.scores)
    if scores:
        write_predictions(folder, scores, evidence.scores)
    figures = (*summarise_answers(labels, evidence.answers), *summarise_results(evidence.scores))
    network = _trained(recipe, result.checkpoint)
    spec = ClassificationSpec(
        name=recipe.name,
        version=facts.version,
        summary=f"Answers: {', '.join(label.code.meaning for label in recipe.labels)}"[:_LONGEST_SUMMARY],
        task="classification",
        network=NetworkSpec(name=recipe.network.name, arguments=network_arguments(recipe)),
        preprocessing=recipe.preprocessing,
        labels=labels,
        scores=scores,
        seen=_seen(recipe, studies, network, device),
        licence=facts.licence,
    )
    facts = replace(facts, data=f"{facts.data} {evidence.learned}")
    card = card_text(
        recipe.name,
        facts,
        figures,
        protocol=evidence.protocol,
        subject="answer or score" if recipe.scores else "answer",
        training=_training_words(recipe, result),
    )
    package = write_package(
        folder / "package" / recipe.name,
        spec,
        network.state_dict(),
        card=card,
        licence=licence_text(facts),
        replace=True,
    )
    return TrainingResult(result, figures, package)


def _answers(
    recipe: ClassificationRecipe, studies: Studies, checkpoint: Path, device: str
) -> tuple[tuple[StudyAnswerResult, ...], tuple[ScoreResult, ...]]:
    """Return what the trained network says of studies, where the truth is known."""
    network = _trained(recipe, checkpoint)
    task = ScoreTask(fitted_scores(recipe, studies.train))
    answers: list[StudyAnswerResult] = []
    scores: list[ScoreResult] = []
    ids = [case.id for case in studies.validation]
    encoded = compute_features(network, recipe.preprocessing, studies.store, ids, device=device)
    for case in studies.validation:
        features = torch.from_numpy(encoded.slices(case.id)).to(device)
        gaps_mm = torch.from_numpy(encoded.gaps_mm(case.id)).to(device)
        with torch.inference_mode():
            output = network.aggregate(features, [len(features)], gaps_mm)
        logits = output.study_logits[0].double().tolist()
        for label, logit in zip(recipe.labels, logits, strict=True):
            truth = case.labels.get(label.name)
            if truth in (0.0, 1.0):
                answers.append(StudyAnswerResult(case.id, case.patient, label.name, logit, float(truth)))
        if output.scores is not None:
            values = task.decode(output.scores[0].cpu())
            scores += [
                ScoreResult(case.id, score.name, value, case.scores[score.name])
                for score, value in zip(recipe.scores, values, strict=True)
                if score.name in case.scores
            ]
    return tuple(answers), tuple(scores)


def _trained(recipe: ClassificationRecipe, checkpoint: Path) -> SliceAggregator:
    network = build_network(recipe.network.name, network_arguments(recipe))
    assert isinstance(network, SliceAggregator)  # the only one of this task
    network.load_state_dict(network_state(checkpoint))
    return network.eval()


def _seen(recipe: ClassificationRecipe, studies: Studies, network: SliceAggregator, device: str) -> Seen:
    """Return what was trained on; the network learns how the features of its studies spread."""
    store, ids = studies.store, [case.id for case in studies.train]
    lengths = [store.num_slices(case_id) for case_id in ids]
    gaps_mm = np.concatenate([store.gaps_mm(case_id)[1:] for case_id in ids])
    least, most = (float(gaps_mm.min()), float(gaps_mm.max())) if len(gaps_mm) else (0.0, 0.0)
    means = _mean_features(recipe, studies, network, ids, device)
    network.cpu().familiarity.learn(means)
    aside = [case.id for case in studies.validation]
    known = _mean_features(recipe, studies, network, aside, device) if aside else means
    novelty = network.cpu().familiarity(known, [1] * len(known)).max()
    return Seen(slices=(min(lengths), max(lengths)), gaps_mm=(least, most), novelty=_MARGIN * float(novelty))


def _mean_features(
    recipe: ClassificationRecipe, studies: Studies, network: SliceAggregator, ids: Sequence[str], device: str
) -> torch.Tensor:
    """Return ``(B, F)``: the mean features of studies."""
    encoded = compute_features(network, recipe.preprocessing, studies.store, ids, device=device)
    return torch.stack([torch.from_numpy(encoded.slices(case_id)).mean(dim=0) for case_id in ids])


def _training_words(recipe: ClassificationRecipe, result: FitResult) -> str:
    parts = ", then ".join(f"{stage.epochs} epochs of {stage.train}" for stage in recipe.stages)
    return (
        f"This network: {parts}; {result.steps} optimiser steps in all, seed {recipe.seed}, precision "
        f"{recipe.precision}, encoder started from {recipe.initial} weights."
    )
