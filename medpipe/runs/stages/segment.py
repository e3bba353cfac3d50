"""Stage ``segment``: a model package's label map, the volumes of its structures and pictures of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from medpipe.core.body_axes import BodyAxis
from medpipe.core.case import Case, Mask
from medpipe.core.codes import Code
from medpipe.core.findings import Laterality, Measurement, Structure
from medpipe.inference.mirroring import mirrored_axes
from medpipe.runs.stage import Good, Params, Resource, Stage, StageContext
from medpipe.runs.stages.segmentation_flags import segmentation_flags
from medpipe.runs.stages.sides import SIDES, side_role, sides_of
from medpipe.zoo.finder import find_package

if TYPE_CHECKING:
    from medpipe.core.grid import Grid
    from medpipe.core.views import ViewRequest
    from medpipe.core.volume import Volume
    from medpipe.inference.segmenter import Segmentation, Segmenter
    from medpipe.transforms.recipe import Recipe


class SegmentParams(Params):
    """Parameters of ``segment``."""

    package: str = Field(description="Model package: a name, or a folder such as ./packages/hippocampus.")
    side: Literal["", "left", "right"] = Field(
        default="", description="Side that the image shows, for packages that know the left side only."
    )
    whole: str = Field(
        default="", description="What the package's structures are together; its volume is stated too."
    )
    largest: bool = Field(
        default=False,
        description="Keep the largest connected object of all structures together; what lies apart goes.",
    )
    min_object_ml: float = Field(
        default=0.0, ge=0.0, description="Drop objects of a structure that are smaller than this."
    )
    max_objects: int = Field(
        default=0, ge=0, description="Keep this many objects of each structure, the largest; 0 keeps all."
    )
    fill_holes: bool = Field(
        default=False, description="Give background that one structure alone encloses to that structure."
    )
    measures: tuple[Literal["intensity", "centre"], ...] = Field(
        default=(),
        description="State of each structure beside its volume: its mean intensity, in HU or, but for CT, in "
        "arbitrary units; the centre of its voxels in mm.",
    )
    overlap: float | None = Field(
        default=None,
        ge=0.0,
        lt=1.0,
        description="Share of a patch that it has in common with the next one; what the package states, or "
        "else 0.5, where it is left out.",
    )
    mirror: tuple[BodyAxis, ...] = Field(
        default=(),
        description="Predict mirror images along these axes too and average; each axis doubles the time.",
    )
    precision: Literal["auto", "full", "half"] = Field(
        default="auto", description="Arithmetic of the network: auto is half on a GPU, full on a CPU."
    )
    compiled: Literal["auto", "always", "never"] = Field(
        default="auto", description="Compile the network, once for this machine: auto is on a GPU alone."
    )


@dataclass(frozen=True)
class _Target:
    """What is segmented at a time.

    Attributes:
        roles: Role of the image of each channel.
        whole: Role of the image that the mask lies on: the head, where the first channel is a side of it.
        side: Side of the patient; None where it is not known.
    """

    roles: dict[str, str]
    whole: str
    side: Laterality | None

    @property
    def role(self) -> str:
        """Role of the first channel's image."""
        return next(iter(self.roles.values()))


