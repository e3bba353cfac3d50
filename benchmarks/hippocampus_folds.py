"""How good is the hippocampus network on crops that it has not seen, beside MONAI's DynUNet?

Writes results/hippocampus_folds.json. Three folds over the 220 crops of the Decathlon's Task04, each network
trained by ``pipelines/train/hippocampus.yaml`` with the same steps, batches, precision and folds; scores are
of the last checkpoint, and differences are paired by case. A run that was stopped goes on where it was.
Seconds a step are measured afterwards, alone, the two networks in turns: they count on a quiet machine.

Run: ``python benchmarks/hippocampus_folds.py DATA FOLDER [--steps 1500] [--networks unet dynunet]``
"""

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from medpipe.data.cases import CaseSet
from medpipe.inference.evaluation import CaseScore, read_scores, summarise_scores
from medpipe.metrics.bootstrap import bootstrap_difference
from medpipe.training.card import PackageFacts, figure_rows
from medpipe.training.folds import Fold
from medpipe.training.segmentation.fit import fit
from medpipe.training.segmentation.recipe import TrainingRecipe, read_recipe
from medpipe.training.segmentation.workflow import read_cases, train_segmentation
from medpipe.training.trainer import FitOptions

RESULTS = Path("benchmarks/results/hippocampus_folds.json")
RECIPE = Path("pipelines/train/hippocampus.yaml")
NUM_FOLDS = 3
TIMED_STEPS, TIMED_TURNS = 30, 3
FACTS = PackageFacts(
    version="0.0.0",
    data="Decathlon Task04 hippocampus, 220 crops.",
    data_licence="CC BY-SA 4.0",
    licence="CC-BY-SA-4.0",
    limits="A fold of a cross-validation.",
    command="python benchmarks/hippocampus_folds.py DATA FOLDER",
)


def recipe_of(network: str, steps: int) -> TrainingRecipe:
    return read_recipe(RECIPE, overrides=(f"network.name={network}", f"schedule.steps={steps}"))


def fold_scores(network: str, steps: int, cases: CaseSet, folder: Path) -> list[CaseScore]:
    scores: list[CaseScore] = []
    for index in range(1, NUM_FOLDS + 1):
        place = folder / f"{network}-{index}"
        if not (place / "scores.csv").exists():
            recipe = recipe_of(network, steps)
            result = train_segmentation(recipe, cases, place, FACTS, fold=Fold(index, NUM_FOLDS))
            print(network, index, [(row.structure, row.metric, round(row.mean, 4)) for row in result.figures])
        scores += read_scores(place / "scores.csv")
    return sorted(scores, key=lambda score: score.case_id)


def seconds_a_step(network: str, cases: CaseSet) -> float:
    """Return the median over the steps of one short training, data and optimiser included."""
    ends: list[float] = []
    recipe = recipe_of(network, TIMED_STEPS)
    recipe = recipe.model_copy(
        update={"schedule": recipe.schedule.model_copy(update={"steps_per_epoch": TIMED_STEPS})}
    )
    with tempfile.TemporaryDirectory() as folder:
        options = FitOptions(progress=lambda *_: ends.append(time.perf_counter()))
        fit(recipe, cases.cases[:20], (), Path(folder), options)
    return float(np.median(np.diff(ends)))


def differences(ours: list[CaseScore], theirs: list[CaseScore]) -> list[dict[str, object]]:
    assert [score.case_id for score in ours] == [score.case_id for score in theirs]
    rows: list[dict[str, object]] = []
    for structure in ours[0].structures:
        dice = [np.array([item.structures[structure].dice for item in side]) for side in (ours, theirs)]
        interval = bootstrap_difference(*dice, statistic=np.mean, seed=0)
        rows.append(
            {
                "structure": structure,
                "dice_difference": float(dice[0].mean() - dice[1].mean()),
                "interval": [interval.low, interval.high],
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the Decathlon's folder, or one with images/ and labels/")
    parser.add_argument("folder", type=Path, help="gets the trainings")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--networks", nargs="+", default=["unet", "dynunet"])
    given = parser.parse_args()
    cases = read_cases(given.data)
    scores = {name: fold_scores(name, given.steps, cases, given.folder) for name in given.networks}
    turns = {name: [] for name in given.networks}
    for _ in range(TIMED_TURNS):
        for name in given.networks:
            turns[name].append(seconds_a_step(name, cases))
    first, *others = given.networks
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "cases": len(scores[first]),
        "folds": NUM_FOLDS,
        "steps": given.steps,
        "networks": {
            name: {
                "seconds_a_step": round(float(np.median(turns[name])), 3),
                "figures": figure_rows(summarise_scores(scores[name])),
            }
            for name in given.networks
        },
        "differences": {f"{first} - {name}": differences(scores[first], scores[name]) for name in others},
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
