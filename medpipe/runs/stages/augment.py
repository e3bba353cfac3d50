"""Stage ``augment``: asks the model stages after it to predict moved views of the images too."""

import hashlib
from typing import ClassVar

from pydantic import Field

from medpipe.core.case import Case
from medpipe.core.views import ViewRequest
from medpipe.runs.stage import Good, Params, Resource, Stage, StageContext
from medpipe.transforms.recipe import Recipe, read_recipe
from medpipe.transforms.view_recipe import recipe_of_views


class AugmentParams(Params):
    """Parameters of ``augment``."""

    recipe: str = Field(
        description="Augmentation recipe, or a YAML file; views take its affine and flips alone."
    )
    views: int = Field(default=4, ge=1, description="Moved views beside the image itself.")


class Augment(Stage):
    """Lets the model stages after it predict moved views too; merged, their spread is the interval."""

    name: ClassVar[str] = "augment"
    version: ClassVar[str] = "1"
    resource: ClassVar[Resource] = Resource.CPU
    takes: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.VIEWS})
    params_type: ClassVar[type[Params]] = AugmentParams

    def __init__(self, params: AugmentParams) -> None:
        self._params = params
        self._recipe = _read(params)

    @classmethod
    def assets(cls, params: Params) -> dict[str, str]:
        """Return the digest of what the recipe says of views; a recipe that makes none is refused."""
        assert isinstance(params, AugmentParams)
        return {params.recipe: hashlib.sha256(_read(params).model_dump_json().encode()).hexdigest()}

    def __call__(self, case: Case, context: StageContext) -> Case:
        """Ask for views; refuse images of another modality before any model runs."""
        for image in case.images.values():
            self._recipe.check_modality(image.modality)
        request = ViewRequest(
            recipe=self._recipe.model_dump_json(), copies=self._params.views, seed=context.seed
        )
        return case.with_(views=request)


def _read(params: AugmentParams) -> Recipe:
    return recipe_of_views(read_recipe(params.recipe))
