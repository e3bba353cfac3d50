"""What an index knows of images before their pixels are read."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from medpipe.core.errors import RefusedError
from medpipe.core.source import GeometryNote, SourceKind


class Form(StrEnum):
    """The value that an image is read into."""

    VOLUME = "volume"
    """Evenly spaced slices on a proven grid; uneven ones are refused."""
    SLICES = "slices"
    """Parallel slices, each with its own position; uneven spacing is flagged."""
    PLANAR = "planar"
    """A radiograph."""


class Trait(StrEnum):
    """Why a series may be set aside when a pipeline chooses its input."""

    LOCALIZER = "localizer"
    DERIVED = "derived"
    SECONDARY = "secondary capture"
    COLOUR = "colour"
    TIME_SERIES = "time series"


@dataclass(frozen=True)
class Limits:
    """Budgets that hold before anything is allocated.

    Attributes:
        max_voxels: Voxels of one image, all frames together.
        max_ratio: Bytes out for each byte in of a general-purpose compressed stream (gzip, deflate).
            Ratios up to ``free_bytes`` of output are not judged: empty masks compress very well.
        free_bytes: Output size below which the ratio is not judged.
    """

    max_voxels: int = 2_000_000_000
    max_ratio: float = 200.0
    free_bytes: int = 256 * 1024 * 1024


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True)
class Series:
    """One image of a study: what can be read into one value.

    Attributes:
        uid: SeriesInstanceUID, or the sha256 of the file for other formats.
        part: Counts the parts that one DICOM series was split into, from 0.
        kind: File format.
        files: Absolute paths; slices are sorted when they are read, not here.
        num_bytes: Sum of the file sizes.
        modality: DICOM modality; empty where the file states none.
        form: The best form it may take by its headers (``VOLUME`` for cross-sectional images).
        num_slices: Slices or frames.
        size: ``(columns, rows)`` in pixels, or the first two axes of a NIfTI image.
        traits: Reasons to set it aside.
        facts: Technical facts for people, such as the SOP class or the transfer syntax.
        notes: Flags raised while indexing.
        refusal: Why it cannot be read at all, where that is known already.
    """

    uid: str
    kind: SourceKind
    files: tuple[str, ...]
    num_bytes: int
    modality: str
    form: Form
    num_slices: int
    size: tuple[int, int]
    part: int = 0
    traits: frozenset[Trait] = frozenset()
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[GeometryNote, ...] = ()
    refusal: RefusedError | None = None


@dataclass(frozen=True)
class Study:
    """A unit of work: all series that share a study UID, or one file of another format.

    Attributes:
        uid: StudyInstanceUID, the sha256 of a file, or the hash of a group of files.
        series: Its images, ordered by uid and part.
        paths: Files relative to the root that was indexed, for messages and ``mapping.csv``.
        others: Number of its DICOM objects that hold no image (SR, KO, PR, SEG, RTSTRUCT).
        patient: PatientID as the header states it; goes nowhere but the patient hash and ``mapping.csv``.
        name: A name from outside the header (BIDS entities or the file name).
        study_datetime: As the header states it, ISO 8601; may be empty.
    """

    uid: str
    series: tuple[Series, ...]
    paths: tuple[str, ...]
    others: int = 0
    patient: str = ""
    name: str = ""
    study_datetime: str = ""


@dataclass(frozen=True)
class Skipped:
    """A file that is no image, or an entry that cannot be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class TreeIndex:
    """What a tree holds.

    Attributes:
        studies: Ordered by uid.
        skipped: Files that are no images, links to what is seen already, FIFOs, sockets, unreadable folders.
        num_files: All entries seen but folders that were entered; each is in exactly one study or in
            ``skipped``. A hidden folder or the folder of an earlier run is one entry.
    """

    studies: tuple[Study, ...]
    skipped: tuple[Skipped, ...]
    num_files: int
