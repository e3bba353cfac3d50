"""The part of a recipe that makes views."""

import pytest

from medpipe.core.body_axes import BodyAxis
from medpipe.core.errors import SettingsError
from medpipe.transforms.recipe import Affine, Flips, Recipe, named_recipes, read_recipe
from medpipe.transforms.view_recipe import recipe_of_views

TURNS = Affine(probability=0.2, scale=(0.9, 1.1))


def recipe(affine: Affine | None, *axes: BodyAxis, probability: float = 0.5) -> Recipe:
    flips = Flips(probability=probability, axes=axes, swap_labels=((1, 2),)) if axes else None
    return Recipe(name="own", affine=affine, flips=flips)


@pytest.mark.parametrize("name", sorted(named_recipes()))
def test_of_each_recipe_that_comes_with_medpipe_what_can_be_undone_is_kept(name: str) -> None:
    whole, of_views = read_recipe(name), recipe_of_views(read_recipe(name))
    assert whole.affine is not None
    assert of_views.affine == whole.affine.model_copy(update={"probability": 1.0})
    kept = ("name", "modality", "border", "fill", "flips")
    assert all(getattr(of_views, field) == getattr(whole, field) for field in kept)
    assert of_views.elastic is None
    assert of_views.noise is None
    assert recipe_of_views(of_views) == of_views


def test_every_view_moves() -> None:
    both = recipe_of_views(recipe(TURNS, "left_right"))
    assert (both.affine and both.affine.probability, both.flips and both.flips.probability) == (1.0, 0.5)
    alone = recipe_of_views(recipe(None, "head_foot"))
    assert alone.flips
    assert alone.flips.probability == 1.0
    never = recipe_of_views(recipe(TURNS, "head_foot", probability=0))
    assert never.flips is None


def test_mirrors_are_left_out_where_sides_matter() -> None:
    found = recipe_of_views(recipe(None, "left_right", "head_foot"), may_mirror=False)
    assert found.flips
    assert found.flips.axes == ("head_foot",)
    assert found.flips.swap_labels == ()
    assert recipe_of_views(recipe(TURNS, "left_right"), may_mirror=False).flips is None


def test_recipes_that_make_no_views_are_refused() -> None:
    with pytest.raises(SettingsError, match="'own' makes no views: found no affine and no flips"):
        recipe_of_views(recipe(None))
    with pytest.raises(SettingsError, match="no affine and no flips"):
        recipe_of_views(recipe(TURNS.model_copy(update={"probability": 0.0})))
    with pytest.raises(SettingsError, match="found left-right flips alone, where sides matter"):
        recipe_of_views(recipe(None, "left_right"), may_mirror=False)
