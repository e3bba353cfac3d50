"""What is a network worth that learns masks and a score together, against one for each? Simulated brains.

Writes results/score_head.json. Brains, their masks and their MMSE come from
``medpipe.simulate.brain_phantoms``; the recipe is ``pipelines/train/brain-mmse.yaml``. For 20 and for 100
brains to learn from, three networks of different seeds each learn masks and score together (fixed or learned
weights of the losses), the score alone, or the masks alone; all are scored on 60 other brains. Beside them
stands a trivial rule: a straight line through the share of dark voxels inside the brain; and the ceiling: the
mean of the MMSE at the true severity, which no reader of images can beat.

Run: ``python benchmarks/score_head.py FOLDER``; trainings that are found in the folder are not repeated.
"""

import argparse
import json
import platform
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from medpipe.data.cases import CaseSet, SegmentationCase
from medpipe.data.reading import read_case
from medpipe.inference.evaluation import score_cases, summarise_scores
from medpipe.inference.score_evaluation import ScoreResult, score_results, summarise_results
from medpipe.inference.segmenter import Segmenter
from medpipe.inference.tiling import Tiling
from medpipe.metrics.bootstrap import bootstrap_difference
from medpipe.models.registry import build_network
from medpipe.simulate.brain_phantoms import expected_mmse, write_phantom_brains
from medpipe.tasks.segmentation import SegmentationTask
from medpipe.training.checkpoints import network_state
from medpipe.training.segmentation.fit import fit, network_arguments
from medpipe.training.segmentation.recipe import TrainingRecipe, read_recipe
from medpipe.training.segmentation.score_values import fit_scores, score_values
from medpipe.training.segmentation.workflow import read_cases

RESULTS = Path("benchmarks/results/score_head.json")
RECIPE = Path("pipelines/train/brain-mmse.yaml")
SIZES, SEEDS = (100, 20), (0, 1, 2)
NUM_TEST, FIRST_TEST = 60, 10_000
MODES = ("joint", "score alone", "masks alone", "joint, learned weights")
JOINT = (MODES[0], MODES[3])
SCORE = "mmse"
DARK = 0.5
"""Of the median inside the brain: fluid, for the trivial rule."""


def train_and_score(
    mode: str, size: int, seed: int, train: CaseSet, test: CaseSet, folder: Path, steps: int
) -> dict[str, Any]:
    """Return the predicted scores and the mean Dice of each test case of one training."""
    place = folder / f"{mode.replace(', ', '-').replace(' ', '-')}-{size}-{seed}"
    done = place / "scored.json"
    if done.exists():
        return dict(json.loads(done.read_text()))
    recipe = recipe_of(mode, seed, steps)
    cases = train.cases[:size]
    if mode == "score alone":
        cases = tuple(replace(case, mask=None) for case in cases)
    checkpoint = fit(recipe, cases, (), place).checkpoint
    network = build_network(recipe.network.name, network_arguments(recipe))
    network.load_state_dict(network_state(checkpoint))
    segmenter = Segmenter(network, recipe.preprocessing, Tiling(recipe.preprocessing.patch_shape))
    scored = score_cases(segmenter, SegmentationTask(recipe.labels), test.cases)
    results = score_results(scored, test.cases, fit_scores(recipe.scores, score_values(recipe.scores, cases)))
    found = {
        "predicted": [item.predicted for item in results],
        "dice": [] if mode == "score alone" else [item.mean_dice for item in scored],
        "dice_by_structure": {
            item.structure: item.mean for item in summarise_scores(scored) if item.metric == "dice"
        },
    }
    done.write_text(json.dumps(found))
    return found


def recipe_of(mode: str, seed: int, steps: int) -> TrainingRecipe:
    changes = [f"schedule.seed={seed}", f"schedule.steps={steps}"]
    if mode == "joint, learned weights":
        changes.append("loss.weighting=learned")
    if mode == "masks alone":
        changes += ["scores=[]", "loss.weights={}"]
    return read_recipe(RECIPE, overrides=tuple(changes))


def dark_share(case: SegmentationCase) -> float:
    image = read_case(case).volumes["image"].array[0].numpy()
    smooth = ndimage.gaussian_filter(image, 0.7)
    brain = ndimage.binary_fill_holes(ndimage.binary_closing(smooth > 0.5 * np.percentile(smooth, 90)))
    brain = ndimage.binary_erosion(brain, iterations=3)
    return float((smooth[brain] < DARK * np.median(smooth[brain])).mean())


