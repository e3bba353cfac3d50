"""Aggregators around the shipped head-CT design: mean, attention, recurrent networks; what order is worth.

Writes results/slice_aggregators.json. Studies are simulated; each aggregator learns, from three seeds, from
cached features of the encoder that the shipped model's training has after its first part, frozen, and is
scored on other studies by the mean area under the ROC curve over the four labels and the error of the
midline shift, once with the slices of every study in random order.

Run: ``python benchmarks/slice_aggregators.py DATA TRAINING FOLDER``, DATA from ``medpipe sample DATA
--head-cts 1000``, TRAINING the folder of a training by ``pipelines/train/head-ct.yaml`` on them; networks
that are found in FOLDER are not trained again.
"""

import argparse
import json
import platform
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from safetensors.torch import save_file
from slice_designs.scoring import (
    RECIPE,
    TEST_SEEDS,
    Figures,
    design,
    network_of,
    read_heads,
    remembered,
    score,
    written_heads,
)

from medpipe.data.slice_store_build import open_slice_store
from medpipe.data.studies import StudyCase
from medpipe.training.checkpoints import LAST
from medpipe.training.classification.features import FeatureStore, compute_features
from medpipe.training.classification.fit import Studies, fit_classifier
from medpipe.training.classification.preparation import StudyPreparation
from medpipe.training.classification.recipe import ClassificationRecipe, read_classification_recipe
from medpipe.training.folds import ONE_SPLIT, SPLITS, choose_split

RESULTS = Path("benchmarks/results/slice_aggregators.json")
HEADS = "10-simulated-head-cts"
SEEDS = (0, 1, 2)

AGGREGATORS: dict[str, dict[str, Any]] = {
    "mean": {"recurrent": "none", "pooling": "mean"},
    "attention": {"recurrent": "none"},
    "RNN": {"recurrent": "rnn", "bidirectional": False},
    "LSTM": {"recurrent": "lstm", "bidirectional": False},
    "GRU": {"recurrent": "gru", "bidirectional": False},
    "bidirectional GRU": {},
}


def read_data(
    given: Path, training: Path, folder: Path, recipe: ClassificationRecipe
) -> tuple[Studies, tuple[StudyCase, ...]]:
    """Return what is learned from and what is scored on, slices of both in one store."""
    train = read_heads(given / HEADS if (given / HEADS).exists() else given, recipe)
    test = written_heads(folder / "test", TEST_SEEDS, recipe)
    preparation = StudyPreparation(recipe.preprocessing)
    both = (*train.cases, *test.cases)
    store = open_slice_store(folder / "store", both, preparation, settings=preparation.settings, workers=1)
    split, _ = choose_split(train, training / SPLITS, ONE_SPLIT, 0.0, recipe.seed)
    return Studies(store, train.select(split.train), ()), tuple(test.cases)


def aggregators(
    recipe: ClassificationRecipe,
    studies: Studies,
    test: tuple[StudyCase, ...],
    checkpoint: Path,
    folder: Path,
) -> dict[str, list[Figures]]:
    """Train each aggregator on features of one encoder."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = network_of(recipe, checkpoint)
    encoder = whole.encoder.network
    weights = folder / "encoder.safetensors"
    save_file({name: value.contiguous() for name, value in encoder.state_dict().items()}, weights)
    store: FeatureStore | None = None
    found: dict[str, list[Figures]] = {}
    for name, arguments in AGGREGATORS.items():
        for seed in SEEDS:
            place = folder / f"{name.replace(' ', '-')}-{seed}"
            second = design(recipe, "aggregator", arguments=arguments, initial=str(weights), seed=seed)
            if not (place / "figures.json").exists() and store is None:
                ids = [case.id for case in (*studies.train, *test)]
                store = compute_features(whole, recipe.preprocessing, studies.store, ids)

            def make(
                second: ClassificationRecipe = second, place: Path = place, store: FeatureStore | None = store
            ) -> Figures:
                assert store is not None
                result = fit_classifier(second, replace(studies, features=store), place)
                return score(network_of(second, result.checkpoint), second, studies, test, store)

            found.setdefault(name, []).append(remembered(place, make))
    return found


def summary_of(found: list[Figures]) -> dict[str, Any]:
    areas = [item.auc for item in found]
    return {
        "auc": round(median(areas), 4),
        "auc by seed": [round(area, 4) for area in areas],
        "shift_error_mm": round(median(item.shift_error_mm for item in found), 3),
        "auc lost by shuffling": round(mean(item.auc - item.auc_shuffled for item in found), 4),
        "shift error gained by shuffling": round(
            mean(item.shift_error_shuffled_mm - item.shift_error_mm for item in found), 3
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder of the sample, or of its head CTs")
    parser.add_argument("training", type=Path, help="folder of the shipped model's training")
    parser.add_argument("folder", type=Path, help="gets the trainings")
    given = parser.parse_args()
    recipe = read_classification_recipe(RECIPE)
    studies, test = read_data(given.data, given.training, given.folder, recipe)
    checkpoint = given.training / "1-slices" / "checkpoints" / LAST
    found = aggregators(recipe, studies, test, checkpoint, given.folder / "aggregators")
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "studies": {"learned from": len(studies.train), "scored on": len(test)},
        "aggregators": {name: summary_of(figures) for name, figures in found.items()},
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
