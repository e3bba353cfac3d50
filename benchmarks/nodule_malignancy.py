"""Is a slice aggregator better than the diameter at telling malignant nodules? Real crops, five folds.

Writes results/nodule_malignancy.json. Crops are those of LIDC-IDRI; the truth is the radiologists' opinion.
Networks are trained by ``pipelines/train/nodule-malignancy.yaml``; each nodule is answered about by a network
that has seen none of its patient's. Beside them stands the diameter alone, and both together: a logistic
regression over logit and diameter, fitted on the other folds' answers. Differences are paired, by patient.

Run: ``python benchmarks/nodule_malignancy.py DATA FOLDER``, DATA with ``nodules.csv`` and ``image/``; a run
that was stopped goes on, and ``--folds 1 2`` trains some of the folds alone.
"""

import argparse
import csv
import json
import platform
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from medpipe.data.studies import StudySet
from medpipe.inference.study_evaluation import ANSWERS, StudyAnswerResult, read_answers
from medpipe.metrics.bootstrap import Interval
from medpipe.metrics.classification import AVERAGE_PRECISION, ROC_AUC
from medpipe.training.card import PackageFacts
from medpipe.training.classification.reading import read_studies
from medpipe.training.classification.recipe import ClassificationRecipe, read_classification_recipe
from medpipe.training.classification.workflow import train_classification
from medpipe.training.folds import Fold

RESULTS = Path("benchmarks/results/nodule_malignancy.json")
RECIPE = Path("pipelines/train/nodule-malignancy.yaml")
NUM_FOLDS = 5
TABLE = "studies.csv"
SIZES = ("diameter_mm", "volume_ml", "density_hu", "high_density_hu")
RATINGS = ("Malignancy", "Calcification", "Lobulation", "Margin", "Spiculation", "Texture")
FACTS = PackageFacts(
    version="0.0.0",
    data="LIDC-IDRI, crops around 811 nodules of 441 patients.",
    data_licence="CC BY 3.0",
    licence="Apache-2.0",
    limits="A fold of a cross-validation.",
    command="python benchmarks/nodule_malignancy.py DATA FOLDER",
)


def write_table(data: Path, folder: Path) -> Path:
    """Write the table of studies from the table of the data set and its masks."""
    columns = ["id", "image", "patient", "malignant", *SIZES, *(name.lower() for name in RATINGS)]
    rows = []
    with (data / "nodules.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            name = f"{row['patient_id']}_R_{row['nodule_id']}"
            ratings = [row[f"{rating}_value"] for rating in RATINGS]
            sizes = [row["diameter_mm"], *measured(data, f"{name}.nii.gz")]
            rows.append(
                [name, f"image/{name}.nii.gz", row["patient_id"], row["Diagnosis_value"], *sizes, *ratings]
            )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TABLE).open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return folder / TABLE


def measured(data: Path, name: str) -> list[str]:
    """Return volume, mean and high density of the nodule's mask; nothing where it is empty."""
    image, mask = (nib.load(data / folder / name) for folder in ("image", "nodule_mask"))
    inside = np.asarray(image.dataobj)[np.asarray(mask.dataobj) > 0]
    if not inside.size:
        return ["", "", ""]
    volume_ml = inside.size * abs(np.linalg.det(mask.affine[:3, :3])) / 1000
    return [f"{volume_ml:.5g}", f"{inside.mean():.1f}", f"{np.percentile(inside, 95):.1f}"]


def train_fold(recipe: ClassificationRecipe, study_set: StudySet, folder: Path, index: int) -> None:
    place = folder / f"fold-{index}"
    if not (place / "package").exists():
        fold, store = Fold(index, NUM_FOLDS), folder / "store"
        train_classification(recipe, study_set, place, FACTS, fold=fold, store_folder=store)


def together(answers: list[list[StudyAnswerResult]], diameters: dict[str, float]) -> list[np.ndarray]:
    """Return log odds by logit and diameter of each fold, fitted on the other folds."""
    from sklearn.linear_model import LogisticRegression

    features = [np.array([[item.logit, diameters[item.case_id]] for item in fold]) for fold in answers]
    truth = [np.array([item.truth for item in fold]) for fold in answers]
    found = []
    for index in range(len(answers)):
        others = [number for number in range(len(answers)) if number != index]
        model = LogisticRegression(C=1.0).fit(
            np.concatenate([features[number] for number in others]),
            np.concatenate([truth[number] for number in others]),
        )
        found.append(model.decision_function(features[index]))
    return found


def rounded(interval: Interval) -> list[float]:
    return [round(interval.low, 4), round(interval.high, 4)]


def figures(predictors: dict[str, np.ndarray], truth: np.ndarray, patients: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, scores in predictors.items():
        found[name] = {
            metric.name: {
                "value": round(metric.value(scores, truth), 4),
                "interval": rounded(metric.interval(scores, truth, patients=patients)),
            }
            for metric in (ROC_AUC, AVERAGE_PRECISION)
        }
    diameter = predictors["diameter"]
    found["roc_auc differences"] = {
        f"{name} - diameter": {
            "value": round(ROC_AUC.value(scores, truth) - ROC_AUC.value(diameter, truth), 4),
            "interval": rounded(ROC_AUC.difference(scores, diameter, truth, patients=patients)),
        }
        for name, scores in predictors.items()
        if name != "diameter"
    }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the data set's folder")
    parser.add_argument("folder", type=Path, help="gets the trainings")
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(1, NUM_FOLDS + 1)))
    given = parser.parse_args()
    recipe = read_classification_recipe(RECIPE)
    study_set = read_studies(write_table(given.data, given.folder), recipe, images=given.data)
    for index in given.folds:
        train_fold(recipe, study_set, given.folder, index)
    places = [given.folder / f"fold-{index}" / ANSWERS for index in range(1, NUM_FOLDS + 1)]
    if not all(place.exists() for place in places):
        return
    diameters = {case.id: case.scores["diameter_mm"] for case in study_set.cases}
    by_fold = [list(read_answers(place)) for place in places]
    pooled = [item for fold in by_fold for item in fold]
    truth = np.array([item.truth for item in pooled])
    predictors = {
        "diameter": np.array([diameters[item.case_id] for item in pooled]),
        "network": np.array([item.logit for item in pooled]),
        "network and diameter": np.concatenate(together(by_fold, diameters)),
    }
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "nodules": len(pooled),
        "patients": len({item.patient for item in pooled}),
        "folds": NUM_FOLDS,
        **figures(predictors, truth, [item.patient for item in pooled]),
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
