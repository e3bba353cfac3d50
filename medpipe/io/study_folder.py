"""The study folder: findings, sources, provenance and pictures of one study, read without torch."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, Field, ValidationError

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.findings import SCHEMA_VERSION, FindingsRecord, Maker, SchemaVersion, Value
from medpipe.core.source import Source

ModelT = TypeVar("ModelT", bound=BaseModel)

FINDINGS: Final = "findings.json"
SOURCE: Final = "source.json"
PROVENANCE: Final = "provenance.json"
FIGURES: Final = "figures"
FIGURE_LIST: Final = "figures/figures.json"
MASKS: Final = "masks"
MASK_LIST: Final = "masks/masks.json"
TABLES: Final = "tables"
CARDS: Final = "cards"
REPORT: Final = "report.html"


class ImageSummary(Value):
    """What a report says of an image's geometry.

    Attributes:
        form: ``"volume"``, ``"slices"`` or ``"planar"``.
        modality: DICOM modality; empty where the file states none.
        size: Voxels along each array axis.
        spacing_mm: Along the same axes; empty where not known.
        orientation: Axis codes such as ``"LPS"``; empty for planar images.
        is_oblique: Whether an axis is not parallel to a world axis.
        tilt_degrees: Shear of the slices against their normal.
        extent_mm: Field of view along the array axes, outer faces included; empty where not known.
        facts: More facts for people, such as the range of slice gaps.
    """

    form: str
    modality: str
    size: tuple[int, ...]
    spacing_mm: tuple[float, ...] = ()
    orientation: str = ""
    is_oblique: bool = False
    tilt_degrees: float = 0.0
    extent_mm: tuple[float, ...] = ()
    facts: dict[str, str] = Field(default_factory=dict)


class ImageSource(Value):
    """One image of the study: geometry and where it came from."""

    summary: ImageSummary
    source: Source


class StudySource(Value):
    """Content of ``source.json``: the images by role."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    study: str
    images: dict[str, ImageSource] = Field(default_factory=dict)


class Gift(Value):
    """What one stage added: ids and names, so that a finished stage can be reused."""

    findings: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    cards: tuple[Maker, ...] = ()


class StageRecord(Value):
    """One stage as it ran.

    Attributes:
        stage: Name of the stage.
        version: Version of its code.
        key: Hash over inputs, parameters, package and version, and the key before it.
        params: The parameters it ran with.
        assets: Digests of model packages and the like.
        gave: What it added.
    """

    stage: str
    version: str
    key: str
    params: dict[str, Any] = Field(default_factory=dict)
    assets: dict[str, str] = Field(default_factory=dict)
    gave: Gift = Gift()


class Provenance(Value):
    """Content of ``provenance.json``: how the findings were made; no clock, host or device.

    Attributes:
        pipeline: Name of the pipeline.
        medpipe: Version of medpipe.
        libraries: Versions of the libraries that numbers depend on.
        stages: In the order they ran.
    """

    schema_version: SchemaVersion = SCHEMA_VERSION
    pipeline: str
    medpipe: str
    libraries: dict[str, str] = Field(default_factory=dict)
    stages: tuple[StageRecord, ...] = ()


class FigureEntry(Value):
    """A picture of the study folder; ``file`` is relative to ``figures/``."""

    name: str
    file: str
    title: str
    caption: str
    alt: str


class FigureList(Value):
    """Content of ``figures/figures.json``."""

    figures: tuple[FigureEntry, ...] = ()


class MaskEntry(Value):
    """A label map of the study folder: the image it lies on and its structures."""

    role: str
    names: dict[int, str]


class MaskList(Value):
    """Content of ``masks/masks.json``."""

    masks: dict[str, MaskEntry] = Field(default_factory=dict)


@dataclass(frozen=True)
class StudyFolder:
    """A study folder on disk, read on demand."""

    path: Path

    @cached_property
    def findings(self) -> FindingsRecord:
        """The findings record."""
        return self._read(FINDINGS, FindingsRecord)

    @cached_property
    def source(self) -> StudySource:
        """Images and where they came from."""
        return self._read(SOURCE, StudySource)

    @cached_property
    def provenance(self) -> Provenance:
        """How the findings were made."""
        return self._read(PROVENANCE, Provenance)

    @cached_property
    def figures(self) -> tuple[FigureEntry, ...]:
        """Pictures drawn during the run; empty where none were."""
        if not (self.path / FIGURE_LIST).exists():
            return ()
        return self._read(FIGURE_LIST, FigureList).figures

    @cached_property
    def cards(self) -> dict[Maker, str]:
        """Cards of the models that were used, in Markdown, by their makers' names."""
        paths = sorted((self.path / CARDS).glob("*.md"))
        return {_maker_of(path.stem): path.read_text(encoding="utf-8") for path in paths}

    def figure_bytes(self, entry: FigureEntry) -> bytes:
        """Return the encoded picture (WebP)."""
        return (self.path / FIGURES / Path(entry.file).name).read_bytes()

    def _read(self, name: str, model: type[ModelT]) -> ModelT:
        path = self.path / name
        try:
            return model.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise RefusedError(
                Code.E_HEADER,
                f"The study folder {self.path.name} is not complete",
                found=f"no {name}",
                fix="Run the pipeline on the study again.",
            ) from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise RefusedError(
                Code.E_HEADER,
                f"{name} of the study folder {self.path.name} is not valid",
                found=f"{where}: {first['msg']}",
                fix="Run the pipeline on the study again.",
            ) from error


def card_file(maker: Maker) -> str:
    """Return the name of a model's card in the folder ``cards/``, such as ``hippocampus-1.0.0.md``."""
    return f"{maker.name}-{maker.version}.md"


def _maker_of(stem: str) -> Maker:
    # Names may hold hyphens, versions are numbers and full stops.
    name, _, version = stem.rpartition("-")
    return Maker(name=name, version=version)
