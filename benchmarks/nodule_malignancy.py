"""Does a slice aggregator tell malignant nodules better than the diameter? Real crops, five folds, thrice.

Writes results/nodule_malignancy.json. Crops are those of LIDC-IDRI; the truth is the radiologists' opinion.
Networks are trained by ``pipelines/train/nodule-malignancy.yaml``; each nodule is answered about by a network
that has seen none of its patient's. Each run draws folds and weights anew. Beside the networks stand the
diameter alone, the mean of the runs, and that mean with the diameter: a logistic regression over both, fitted
on the other patients of five parts. Differences are paired, by patient.

Run: ``python benchmarks/nodule_malignancy.py DATA FOLDER``, DATA with ``nodules.csv`` and ``image/``; a run
that was stopped goes on, and ``--runs 1`` trains one of them alone.
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
from medpipe.metrics.bootstrap import Interval, Values
from medpipe.metrics.classification import AVERAGE_PRECISION, ROC_AUC
from medpipe.training.card import PackageFacts
from medpipe.training.classification.reading import read_studies
from medpipe.training.classification.recipe import ClassificationRecipe, read_classification_recipe
from medpipe.training.classification.workflow import train_classification
from medpipe.training.folds import Fold

RESULTS = Path("benchmarks/results/nodule_malignancy.json")
RECIPE = Path("pipelines/train/nodule-malignancy.yaml")
NUM_FOLDS = 5
RUNS = (0, 1, 2)
"""Seeds of folds and weights."""
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


def train_run(recipe: ClassificationRecipe, study_set: StudySet, folder: Path, run: int) -> None:
    """Train the folds of a run that are not there yet."""
    changed = recipe.model_copy(update={"seed": run})
    for index in range(1, NUM_FOLDS + 1):
        place = folder / f"run-{run}" / f"fold-{index}"
        if not (place / "package").exists():
            fold, store = Fold(index, NUM_FOLDS), folder / "store"
            train_classification(changed, study_set, place, FACTS, fold=fold, store_folder=store)


def read_run(folder: Path, run: int) -> dict[str, StudyAnswerResult] | None:
    """Return the answer about each nodule; None where a fold is missing."""
    places = [folder / f"run-{run}" / f"fold-{index}" / ANSWERS for index in range(1, NUM_FOLDS + 1)]
    if not all(place.exists() for place in places):
        return None
    return {item.case_id: item for place in places for item in read_answers(place)}


def together(logits: Values, diameters: Values, truth: Values, patients: list[str]) -> Values:
    """Return log odds by logit and diameter, of a regression that was fitted on other patients."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = np.stack([logits, np.log(diameters)], axis=1)
    found: Values = cross_val_predict(
        make_pipeline(StandardScaler(), LogisticRegression()),
        features,
        truth,
        groups=patients,
        cv=GroupKFold(NUM_FOLDS, shuffle=True, random_state=0),
        method="decision_function",
    )
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
    parser.add_argument("--runs", type=int, nargs="+", default=list(RUNS))
    given = parser.parse_args()
    recipe = read_classification_recipe(RECIPE)
    study_set = read_studies(write_table(given.data, given.folder), recipe, images=given.data)
    for run in given.runs:
        train_run(recipe, study_set, given.folder, run)
    runs = [found for run in RUNS if (found := read_run(given.folder, run))]
    if len(runs) < len(RUNS):
        return
    ids = sorted(runs[0])
    patients = [runs[0][name].patient for name in ids]
    truth = np.array([runs[0][name].truth for name in ids])
    known = {case.id: case.scores["diameter_mm"] for case in study_set.cases}
    diameters = np.array([known[name] for name in ids])
    logits = np.array([[run[name].logit for name in ids] for run in runs])
    mean = logits.mean(axis=0)
    predictors = {
        "diameter": diameters,
        **{f"network, run {run}": row for run, row in zip(RUNS, logits, strict=True)},
        "mean of the runs": mean,
        "mean of the runs and diameter": together(mean, diameters, truth, patients),
    }
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "nodules": len(ids),
        "patients": len(set(patients)),
        "folds": NUM_FOLDS,
        **figures(predictors, truth, patients),
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
