"""A case: what stages pass on, from the images read to the findings made."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from medpipe.core.errors import ShapeError
from medpipe.core.findings import Finding, FindingsRecord, Maker, QualityFlag
from medpipe.core.source import Source
from medpipe.core.views import ViewRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from medpipe.core.patient_record import PatientRecord
    from medpipe.core.planar import Planar
    from medpipe.core.slice_stack import SliceStack
    from medpipe.core.volume import Volume

    Image = Volume | SliceStack | Planar


@dataclass(frozen=True)
class Figure:
    """A picture drawn during the run.

    Attributes:
        name: File name without suffix, such as ``"mosaic_axial"``.
        title: Heading in the report.
        caption: What it shows and how to read it.
        webp: The encoded picture.
        alt: Words in its place for those who cannot see it.
    """

    name: str
    title: str
    caption: str
    webp: bytes
    alt: str


@dataclass(frozen=True, eq=False)
class Mask:
    """A label map on the grid of one image.

    Attributes:
        labels: ``(I, J, K)`` uint8 or uint16; 0 is background.
        role: The image whose grid it lies on.
        names: The structure of each label value.
    """

    labels: "npt.NDArray[np.integer[Any]]"
    role: str
    names: Mapping[int, str]


@dataclass(frozen=True, eq=False)
class Case:
    """One unit of work on its way through the stages; frozen, changed by ``with_``.

    Attributes:
        id: Study id or shard id (a keyed hash).
        sources: Provenance of each image by role; stays when the images are dropped.
        images: Volume, SliceStack or Planar by role.
        masks: Label maps by name.
        records: Patients of a record shard; empty for studies.
        tables: Output tables by name.
        texts: Text files of the study folder by relative path, such as ``counts.json``.
        findings: What stages found, in their order.
        flags: What a reader of the results must know.
        figures: Pictures drawn so far.
        views: Moved copies that stages after this one are to predict too; None for none.
        cards: The card of each model that was used, in Markdown, by its maker.
    """

    id: str
    sources: Mapping[str, Source] = field(default_factory=dict)
    images: "Mapping[str, Image]" = field(default_factory=dict)
    masks: Mapping[str, Mask] = field(default_factory=dict)
    records: "tuple[PatientRecord, ...]" = ()
    tables: "Mapping[str, pa.Table]" = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    flags: tuple[QualityFlag, ...] = ()
    figures: tuple[Figure, ...] = ()
    views: ViewRequest | None = None
    cards: Mapping[Maker, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Mapping):
                object.__setattr__(self, item.name, MappingProxyType(dict(value)))

    def with_(self, **changes: Any) -> "Case":
        """Return a case with some fields replaced; mappings become read-only copies."""
        return replace(self, **changes)

    def adding(
        self,
        *,
        findings: tuple[Finding, ...] = (),
        flags: tuple[QualityFlag, ...] = (),
        figures: tuple[Figure, ...] = (),
    ) -> "Case":
        """Return a case with more findings, flags and figures.

        Raises:
            ShapeError: A finding or figure of that id exists already.
        """
        merged = replace(
            self,
            findings=self.findings + findings,
            flags=self.flags + flags,
            figures=self.figures + figures,
        )
        for kind, names in (
            ("finding", [item.id for item in (*merged.findings, *merged.flags)]),
            ("figure", [figure.name for figure in merged.figures]),
        ):
            twice = sorted(name for name, count in Counter(names).items() if count > 1)
            if twice:
                raise ShapeError(f"Each {kind} needs an id of its own", found=f"{', '.join(twice)} twice")
        return merged

    def record(self) -> FindingsRecord:
        """Return the findings record: flags first, then findings."""
        return FindingsRecord(study=self.id, findings=(*self.flags, *self.findings))
