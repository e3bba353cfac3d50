"""Stage ``segment``: a model package's label map and the volumes of its structures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import Field

from medpipe.core.case import Case, Mask
from medpipe.core.findings import Laterality
from medpipe.runs.stage import Good, Params, Resource, Stage, StageContext
from medpipe.zoo.finder import find_package

if TYPE_CHECKING:
    from medpipe.core.views import ViewRequest
    from medpipe.core.volume import Volume
    from medpipe.inference.segmenter import Segmenter
    from medpipe.inference.views import MergedLabels
    from medpipe.transforms.recipe import Recipe

_SIDES: Final = (Laterality.LEFT, Laterality.RIGHT)


class SegmentParams(Params):
    """Parameters of ``segment``."""

    package: str = Field(description="Model package: a name, or a folder such as ./packages/hippocampus.")
    side: Literal["", "left", "right"] = Field(
        default="", description="Side that the image shows, for packages that know the left side only."
    )
    overlap: float = Field(
        default=0.5, ge=0.0, lt=1.0, description="Share of a patch that it has in common with the next one."
    )


class Segment(Stage):
    """Segments each image's channels with a package and states the volume of each structure."""

    name: ClassVar[str] = "segment"
    version: ClassVar[str] = "1"
    resource: ClassVar[Resource] = Resource.GPU
    takes: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.MASKS, Good.FINDINGS})
    answers: ClassVar[frozenset[Good]] = frozenset({Good.VIEWS})
    params_type: ClassVar[type[Params]] = SegmentParams

    def __init__(self, params: SegmentParams) -> None:
        self._params = params
        self._package = find_package(params.package)
        self._segmenter: Segmenter | None = None

    @classmethod
    def assets(cls, params: Params) -> dict[str, str]:
        """Return the digest of the package: another version is another pipeline."""
        assert isinstance(params, SegmentParams)
        return {params.package: find_package(params.package).digest}

    def open(self, device: str) -> None:
        """Load the network, once a worker."""
        from medpipe.inference.segmenter import load_segmenter

        self._segmenter = load_segmenter(self._package, device, overlap=self._params.overlap)

    def __call__(self, case: Case, context: StageContext) -> Case:
        """Segment the package's channels; both sides, where ``locate`` cut them out."""
        channels = [channel.name for channel in self._package.manifest.preprocessing.channels]
        sides = [side for side in _SIDES if f"{channels[0]}_{side}" in case.images]
        if not sides:
            side = Laterality(self._params.side) if self._params.side else None
            return self._segment(case, {name: name for name in channels}, side)
        for side in sides:
            case = self._segment(case, {name: f"{name}_{side}" for name in channels}, side)
        return case

    def _segment(self, case: Case, roles: dict[str, str], side: Laterality | None) -> Case:
        """Segment one set of channels; ``roles`` names the image of each."""
        from medpipe.core.volume import Volume
        from medpipe.tasks.segmentation import MaskPlace, SegmentationTask

        if self._segmenter is None:
            raise RuntimeError("the stage was not opened")
        manifest = self._package.manifest
        images = {channel: case.images.get(role) for channel, role in roles.items()}
        volumes = {channel: image for channel, image in images.items() if isinstance(image, Volume)}
        if case.views is None:
            labels, view_counts = self._segmenter.segment(volumes, side=side), None
        else:
            merged = self._segment_views(self._segmenter, volumes, case.views, side)
            labels, view_counts = merged.labels, merged.counts
        channel, role = next(iter(roles.items()))
        name = f"{role}_{manifest.name}"
        place = MaskPlace(mask=name, source=role, made_by=self._package.maker, laterality=side)
        task = SegmentationTask(manifest.labels)
        findings = task.findings(labels, volumes[channel].grid, place, view_counts=view_counts)
        names = {label.value: label.code.meaning for label in manifest.labels}
        mask = Mask(labels=labels, role=role, names=names)
        return case.adding(findings=findings).with_(masks={**case.masks, name: mask})

    def _segment_views(
        self,
        segmenter: "Segmenter",
        volumes: "Mapping[str, Volume]",
        request: "ViewRequest",
        side: Laterality | None,
    ) -> "MergedLabels":
        """Segment views too, without mirror images that the package would take for the other side."""
        from medpipe.inference.views import segment_views
        from medpipe.transforms.recipe import Recipe
        from medpipe.transforms.view_recipe import recipe_of_views

        recipe = Recipe.model_validate_json(request.recipe)
        recipe = recipe_of_views(recipe, may_mirror=side is None and self._may_mirror(recipe))
        return segment_views(segmenter, volumes, recipe, copies=request.copies, seed=request.seed, side=side)

    def _may_mirror(self, recipe: "Recipe") -> bool:
        """Whether the package knows both sides, and the recipe exchanges every label that names one."""
        manifest = self._package.manifest
        sided = {label.value for label in manifest.labels if label.laterality in _SIDES}
        pairs = recipe.flips.swap_labels if recipe.flips else ()
        exchanged = {value for pair in pairs for value in pair}
        return not manifest.preprocessing.mirror_right and sided <= exchanged
