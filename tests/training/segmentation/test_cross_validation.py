"""The pooled figures of a cross-validation stand for a network that is trained on all cases."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.inference.evaluation import read_scores
from medpipe.training.card import PackageFacts
from medpipe.training.folds import Fold
from medpipe.training.segmentation.recipe import TrainingRecipe
from medpipe.training.segmentation.workflow import read_cases, train_segmentation

FACTS = PackageFacts("0.1.0", "Simulated blobs.", "CC0", "CC0-1.0", "Simulated data only.", "pytest")


@pytest.fixture
def folds(make_recipe: Callable[..., TrainingRecipe], blob_folder: Path, tmp_path: Path) -> tuple[Path, ...]:
    folders = (tmp_path / "fold-1", tmp_path / "fold-2")
    for index, folder in enumerate(folders, start=1):
        train_segmentation(make_recipe(steps=2), read_cases(blob_folder), folder, FACTS, fold=Fold(index, 2))
    return folders


def test_figures_stand_in_the_card(
    folds: tuple[Path, ...],
    make_recipe: Callable[..., TrainingRecipe],
    blob_folder: Path,
    tmp_path: Path,
) -> None:
    cases = read_cases(blob_folder)
    result = train_segmentation(
        make_recipe(steps=4), cases, tmp_path / "all", FACTS, validation=0.0, figures_from=folds
    )
    assert result.package is not None
    assert {item.num_cases for item in result.figures if item.metric == "dice"} == {len(cases.cases)}
    each = [score.mean_dice for folder in folds for score in read_scores(folder / "scores.csv")]
    (dice,) = (item.mean for item in result.figures if item.metric == "dice")
    assert dice == pytest.approx(np.mean(each))
    card = (result.package.path / "card.md").read_text()
    assert "Cross-validation in 2 folds over the same 6 cases" in card
    assert "for 2 steps" in card
    assert "This network: 4 optimiser steps" in card


def test_figures_of_another_recipe_are_refused(
    folds: tuple[Path, ...],
    make_recipe: Callable[..., TrainingRecipe],
    blob_folder: Path,
    tmp_path: Path,
) -> None:
    recipe = make_recipe(steps=4, batch_size=3)
    with pytest.raises(SettingsError, match=r"another recipe.*found other values in: schedule"):
        train_segmentation(
            recipe, read_cases(blob_folder), tmp_path / "all", FACTS, validation=0.0, figures_from=folds
        )


@pytest.mark.parametrize(
    ("chosen", "state"), [((0,), "not scored: .* and 2 more"), ((0, 1, 1), "scored twice")]
)
def test_figures_must_score_every_case_once(
    chosen: tuple[int, ...],
    state: str,
    folds: tuple[Path, ...],
    make_recipe: Callable[..., TrainingRecipe],
    blob_folder: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(SettingsError, match=state):
        train_segmentation(
            make_recipe(steps=4),
            read_cases(blob_folder),
            tmp_path / "all",
            FACTS,
            validation=0.0,
            figures_from=[folds[index] for index in chosen],
        )


def test_figures_do_not_go_with_cases_kept_for_validation(
    folds: tuple[Path, ...],
    make_recipe: Callable[..., TrainingRecipe],
    blob_folder: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(SettingsError, match="trained on all cases"):
        train_segmentation(
            make_recipe(steps=4), read_cases(blob_folder), tmp_path / "all", FACTS, figures_from=folds
        )


@pytest.mark.parametrize("content", ["case,structure\na,b\n", "case,structure,dice\na,b,much\n"])
def test_table_that_holds_no_scores_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(content)
    with pytest.raises(SettingsError, match="no table of scores"):
        read_scores(tmp_path / "scores.csv")


def test_missing_scores_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match=r"no file .*scores\.csv"):
        read_scores(tmp_path / "scores.csv")
