"""Networks that differ in one factor from the shipped head-CT design, scored on the same studies."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from medpipe.data.studies import StudyCase, StudySet
from medpipe.metrics.bootstrap import Values
from medpipe.metrics.classification import ROC_AUC
from medpipe.models.registry import build_network
from medpipe.models.slice_aggregator.model import SliceAggregator
from medpipe.simulate.head_ct.writing import SLICES_TABLE, STUDIES_TABLE, write_head_cts
from medpipe.tasks.scores import ScoreTask
from medpipe.training.checkpoints import network_state
from medpipe.training.classification.features import FeatureStore
from medpipe.training.classification.fit import Studies, fitted_scores, network_arguments
from medpipe.training.classification.reading import read_studies
from medpipe.training.classification.recipe import ClassificationRecipe

RECIPE: Final = Path("pipelines/train/head-ct.yaml")
TEST_SEEDS: Final = range(200_000, 200_200)
"""Studies that are scored on."""


@dataclass(frozen=True)
class Figures:
    """Of one network on the studies for scoring."""

    auc: float
    shift_error_mm: float
    auc_shuffled: float
    shift_error_shuffled_mm: float


def written_heads(folder: Path, seeds: range, recipe: ClassificationRecipe) -> StudySet:
    """Write simulated head CTs unless they are there, and read their tables."""
    if not (folder / STUDIES_TABLE).exists():
        write_head_cts(folder, seeds)
    return read_heads(folder, recipe)


def read_heads(folder: Path, recipe: ClassificationRecipe) -> StudySet:
    return read_studies(folder / STUDIES_TABLE, recipe, slices=folder / SLICES_TABLE)


def design(recipe: ClassificationRecipe, stages: str, **changes: Any) -> ClassificationRecipe:
    """Return the recipe with other parts and arguments of the network, or another seed and other weights."""
    content = recipe.model_dump(mode="json")
    content["stages"] = [stage for stage in content["stages"] if stage["train"] in stages.split()]
    content["network"]["arguments"] |= changes.pop("arguments", {})
    return ClassificationRecipe.model_validate(content | changes)


def network_of(recipe: ClassificationRecipe, checkpoint: Path) -> SliceAggregator:
    network = build_network(recipe.network.name, network_arguments(recipe))
    assert isinstance(network, SliceAggregator)
    network.load_state_dict(network_state(checkpoint))
    return network.eval()


@torch.inference_mode()
def score(
    network: SliceAggregator,
    recipe: ClassificationRecipe,
    train: Studies,
    test: Sequence[StudyCase],
    store: FeatureStore,
) -> Figures:
    """Score a network, with slices in order and in random order; ``train`` gave the scale of its scores."""
    task = ScoreTask(fitted_scores(recipe, train.train))
    rng = np.random.default_rng(0)

    def answers(order: Callable[[int], Values]) -> tuple[float, float]:
        logits, errors = [], []
        for case in test:
            places = order(store.num_slices(case.id))
            features = torch.from_numpy(store.slices(case.id)[places])
            gaps_mm = torch.from_numpy(store.gaps_mm(case.id)[places])
            output = network.aggregate(features, [len(features)], gaps_mm)
            assert output.scores is not None
            logits.append(output.study_logits[0].double().numpy())
            errors.append(abs(task.decode(output.scores[0])[0] - case.scores["midline_shift_mm"]))
        truth = np.array([[case.labels[label.name] for label in recipe.labels] for case in test])
        areas = [ROC_AUC.value(*columns) for columns in zip(np.stack(logits).T, truth.T, strict=True)]
        return float(np.mean(areas)), float(np.mean(errors))

    ordered, shuffled = answers(np.arange), answers(rng.permutation)
    return Figures(*ordered, *shuffled)


def remembered(place: Path, make: Callable[[], Figures]) -> Figures:
    """Return the figures that the folder has, or make and keep them."""
    done = place / "figures.json"
    if not done.exists():
        figures = make()
        done.write_text(json.dumps(vars(figures)))
    return Figures(**json.loads(done.read_text()))
