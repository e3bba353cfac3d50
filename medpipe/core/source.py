"""Where an image came from: identifiers and geometry notes, without pixels."""

from enum import StrEnum
from math import isfinite

from pydantic import Field

from medpipe.core.codes import Code
from medpipe.core.findings import Maker, QualityFlag, Value, flag


class SourceKind(StrEnum):
    """The file format an image was read from."""

    DICOM = "dicom"
    NIFTI = "nifti"
    PICTURE = "picture"
    MEMORY = "memory"


class SopReference(Value):
    """One DICOM instance, or one frame of it (``frame`` counts from 1, as DICOM does)."""

    sop_class_uid: str
    sop_instance_uid: str
    frame: int | None = None


class GeometryNote(Value):
    """A flag raised while the geometry was proven, such as ``W_TILT``.

    Attributes:
        code: A ``W_`` code.
        message: What was done, for people.
        found: The value that was seen, with its unit.
    """

    code: Code
    message: str
    found: str = ""


class GeometryCheck(Value):
    """One proof of the geometry, as the report shows it.

    Attributes:
        name: What was checked, such as ``"slices evenly spaced"``.
        passed: Whether it held.
        found: The value that was seen, with its unit.
        limit: The tolerance it was held against, with its unit.
    """

    name: str
    passed: bool
    found: str = ""
    limit: str = ""


class Source(Value):
    """Provenance of one image.

    Attributes:
        kind: File format.
        sha256: Hash over the bytes of the file; of several, over their hashes in slice order.
        study_uid: StudyInstanceUID; empty where the format has none.
        series_uid: SeriesInstanceUID; empty where the format has none.
        frame_of_reference_uid: FrameOfReferenceUID; empty where the format has none.
        study_datetime: Date and time of the study as the header states them, ISO 8601; may be empty.
        instances: The SOP instance of each slice, in slice order; empty for other formats.
        acquisition: Technical facts of the header that identify nobody (allow-listed).
        checks: Proofs of the geometry, passed or not.
        notes: Flags raised while reading.
    """

    kind: SourceKind
    sha256: str = ""
    study_uid: str = ""
    series_uid: str = ""
    frame_of_reference_uid: str = ""
    study_datetime: str = ""
    instances: tuple[SopReference, ...] = ()
    acquisition: dict[str, str] = Field(default_factory=dict)
    checks: tuple[GeometryCheck, ...] = ()
    notes: tuple[GeometryNote, ...] = ()

    @property
    def window(self) -> tuple[float, float] | None:
        """Lowest and highest value that the header's first window shows; None where slices state none alike.

        Source:
            PS3.3 C.11.2.1.2.1: the default linear function.
        """
        texts = [self.acquisition.get(name, "").split("\\")[0] for name in ("window_centre", "window_width")]
        try:
            centre, width = map(float, texts)
        except ValueError:
            return None
        if not (isfinite(centre) and isfinite(width) and width > 1):
            return None
        return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2

    def with_notes(self, *notes: GeometryNote) -> "Source":
        """Return a copy with more notes."""
        return self.model_copy(update={"notes": (*self.notes, *notes)})


def flags_of_notes(notes: tuple[GeometryNote, ...], *, source: str, maker: Maker) -> tuple[QualityFlag, ...]:
    """Turn notes into quality flags; several of one code get a number."""
    seen: dict[Code, int] = {}
    flags = []
    for note in notes:
        count = seen[note.code] = seen.get(note.code, 0) + 1
        suffix = str(count) if count > 1 else ""
        flags.append(
            flag(note.code, note.message, found=note.found, source=source, made_by=maker, suffix=suffix)
        )
    return tuple(flags)
