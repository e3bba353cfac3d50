"""Stage ``segment``: a model package's label map and the volumes of its structures."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from medpipe.core.case import Case, Mask
from medpipe.core.findings import Laterality
from medpipe.runs.stage import Good, Params, Resource, Stage, StageContext
from medpipe.zoo.finder import find_package

if TYPE_CHECKING:
    from medpipe.inference.segmenter import Segmenter


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
        """Segment the images that the package names as its channels."""
        from medpipe.core.volume import Volume
        from medpipe.tasks.segmentation import MaskPlace, SegmentationTask

        if self._segmenter is None:
            raise RuntimeError("the stage was not opened")
        manifest = self._package.manifest
        volumes = {role: image for role, image in case.images.items() if isinstance(image, Volume)}
        side = Laterality(self._params.side) if self._params.side else None
        labels = self._segmenter.segment(volumes, side=side)
        role = manifest.preprocessing.channels[0].name
        name = f"{role}_{manifest.name}"
        place = MaskPlace(mask=name, source=role, made_by=self._package.maker, laterality=side)
        findings = SegmentationTask(manifest.labels).findings(labels, volumes[role].grid, place)
        mask = Mask(
            labels=labels, role=role, names={label.value: label.code.meaning for label in manifest.labels}
        )
        return case.adding(findings=findings).with_(masks={**case.masks, name: mask})