class Segment(Stage):
    """Segments each image's channels with a package and states the volume of each structure."""

    name: ClassVar[str] = "segment"
    version: ClassVar[str] = "3"
    resource: ClassVar[Resource] = Resource.GPU
    takes: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.MASKS, Good.FINDINGS, Good.FIGURES})
    answers: ClassVar[frozenset[Good]] = frozenset({Good.VIEWS})
    params_type: ClassVar[type[Params]] = SegmentParams

    def __init__(self, params: SegmentParams) -> None:
        self._params = params
        self._package = find_package(params.package)
        self._segmenter: Segmenter | None = None

    @classmethod
    def assets(cls, params: Params) -> dict[str, str]:
        """Return the digest of the package; one that must not be mirrored as asked is refused."""
        assert isinstance(params, SegmentParams)
        package = find_package(params.package)
        mirrored_axes(package.segmentation, params.mirror)
        return {params.package: package.digest}

    def open(self, device: str) -> None:
        """Load the network, once a worker."""
        from medpipe.inference.segmenter import load_segmenter
        from medpipe.tasks.cleaning import Cleaning

        params = self._params
        self._segmenter = load_segmenter(
            self._package,
            device,
            overlap=params.overlap,
            mirror=params.mirror,
            half=None if params.precision == "auto" else params.precision == "half",
            compiled=None if params.compiled == "auto" else params.compiled == "always",
            cleaning=Cleaning(params.largest, params.min_object_ml, params.max_objects, params.fill_holes),
        )

    def __call__(self, case: Case, context: StageContext) -> Case:
        """Segment the package's channels; both sides, where ``locate`` cut them out."""
        from medpipe.tasks.volumes import asymmetries

        volumes: dict[Laterality | None, tuple[Structure | Measurement, ...]] = {}
        for target in self._targets(case):
            case, volumes[target.side] = self._segment(case, target)
        if Laterality.LEFT in volumes and Laterality.RIGHT in volumes:
            differences = asymmetries(volumes[Laterality.LEFT], volumes[Laterality.RIGHT])
            case = case.adding(findings=differences)
        return case.with_(cards={**case.cards, self._package.maker: self._package.card})

    def _targets(self, case: Case) -> list[_Target]:
        channels = [channel.name for channel in self._package.segmentation.preprocessing.channels]
        sides = sides_of(case, channels[0])
        if not sides:
            side = Laterality(self._params.side) if self._params.side else None
            return [_Target({name: name for name in channels}, channels[0], side)]
        return [
            _Target({name: side_role(name, side) for name in channels}, channels[0], side) for side in sides
        ]

    def _segment(self, case: Case, target: _Target) -> tuple[Case, tuple[Structure | Measurement, ...]]:
        """Return the case with what one target gave, and its volumes."""
        from medpipe.core.volume import Volume
        from medpipe.transforms.structure_crop import paste_labels

        manifest = self._package.segmentation
        images = {channel: case.images.get(role) for channel, role in target.roles.items()}
        volumes = {channel: image for channel, image in images.items() if isinstance(image, Volume)}
        merged = self._predict(volumes, case.views, target.side)
        image, whole = case.images[target.role], case.images[target.whole]
        assert isinstance(image, Volume)
        assert isinstance(whole, Volume)
        name = f"{target.role}_{manifest.name}"
        found = self._volumes(name, target, image.grid, merged)
        mask = Mask(
            labels=paste_labels(merged.labels, image.grid, whole.grid),
            role=target.whole,
            names={label.value: label.code.meaning for label in manifest.labels},
        )
        case = self._with_pictures(case, target, whole, mask)
        findings = (*self._measured(case, found, mask), *self._scores(target, merged))
        case = case.adding(findings=findings, flags=segmentation_flags(merged, found, manifest.labels))
        return case.with_(masks={**case.masks, name: mask}), found

    def _predict(
        self, volumes: "Mapping[str, Volume]", request: "ViewRequest | None", side: Laterality | None
    ) -> "Segmentation":
        """Segment volumes, and views of them where they are asked for."""
        if self._segmenter is None:
            raise RuntimeError("the stage was not opened")
        if request is None:
            return self._segmenter.segment(volumes, side=side)
        return self._segment_views(self._segmenter, volumes, request, side)

    def _volumes(
        self, mask: str, target: _Target, grid: "Grid", merged: "Segmentation"
    ) -> tuple[Structure | Measurement, ...]:
        """Return the volume of each structure, and of the whole where it has a name."""
        from medpipe.tasks.segmentation import MaskPlace, SegmentationTask
        from medpipe.tasks.volumes import total_volume

        place = MaskPlace(mask=mask, source=target.role, made_by=self._package.maker, laterality=target.side)
        task = SegmentationTask(self._package.segmentation.labels)
        found = task.findings(merged.labels, grid, place, view_counts=merged.view_counts)
        if not self._params.whole:
            return found
        spread = task.total_spread(merged.view_counts, grid)
        return *found, total_volume(found, self._params.whole, uncertainty=spread)

    def _scores(self, target: _Target, merged: "Segmentation") -> tuple[Measurement, ...]:
        """Return what the score head read of the image."""
        from medpipe.tasks.scores import ScoreTask

        if merged.scores is None:
            return ()
        task = ScoreTask(self._package.segmentation.scores)
        return task.findings(
            merged.scores, source=target.role, made_by=self._package.maker, laterality=target.side
        )

    def _measured(
        self, case: Case, found: tuple[Structure | Measurement, ...], mask: Mask
    ) -> tuple[Structure | Measurement, ...]:
        """Return what was found with what else is wanted of it, by the image as it was scanned."""
        from medpipe.core.volume import Volume
        from medpipe.tasks.structure_measures import mean_intensities, with_centres

        structures = tuple(item for item in found if isinstance(item, Structure))
        others = found[len(structures) :]
        image = case.images[mask.role]
        assert isinstance(image, Volume)
        if "centre" in self._params.measures:
            structures = with_centres(structures, mask.labels, image.grid)
        if "intensity" in self._params.measures:
            for channel in self._package.segmentation.preprocessing.channels:
                image = case.images[channel.name]
                assert isinstance(image, Volume)
                others += mean_intensities(
                    structures, mask.labels, image, role=channel.name, modality=channel.modality
                )
        return *structures, *others

    def _with_pictures(self, case: Case, target: _Target, whole: "Volume", mask: Mask) -> Case:
        from medpipe.figures.overlay import draw_overlays

        whole_name = self._params.whole or self._package.manifest.name
        title = f"{target.side or ''} {whole_name}".strip().capitalize()
        figures = draw_overlays(
            whole.array[0].numpy(),
            whole.affine,
            mask.labels,
            names=mask.names,
            title=title,
            suffix=target.role,
            is_oriented=all(note.code is not Code.W_NO_FORM for note in whole.source.notes),
        )
        return case.adding(figures=figures)

    def _segment_views(
        self,
        segmenter: "Segmenter",
        volumes: "Mapping[str, Volume]",
        request: "ViewRequest",
        side: Laterality | None,
    ) -> "Segmentation":
        """Segment views too, without mirror images that the package would take for the other side."""
        from medpipe.inference.views import segment_views
        from medpipe.transforms.recipe import Recipe
        from medpipe.transforms.view_recipe import recipe_of_views

        recipe = Recipe.model_validate_json(request.recipe)
        recipe = recipe_of_views(recipe, may_mirror=side is None and self._may_mirror(recipe))
        return segment_views(segmenter, volumes, recipe, copies=request.copies, seed=request.seed, side=side)

    def _may_mirror(self, recipe: "Recipe") -> bool:
        """Whether the package knows both sides, and the recipe exchanges every label that names one."""
        manifest = self._package.segmentation
        sided = {label.value for label in manifest.labels if label.laterality in SIDES}
        pairs = recipe.flips.swap_labels if recipe.flips else ()
        exchanged = {value for pair in pairs for value in pair}
        return not manifest.preprocessing.mirror_right and sided <= exchanged