def trivial_rule(train: tuple[SegmentationCase, ...], test: CaseSet) -> list[float]:
    shares, truth = [dark_share(case) for case in train], truth_of(train)
    slope, offset = np.polyfit(shares, truth, 1)
    return [float(np.clip(offset + slope * dark_share(case), 0, 30)) for case in test.cases]


def truth_of(cases: tuple[SegmentationCase, ...]) -> list[float]:
    return [float(case.facts[SCORE]) for case in cases]


def figures(predicted: list[float], test: CaseSet) -> dict[str, Any]:
    results = [
        ScoreResult(case.id, SCORE, value, truth)
        for case, value, truth in zip(test.cases, predicted, truth_of(test.cases), strict=True)
    ]
    return {
        item.metric: {
            "value": round(item.mean, 3),
            "interval": [round(item.interval.low, 3), round(item.interval.high, 3)],
        }
        for item in summarise_results(results)
    }


def pooled(runs: list[dict[str, Any]], key: str) -> np.ndarray:
    """Return ``(cases, seeds)``."""
    return np.stack([np.array(run[key]) for run in runs], axis=1)


def summary_of(mode: str, runs: list[dict[str, Any]], test: CaseSet) -> dict[str, Any]:
    summary: dict[str, Any] = {"seeds": len(runs)}
    if mode != "masks alone":
        each = [figures(run["predicted"], test) for run in runs]
        for metric in ("mean_absolute_error", "correlation"):
            values = [item[metric]["value"] for item in each]
            summary[metric] = {"by_seed": values, "mean": round(float(np.mean(values)), 3)}
    if mode != "score alone":
        dice = pooled(runs, "dice").mean(axis=0)
        summary["dice"] = {
            "by_seed": [round(float(value), 4) for value in dice],
            "mean": round(float(dice.mean()), 4),
        }
    return summary


def differences(runs: dict[str, list[dict[str, Any]]], test: CaseSet) -> dict[str, Any]:
    """Return joint minus single, over the same test brains, each the mean of its seeds."""
    truth = np.array(truth_of(test.cases))[:, None]
    errors = {
        mode: np.abs(pooled(runs[mode], "predicted") - truth).mean(axis=1)
        for mode in MODES
        if mode != "masks alone"
    }
    dice = {mode: pooled(runs[mode], "dice").mean(axis=1) for mode in MODES if mode != "score alone"}
    found = {}
    for name, values, single in (("absolute error", errors, "score alone"), ("dice", dice, "masks alone")):
        for joint in JOINT:
            interval = bootstrap_difference(values[joint], values[single], statistic=np.mean, seed=0)
            found[f"{name}: {joint} - {single}"] = {
                "mean": round(float((values[joint] - values[single]).mean()), 4),
                "interval": [round(interval.low, 4), round(interval.high, 4)],
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="gets the brains and the trainings")
    parser.add_argument("--steps", type=int, default=1200)
    given = parser.parse_args()
    train, test = (
        read_cases(write_phantom_brains(given.folder / name, range(first, first + count)))
        for name, first, count in (("train", 0, max(SIZES)), ("test", FIRST_TEST, NUM_TEST))
    )
    ceiling = [expected_mmse(float(case.facts["severity"])) for case in test.cases]
    summary: dict[str, Any] = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "data": "simulated brains, 4 mm",
        "steps": given.steps,
        "test_brains": NUM_TEST,
        "ceiling": figures(ceiling, test),
        "sizes": {},
    }
    runs = {size: {mode: [] for mode in MODES} for size in SIZES}
    for seed, size, mode in product(SEEDS, SIZES, MODES):
        print(f"{mode}, {size} brains, seed {seed}", flush=True)
        runs[size][mode].append(train_and_score(mode, size, seed, train, test, given.folder, given.steps))
    for size in SIZES:
        summary["sizes"][str(size)] = {
            "trivial rule": figures(trivial_rule(train.cases[:size], test), test),
            **{mode: summary_of(mode, runs[size][mode], test) for mode in MODES},
            "differences": differences(runs[size], test),
        }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
