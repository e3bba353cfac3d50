"""Recipes of kidney injury: the one that comes with medpipe, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from medpipe.core.errors import SettingsError
from medpipe.training.kidney.recipe import KidneyRecipe, read_kidney_recipe

RECIPE = Path(__file__).resolve().parents[3] / "pipelines" / "train" / "aki.yaml"


def test_recipe_that_ships_names_its_baseline() -> None:
    recipe = read_kidney_recipe(RECIPE)
    assert recipe.task.kind == "aki48"
    assert "baseline history, else rolling-minimum" in recipe.task.words
    assert recipe.task.horizons_h[-1] == 72


def test_task_may_be_changed_from_outside() -> None:
    recipe = read_kidney_recipe(RECIPE, overrides=("task={kind: yaib6, drop_after_onset: true}",))
    assert recipe.task.horizons_h == (6,)
    assert "left out" in recipe.task.words


def test_baseline_has_no_default() -> None:
    with pytest.raises(SettingsError, match="baseline"):
        read_kidney_recipe(RECIPE, overrides=("task={kind: aki48}",))


def test_keys_that_do_not_fit_are_told_without_the_whole_recipe() -> None:
    with pytest.raises(
        SettingsError, match=r"alert_horizon_h must be one of the horizons, \[6.0, 12.0"
    ) as told:
        read_kidney_recipe(RECIPE, overrides=("alert_horizon_h=7",))
    assert "optimiser" not in str(told.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": []}, "seeds"),
        ({"labs": ["glucose"]}, "labs"),
        ({"split": {"test": 0.0}}, "test"),
        ({"window": 0}, "window"),
    ],
)
def test_what_is_no_recipe_is_refused(
    kidney_recipe: KidneyRecipe, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        KidneyRecipe.model_validate({**kidney_recipe.model_dump(), **changes})
