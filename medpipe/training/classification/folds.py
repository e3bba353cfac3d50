"""Cross-validation: pooled answers of finished folds, as figures for a network trained on all studies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.data.studies import StudySet
from medpipe.inference.score_evaluation import PREDICTIONS, ScoreResult, read_results
from medpipe.inference.study_evaluation import ANSWERS, StudyAnswerResult, read_answers
from medpipe.training.classification.recipe import ClassificationRecipe, read_classification_recipe
from medpipe.training.folds import check_each_once
from medpipe.training.trainer import RECIPE


def pooled_results(
    folders: Sequence[Path], recipe: ClassificationRecipe, study_set: StudySet
) -> tuple[tuple[StudyAnswerResult, ...], tuple[ScoreResult, ...], str]:
    """Return the answers and scores of a cross-validation, and how they were got, in words.

    Args:
        folders: Of the finished folds, each with its recipe and its answers.
        recipe: Of the network that the figures shall stand for.
        study_set: The studies of both.

    Raises:
        NoInputError: A folder holds no answers.
        SettingsError: A fold was trained by another recipe, or the folds do not answer about every study
            once.
    """
    for folder in folders:
        _check_recipe(folder, recipe)
    answers = [item for folder in folders for item in read_answers(folder / ANSWERS)]
    _check_studies(answers, study_set)
    scores = (
        [item for folder in folders for item in read_results(folder / PREDICTIONS)] if recipe.scores else []
    )
    num_studies = len({item.case_id for item in answers})
    words = (
        f"Cross-validation in {len(folders)} folds over the same {num_studies} studies, answers pooled: each "
        "study is answered by a network that has not seen it or its patient, trained with the settings of "
        f"this one (the command below with `--fold 1/{len(folders)}` and so on, without `--validation` and "
        "`--figures-from`). The pooled answers also gave the calibration and the thresholds, which flatters "
        "all but the first two figures of a label a little."
    )
    # The bootstrap draws by position.
    answers.sort(key=lambda item: (item.label, item.case_id))
    scores.sort(key=lambda item: (item.score, item.case_id))
    return tuple(answers), tuple(scores), words


def _check_recipe(folder: Path, recipe: ClassificationRecipe) -> None:
    wanted: dict[str, Any] = recipe.model_dump(mode="json")
    given: dict[str, Any] = read_classification_recipe(folder / RECIPE).model_dump(mode="json")
    if differing := sorted(name for name in wanted if wanted[name] != given[name]):
        raise SettingsError(
            Code.E_SETTINGS,
            f"The fold in {folder} was trained by another recipe",
            found=f"other values in: {', '.join(differing)}",
            fix="Train the folds by the same recipe.",
        )


def _check_studies(answers: Sequence[StudyAnswerResult], study_set: StudySet) -> None:
    asked = {item.label for item in answers}
    known = {
        f"{case.id} ({label})"
        for case in study_set.cases
        for label, truth in case.labels.items()
        if truth in (0.0, 1.0) and label in asked
    }
    check_each_once([f"{item.case_id} ({item.label})" for item in answers], known, known, done="answered")
