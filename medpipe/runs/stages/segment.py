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
        """Segment the package's channels; both sides, where ``locate`` cut them out."""
        channels = [channel.name for channel in self._package.manifest.preprocessing.channels]
        sides = [
            side for side in (Laterality.LEFT, Laterality.RIGHT) if f"{channels[0]}_{side}" in case.images
        ]
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
        labels = self._segmenter.segment(volumes, side=side)
        channel, role = next(iter(roles.items()))
        name = f"{role}_{manifest.name}"
        place = MaskPlace(mask=name, source=role, made_by=self._package.maker, laterality=side)
        findings = SegmentationTask(manifest.labels).findings(labels, volumes[channel].grid, place)
        names = {label.value: label.code.meaning for label in manifest.labels}
        mask = Mask(labels=labels, role=role, names=names)
        return case.adding(findings=findings).with_(masks={**case.masks, name: mask})
