"""Recipes of classifiers: those that come with medpipe, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from medpipe.models.registry import build_network, count_parameters
from medpipe.training.classification.fit import network_arguments
from medpipe.training.classification.recipe import ClassificationRecipe, read_classification_recipe
from medpipe.zoo.writing import MAX_PARAMETERS

RECIPE = Path(__file__).resolve().parents[3] / "pipelines" / "train" / "nodule-malignancy.yaml"


def test_recipe_of_nodules_makes_a_network_that_may_ship() -> None:
    recipe = read_classification_recipe(RECIPE)
    network = build_network(recipe.network.name, network_arguments(recipe))
    assert 0 < count_parameters(network) < MAX_PARAMETERS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": []}, "stages"),
        ({"scores": [{"kind": "regression", "name": "spot", "code": None}]}, "code"),
        ({"task": "segmentation"}, "task"),
        ({"labels": []}, "labels"),
    ],
)
def test_what_is_no_recipe_is_refused(
    recipe: ClassificationRecipe, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ClassificationRecipe.model_validate({**recipe.model_dump(), **changes})


def test_a_label_cannot_be_a_score_too(recipe: ClassificationRecipe) -> None:
    score = {**recipe.scores[0].model_dump(), "name": "spot"}
    with pytest.raises(ValueError, match="'spot' is both a label and a score"):
        ClassificationRecipe.model_validate({**recipe.model_dump(), "scores": [score]})
