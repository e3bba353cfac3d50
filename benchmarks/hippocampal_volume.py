"""How well does a score head read the volume of the hippocampus from a crop? Real images, three folds.

Writes results/hippocampal_volume.json. The truth is the volume of the reference mask, in mL. Networks are
trained by ``pipelines/train/hippocampus.yaml`` with that volume as a score, without changes of size in the
augmentation; each crop is read by the network that has not seen it. Beside the score stand the volume of the
predicted mask, and the mean of the crops trained on.

Run: ``python benchmarks/hippocampal_volume.py DATA FOLDER [--steps 1000]``; a run that was stopped goes on.
"""

import argparse
import csv
import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hippocampus_folds import FACTS as FOLD_FACTS
from hippocampus_folds import NUM_FOLDS, RECIPE

from medpipe.core.findings import CodedConcept
from medpipe.core.scores import RegressionScore
from medpipe.data.cases import CaseSet
from medpipe.data.reading import read_case
from medpipe.inference.evaluation import read_scores, summarise_scores
from medpipe.inference.score_evaluation import ScoreResult, read_results, summarise_results
from medpipe.training.folds import Fold
from medpipe.training.segmentation.recipe import TrainingRecipe, read_recipe
from medpipe.training.segmentation.workflow import read_cases, train_segmentation

RESULTS = Path("benchmarks/results/hippocampal_volume.json")
VOLUME = RegressionScore(
    name="volume_ml",
    code=CodedConcept(scheme="99MEDPIPE", value="hippocampal_volume", meaning="Hippocampal volume"),
    unit="mL",
    low=0.0,
)
FACTS = replace(FOLD_FACTS, command="python benchmarks/hippocampal_volume.py DATA FOLDER")
AUGMENTATION = """
extends: mr-brain-rigid
name: mr-crop-rigid
description: Crops of one hippocampus where sizes count. All show the left side, so none is mirrored.
border: {left_right: reflect, front_back: reflect, head_foot: reflect}
flips: null
"""


def recipe_of(steps: int, folder: Path) -> TrainingRecipe:
    augmentation = folder / "augmentation.yaml"
    augmentation.write_text(AUGMENTATION)
    recipe = read_recipe(
        RECIPE, overrides=(f"schedule.steps={steps}", f"sampling.augmentation={augmentation}")
    )
    return TrainingRecipe.model_validate({**recipe.model_dump(), "scores": [VOLUME.model_dump()]})


def write_volumes(cases: CaseSet, table: Path) -> dict[str, float]:
    volumes = {}
    for case in cases.cases:
        files = read_case(case)
        assert files.label_map is not None
        voxel_ml = next(iter(files.volumes.values())).grid.voxel_volume_ml
        volumes[case.id] = int((files.label_map > 0).sum()) * voxel_ml
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", VOLUME.name), *volumes.items()])
    return volumes


def mask_volumes(folders: list[Path]) -> dict[str, float]:
    """Return the volume of each predicted mask in mL."""
    return {
        score.case_id: sum(item.pred_volume_ml for item in score.structures.values())
        for folder in folders
        for score in read_scores(folder / "scores.csv")
    }


def training_means(folders: list[Path], volumes: dict[str, float]) -> dict[str, float]:
    """Return for each case the mean volume of the cases that its network was trained on."""
    means = {}
    for index, folder in enumerate(folders):
        split = json.loads((folder / "splits.json").read_text())["splits"][index]
        mean = float(np.mean([volumes[case_id] for case_id in split["train"]]))
        means |= dict.fromkeys(split["validation"], mean)
    return means


def figures(predicted: dict[str, float], volumes: dict[str, float]) -> dict[str, Any]:
    results = [
        ScoreResult(case_id, VOLUME.name, predicted[case_id], volumes[case_id]) for case_id in sorted(volumes)
    ]
    return {
        item.metric: {
            "value": round(item.mean, 4),
            "interval": [round(item.interval.low, 4), round(item.interval.high, 4)],
        }
        for item in summarise_results(results)
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the Decathlon's folder, or one with images/ and labels/")
    parser.add_argument("folder", type=Path, help="gets the trainings")
    parser.add_argument("--steps", type=int, default=1000)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    table = given.folder / "volumes.csv"
    volumes = write_volumes(read_cases(given.data), table)
    cases = read_cases(given.data, facts=table)
    folders = [given.folder / f"fold-{index}" for index in range(1, NUM_FOLDS + 1)]
    for index, folder in enumerate(folders, start=1):
        if not (folder / "predictions.csv").exists():
            train_segmentation(
                recipe_of(given.steps, given.folder), cases, folder, FACTS, fold=Fold(index, NUM_FOLDS)
            )
    predicted = {
        item.case_id: item.predicted
        for folder in folders
        for item in read_results(folder / "predictions.csv")
    }
    scored = sorted(
        (item for folder in folders for item in read_scores(folder / "scores.csv")),
        key=lambda item: item.case_id,
    )
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "crops": len(volumes),
        "folds": NUM_FOLDS,
        "steps": given.steps,
        "mean_ml": round(float(np.mean(list(volumes.values()))), 4),
        "spread_ml": round(float(np.std(list(volumes.values()))), 4),
        "score head": figures(predicted, volumes),
        "predicted mask": figures(mask_volumes(folders), volumes),
        "mean of training": figures(training_means(folders, volumes), volumes),
        "dice": {
            item.structure: {
                "value": round(item.mean, 4),
                "interval": [round(item.interval.low, 4), round(item.interval.high, 4)],
            }
            for item in summarise_scores(scored)
            if item.metric == "dice"
        },
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
