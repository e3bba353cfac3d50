"""Encoders around the shipped head-CT design, initial weights, and slices that they see at a time.

Writes results/slice_encoders.json. Studies are simulated and few: the encoder learns from slices of 120 of
them, as many times as in the recipe, is frozen, and the shipped aggregator learns from its features; both
are scored on 200 others by the mean area under the ROC curve over the four labels and the error of the
midline shift. ImageNet weights are at hand for tf_efficientnet_lite0 alone: encoders are compared from
random weights.

Run: ``python benchmarks/slice_encoders.py FOLDER``; networks that are found in FOLDER are not trained again.
"""

import argparse
import json
import platform
from functools import partial
from pathlib import Path
from typing import Any

import torch
from slice_designs.scoring import (
    RECIPE,
    TEST_SEEDS,
    Figures,
    design,
    network_of,
    remembered,
    score,
    written_heads,
)

from medpipe.data.slice_store_build import open_slice_store
from medpipe.data.studies import StudyCase
from medpipe.training.classification.features import compute_features
from medpipe.training.classification.fit import Studies, fit_classifier
from medpipe.training.classification.preparation import StudyPreparation
from medpipe.training.classification.recipe import ClassificationRecipe, read_classification_recipe

RESULTS = Path("benchmarks/results/slice_encoders.json")
TRAIN_SEEDS = range(300_000, 300_120)

ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "tf_efficientnet_lite0, ImageNet": ("imagenet", {}),
    "tf_efficientnet_lite0, ImageNet, 3 neighbours": ("imagenet", {"neighbours": 3}),
    "tf_efficientnet_lite0": ("random", {}),
    "resnet18": ("random", {"encoder": "resnet18"}),
    "densenet121": ("random", {"encoder": "densenet121"}),
    "inception_v3": ("random", {"encoder": "inception_v3"}),
    "vgg16": ("random", {"encoder": "vgg16"}),
}


def train_and_score(
    recipe: ClassificationRecipe, studies: Studies, test: tuple[StudyCase, ...], place: Path
) -> Figures:
    """Train an encoder on slices, then the aggregator on its features."""
    network = network_of(recipe, fit_classifier(recipe, studies, place).checkpoint)
    store = compute_features(network, recipe.preprocessing, studies.store, [case.id for case in test])
    return score(network, recipe, studies, test, store)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="gets the studies and the trainings")
    given = parser.parse_args()
    recipe = read_classification_recipe(RECIPE)
    train = written_heads(given.folder / "train", TRAIN_SEEDS, recipe).cases
    test = written_heads(given.folder / "test", TEST_SEEDS, recipe).cases
    preparation = StudyPreparation(recipe.preprocessing)
    store = open_slice_store(
        given.folder / "store", (*train, *test), preparation, settings=preparation.settings, workers=1
    )
    studies = Studies(store, tuple(train), ())
    found: dict[str, Figures] = {}
    for name, (initial, arguments) in ENCODERS.items():
        place = given.folder / name.replace(",", "").replace(" ", "-")
        changed = design(recipe, "slices aggregator", initial=initial, arguments=arguments)
        found[name] = remembered(place, partial(train_and_score, changed, studies, tuple(test), place))
        print(name, vars(found[name]), flush=True)
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "studies": {"learned from": len(train), "scored on": len(test)},
        "encoders": {
            name: {key: round(value, 4) for key, value in vars(figures).items()}
            for name, figures in found.items()
        },
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
