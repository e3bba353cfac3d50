"""Cross-validation: pooled scores of finished folds, as figures for a network trained on all cases."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.data.cases import CaseSet
from medpipe.inference.evaluation import read_scores, summarise_scores
from medpipe.inference.score_evaluation import PREDICTIONS, read_results, summarise_results
from medpipe.training.folds import check_each_once
from medpipe.training.segmentation.packaging import Evidence
from medpipe.training.segmentation.recipe import TrainingRecipe, read_recipe
from medpipe.training.trainer import RECIPE

SCORES: Final = "scores.csv"

_MAY_DIFFER: Final = frozenset({"steps", "validate_every"})
"""Of the schedule: folds may be trained for a shorter time than the network that ships; the card says so."""


def pooled_evidence(folders: Sequence[Path], recipe: TrainingRecipe, case_set: CaseSet) -> Evidence:
    """Return the figures of a cross-validation: each case scored by the fold that has not seen it.

    Args:
        folders: Of the finished folds, each with its recipe and its scores.
        recipe: Of the network that the figures shall stand for; schedules may differ in their steps.
        case_set: The cases of both.

    Raises:
        NoInputError: A folder holds no scores.
        SettingsError: A fold was trained by another recipe, or the folds do not score every case once.
    """
    recipes = [_fold_recipe(folder, recipe) for folder in folders]
    scores = [score for folder in folders for score in read_scores(folder / SCORES)]
    check_each_once(
        [score.case_id for score in scores],
        {case.id for case in case_set.cases if case.mask},
        {case.id for case in case_set.cases},
        done="scored",
    )
    scores.sort(key=lambda score: score.case_id)  # the bootstrap draws by position
    steps = " or ".join(str(number) for number in sorted({fold.schedule.steps for fold in recipes}))
    words = (
        f"Cross-validation in {len(folders)} folds over the same {len(scores)} cases: each is scored by a "
        f"network that has not seen it, trained with the settings of this one for {steps} steps (the command "
        f"below with `--fold 1/{len(folders)}` and so on and `--set schedule.steps={steps}`, without "
        "`--validation` and `--figures-from`)."
    )
    figures = summarise_scores(scores)
    if not recipe.scores:
        return Evidence(figures, words)
    results = [result for folder in folders for result in read_results(folder / PREDICTIONS)]
    results.sort(key=lambda result: result.case_id)
    return Evidence((*figures, *summarise_results(results)), words, tuple(results))


def _fold_recipe(folder: Path, recipe: TrainingRecipe) -> TrainingRecipe:
    found = read_recipe(folder / RECIPE)
    wanted, given = _comparable(recipe), _comparable(found)
    differing = sorted(name for name in wanted if wanted[name] != given[name])
    if differing:
        raise SettingsError(
            Code.E_SETTINGS,
            f"The fold in {folder} was trained by another recipe",
            found=f"other values in: {', '.join(differing)}",
            fix="Train the folds by the same recipe; in its schedule only steps and validate_every are free.",
        )
    return found


def _comparable(recipe: TrainingRecipe) -> dict[str, Any]:
    data: dict[str, Any] = recipe.model_dump(mode="json")
    data["schedule"] = {key: value for key, value in data["schedule"].items() if key not in _MAY_DIFFER}
    return data
