"""How well are bleeds and midline shifts of unseen simulated head CTs read? Beside the trivial rule.

Writes results/head_ct.json. Studies are simulated from seeds that no training has seen. The network is a
package; the trivial rule is the volume inside the skull that is as dense as blood. Stated are the area under
the ROC curve of each label, beside the rule and by volume of the blood, the error of the midline shift, and
all that for the same heads scanned in 8, 16, 32 and 64 slices.

Run: ``python benchmarks/head_ct.py FOLDER [PACKAGE]``; what is found in the folder is not simulated again.
"""

import argparse
import json
import platform
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medpipe.inference.classifier import Classifier, load_classifier
from medpipe.metrics.agreement import agreement
from medpipe.metrics.bootstrap import Interval, Values
from medpipe.metrics.classification import ROC_AUC
from medpipe.metrics.dense_volume import dense_volume_ml
from medpipe.simulate.head_ct.bleed import BleedKind
from medpipe.simulate.head_ct.studies import simulated_head_ct
from medpipe.simulate.head_ct.truth import LABELS
from medpipe.tasks.scores import ScoreTask
from medpipe.zoo.finder import find_package
from medpipe.zoo.package import Package

RESULTS = Path("benchmarks/results/head_ct.json")
FIRST_SEED = 100_000
NUM_STUDIES, NUM_BY_SLICES = 400, 100
NUM_SLICES = (8, 16, 32, 64)
VOLUMES_ML = (0.0, 2.0, 8.0, 25.0, np.inf)
SHIFTED_MM = 3.0

Row = dict[str, Any]


def read_study(classifier: Classifier, scores: ScoreTask, seed: int, num_slices: int | None) -> Row:
    """Return truth, answers and the trivial rule of one simulated study."""
    study = simulated_head_ct(seed, num_slices=num_slices)
    answer = classifier.classify(study.image).answer
    assert answer.scores is not None
    return {
        "seed": seed,
        "slices": study.image.num_slices,
        "truth": [int(study.truth.labels[name]) for name in LABELS],
        "shift_mm": study.truth.midline_shift_mm,
        "volumes_ml": {kind.value: study.truth.volumes_ml[kind] for kind in BleedKind},
        "logits": [round(value, 5) for value in answer.logits.tolist()],
        "predicted_shift_mm": scores.decode(answer.scores)[0],
        "dense_ml": float(dense_volume_ml(study.image).sum()),
    }


def read_studies(package: Package, folder: Path, seeds: range, num_slices: int | None) -> list[Row]:
    """Return rows of studies, from the folder where they are there."""
    name = f"{package.digest[:12]}-{num_slices or 'drawn'}-{seeds.start}-{seeds.stop}.json"
    if (folder / name).exists():
        return list(json.loads((folder / name).read_text()))
    classifier = load_classifier(package, "cuda:0" if torch.cuda.is_available() else "cpu")
    scores = ScoreTask(package.classification.scores)
    rows = [read_study(classifier, scores, seed, num_slices) for seed in seeds]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(rows))
    return rows


def stated(value: float, interval: Interval) -> Row:
    return {"value": round(value, 4), "interval": [round(interval.low, 4), round(interval.high, 4)]}


def area(scores: Values, truth: Values) -> Row:
    return stated(ROC_AUC.value(scores, truth), ROC_AUC.interval(scores, truth))


def label_figures(rows: list[Row]) -> Row:
    """Return the areas of each label: of the network, of the rule, their paired difference."""
    dense = np.array([row["dense_ml"] for row in rows])
    found = {}
    for number, name in enumerate(LABELS):
        truth = np.array([row["truth"][number] for row in rows], dtype=float)
        logits = np.array([row["logits"][number] for row in rows])
        gain = ROC_AUC.value(logits, truth) - ROC_AUC.value(dense, truth)
        found[name] = {
            "positive": int(truth.sum()),
            "network": area(logits, truth),
            "dense volume": area(dense, truth),
            "network - dense volume": stated(gain, ROC_AUC.difference(logits, dense, truth)),
        }
    return found


def volume_figures(rows: list[Row], package: Package) -> Row:
    """Return for each bleed, by its volume, the area against heads without it and the share found."""
    found: Row = {}
    for number, name in enumerate(kind.value for kind in BleedKind):
        item = package.classification.labels[number]
        assert item.label.name == name
        assert item.calibration is not None
        logits = np.array([row["logits"][number] for row in rows])
        called = np.array([item.calibration.probability(logit) >= item.threshold for logit in logits])
        truth = np.array([row["truth"][number] for row in rows], dtype=bool)
        volumes = np.array([row["volumes_ml"][name] for row in rows])
        by_volume = {}
        for low, high in pairwise(VOLUMES_ML):
            chosen = truth & (volumes >= low) & (volumes < high)
            if chosen.sum() < 5:
                continue
            compared = chosen | ~truth
            by_volume[f"{low:g} to {high:g} mL"] = {
                "studies": int(chosen.sum()),
                "roc_auc": area(logits[compared], truth[compared].astype(float)),
                "found": round(float(called[chosen].mean()), 3),
            }
        found[name] = {"called without it": round(float(called[~truth].mean()), 3), "by volume": by_volume}
    return found


def shift_figures(rows: list[Row]) -> Row:
    """Return the agreement of the midline shift, of all heads and of those with a shift."""
    found = {}
    shifted = [row for row in rows if row["shift_mm"] >= SHIFTED_MM]
    for name, chosen in (("all", rows), (f"shifted by {SHIFTED_MM:g} mm or more", shifted)):
        predicted = [row["predicted_shift_mm"] for row in chosen]
        truth = [row["shift_mm"] for row in chosen]
        figures = {item.metric: stated(item.value, item.interval) for item in agreement(predicted, truth)}
        found[name] = {"studies": len(chosen), **figures}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="keeps what the network said of each study")
    parser.add_argument("package", nargs="?", default="head-ct", help="a name, or a folder")
    given = parser.parse_args()
    package = find_package(given.package)
    seeds = range(FIRST_SEED, FIRST_SEED + NUM_STUDIES)
    rows = read_studies(package, given.folder, seeds, None)
    some = seeds[:NUM_BY_SLICES]
    by_slices = {number: read_studies(package, given.folder, some, number) for number in NUM_SLICES}
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "package": f"{package.manifest.name} {package.manifest.version}",
        "studies": len(rows),
        "labels": label_figures(rows),
        "bleeds": volume_figures(rows, package),
        "midline_shift_mm": shift_figures(rows),
        "by slices": {
            str(number): {"labels": label_figures(found), "midline_shift_mm": shift_figures(found)}
            for number, found in by_slices.items()
        },
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
