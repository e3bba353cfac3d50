"""The part of a recipe that makes views: what can be undone, taken every time. Imports no torch."""

from typing import TypeVar

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.transforms.recipe import Recipe, Step

AnyStep = TypeVar("AnyStep", bound=Step)


def recipe_of_views(recipe: Recipe, *, may_mirror: bool = True) -> Recipe:
    """Return a recipe that has the steps of views alone and takes them every time.

    A view that did not move would repeat the image, and make a model look surer than it is: the affine is
    always taken, or a flip where there is no affine.

    Args:
        recipe: Its flips and affine are kept, where they are ever taken.
        may_mirror: Whether left and right may be exchanged.

    Raises:
        SettingsError: Nothing is left.
    """
    affine, flips = _ever(recipe.affine), _ever(recipe.flips)
    if flips is not None and not may_mirror:
        axes = tuple(axis for axis in flips.axes if axis != "left_right")
        flips = flips.model_copy(update={"axes": axes, "swap_labels": ()}) if axes else None
    if affine is None and flips is None:
        raise SettingsError(
            Code.E_SETTINGS,
            f"The recipe {recipe.name!r} makes no views",
            found="no affine and no flips" if may_mirror else "left-right flips alone, where sides matter",
            fix="Choose a recipe that turns, scales or shifts.",
        )
    return Recipe(
        name=recipe.name,
        modality=recipe.modality,
        border=recipe.border,
        fill=recipe.fill,
        flips=_taken(flips) if affine is None else flips,
        affine=_taken(affine),
    )


def _ever(step: AnyStep | None) -> AnyStep | None:
    return step if step is not None and step.probability else None


def _taken(step: AnyStep | None) -> AnyStep | None:
    return None if step is None else step.model_copy(update={"probability": 1.0})
