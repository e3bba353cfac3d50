"""One factor at a time around the shipped head-CT design: aggregators, encoders, initial weights, neighbours.

Writes results/slice_designs.json. Studies are simulated; networks learn from the first of them and are scored
on others, by the mean area under the ROC curve over the four labels and the error of the midline shift.

- Aggregators, on cached features of the encoder that the shipped model's training has after its first part,
  frozen, three seeds each; each is also scored with the slices of every study in random order.
- Encoders, initial weights and neighbours: the encoder learns from slices of fewer studies, as many times as
  in the recipe, is frozen, and the shipped aggregator learns from its features. ImageNet weights are at hand
  for tf_efficientnet_lite0 alone: encoders are compared from random weights.

Run: ``python benchmarks/slice_designs.py DATA TRAINING FOLDER``, DATA from ``medpipe sample DATA --head-cts
1000``, TRAINING the folder of a training by ``pipelines/train/head-ct.yaml`` on them; networks that are found
in FOLDER are not trained again.
"""

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from medpipe.data.slice_store_build import open_slice_store
from medpipe.data.studies import StudyCase
from medpipe.metrics.bootstrap import Values
from medpipe.metrics.classification import ROC_AUC
from medpipe.models.registry import build_network
from medpipe.models.slice_aggregator.model import SliceAggregator
from medpipe.simulate.head_ct.writing import SLICES_TABLE, STUDIES_TABLE, write_head_cts
from medpipe.tasks.scores import ScoreTask
from medpipe.training.checkpoints import LAST, network_state
from medpipe.training.classification.features import FeatureStore, compute_features
from medpipe.training.classification.fit import Studies, fit_classifier, fitted_scores, network_arguments
from medpipe.training.classification.preparation import StudyPreparation
from medpipe.training.classification.reading import read_studies
from medpipe.training.classification.recipe import ClassificationRecipe, read_classification_recipe
from medpipe.training.folds import ONE_SPLIT, SPLITS, choose_split

RESULTS = Path("benchmarks/results/slice_designs.json")
RECIPE = Path("pipelines/train/head-ct.yaml")
HEADS = "10-simulated-head-cts"
FIRST_TEST, NUM_TEST = 200_000, 200
NUM_SMALL = 120
"""Studies that encoders learn from where they are compared."""
SEEDS = (0, 1, 2)

AGGREGATORS: dict[str, dict[str, Any]] = {
    "mean": {"recurrent": "none", "pooling": "mean"},
    "attention": {"recurrent": "none"},
    "RNN": {"recurrent": "rnn", "bidirectional": False},
    "LSTM": {"recurrent": "lstm", "bidirectional": False},
    "GRU": {"recurrent": "gru", "bidirectional": False},
    "bidirectional GRU": {},
}
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "tf_efficientnet_lite0, ImageNet": ("imagenet", {}),
    "tf_efficientnet_lite0, ImageNet, 3 neighbours": ("imagenet", {"neighbours": 3}),
    "tf_efficientnet_lite0": ("random", {}),
    "resnet18": ("random", {"encoder": "resnet18"}),
    "densenet121": ("random", {"encoder": "densenet121"}),
    "inception_v3": ("random", {"encoder": "inception_v3"}),
    "vgg16": ("random", {"encoder": "vgg16"}),
}


@dataclass(frozen=True)
class Figures:
    """Of one network on the studies for scoring."""

    auc: float
    shift_error_mm: float
    auc_shuffled: float
    shift_error_shuffled_mm: float


@dataclass(frozen=True)
class Data:
    """What is learned from and scored on, slices of both in one store."""

    studies: Studies
    test: tuple[StudyCase, ...]

    def small(self) -> Studies:
        """Return what encoders learn from where they are compared."""
        return Studies(self.studies.store, self.studies.train[:NUM_SMALL], ())

    def with_features(self, features: FeatureStore | None) -> Studies:
        """Return what aggregators learn from."""
        return Studies(self.studies.store, self.studies.train, (), features)


def read_data(given: Path, training: Path, folder: Path, recipe: ClassificationRecipe) -> Data:
    test_table = folder / "test" / STUDIES_TABLE
    if not test_table.exists():
        write_head_cts(folder / "test", range(FIRST_TEST, FIRST_TEST + NUM_TEST))
    heads = given / HEADS if (given / HEADS).exists() else given
    train, test = (
        read_studies(table, recipe, slices=table.with_name(SLICES_TABLE))
        for table in (heads / STUDIES_TABLE, test_table)
    )
    preparation = StudyPreparation(recipe.preprocessing)
    both = (*train.cases, *test.cases)
    store = open_slice_store(folder / "store", both, preparation, settings=preparation.settings, workers=1)
    split, _ = choose_split(train, training / SPLITS, ONE_SPLIT, 0.0, recipe.seed)
    return Data(Studies(store, train.select(split.train), ()), tuple(test.cases))


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
    network: SliceAggregator, recipe: ClassificationRecipe, train: Studies, test: Data, store: FeatureStore
) -> Figures:
    task = ScoreTask(fitted_scores(recipe, train.train))
    rng = np.random.default_rng(0)

    def answers(order: Callable[[int], Values]) -> tuple[float, float]:
        logits, errors = [], []
        for case in test.test:
            places = order(store.num_slices(case.id))
            features = torch.from_numpy(store.slices(case.id)[places])
            gaps_mm = torch.from_numpy(store.gaps_mm(case.id)[places])
            output = network.aggregate(features, [len(features)], gaps_mm)
            assert output.scores is not None
            logits.append(output.study_logits[0].double().numpy())
            errors.append(abs(task.decode(output.scores[0])[0] - case.scores["midline_shift_mm"]))
        truth = np.array([[case.labels[label.name] for label in recipe.labels] for case in test.test])
        areas = [ROC_AUC.value(*columns) for columns in zip(np.stack(logits).T, truth.T, strict=True)]
        return float(np.mean(areas)), float(np.mean(errors))

    ordered, shuffled = answers(np.arange), answers(rng.permutation)
    return Figures(*ordered, *shuffled)


def remembered(place: Path, make: Callable[[], Figures]) -> Figures:
    done = place / "figures.json"
    if not done.exists():
        figures = make()
        done.write_text(json.dumps(vars(figures)))
    return Figures(**json.loads(done.read_text()))


def aggregators(
    recipe: ClassificationRecipe, data: Data, checkpoint: Path, folder: Path
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
                ids = [case.id for case in (*data.studies.train, *data.test)]
                store = compute_features(whole, recipe.preprocessing, data.studies.store, ids)

            def make(
                second: ClassificationRecipe = second, place: Path = place, store: FeatureStore | None = store
            ) -> Figures:
                assert store is not None
                result = fit_classifier(second, data.with_features(store), place)
                return score(network_of(second, result.checkpoint), second, data.studies, data, store)

            found.setdefault(name, []).append(remembered(place, make))
    return found


def encoders(recipe: ClassificationRecipe, data: Data, folder: Path, names: list[str]) -> dict[str, Figures]:
    """Train each encoder on slices of few studies, then the shipped aggregator on its features."""
    found = {}
    for name in names:
        initial, arguments = ENCODERS[name]
        place = folder / name.replace(",", "").replace(" ", "-")
        both = design(recipe, "slices aggregator", initial=initial, arguments=arguments)

        def make(both: ClassificationRecipe = both, place: Path = place) -> Figures:
            network = network_of(both, fit_classifier(both, data.small(), place).checkpoint)
            ids = [case.id for case in data.test]
            store = compute_features(network, recipe.preprocessing, data.studies.store, ids)
            return score(network, both, data.small(), data, store)

        found[name] = remembered(place, make)
    return found


def rounded(figures: Figures) -> dict[str, float]:
    return {name: round(value, 4) for name, value in vars(figures).items()}


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
    parser.add_argument(
        "--encoders", nargs="*", default=list(ENCODERS), choices=list(ENCODERS), metavar="NAME"
    )
    given = parser.parse_args()
    recipe = read_classification_recipe(RECIPE)
    data = read_data(given.data, given.training, given.folder, recipe)
    checkpoint = given.training / "1-slices" / "checkpoints" / LAST
    by_aggregator = aggregators(recipe, data, checkpoint, given.folder / "aggregators")
    by_encoder = encoders(recipe, data, given.folder / "encoders", given.encoders)
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "studies": {
            "aggregators learn from": len(data.studies.train),
            "encoders learn from": NUM_SMALL,
            "scored on": len(data.test),
        },
        "aggregators": {name: summary_of(found) for name, found in by_aggregator.items()},
        "encoders": {name: rounded(found) for name, found in by_encoder.items()},
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
