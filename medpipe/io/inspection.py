"""One file of a tree, inspected: a DICOM header, an image of another format, or no image and why."""

from dataclasses import dataclass, replace
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import SourceKind
from medpipe.io.bids import parse_bids
from medpipe.io.content_hash import sha256_of
from medpipe.io.dicom.headers import Header, read_header
from medpipe.io.nifti_header import index_nifti
from medpipe.io.picture_header import index_picture
from medpipe.io.series import Form, Series, Trait
from medpipe.io.sniff import FileType, sniff, type_by_name
from medpipe.io.walk import FoundFile

_KIND_OF_TYPE: Final = {
    FileType.DICOM: SourceKind.DICOM,
    FileType.NIFTI: SourceKind.NIFTI,
    FileType.PICTURE: SourceKind.PICTURE,
}


@dataclass(frozen=True)
class Inspected:
    """What a file turned out to be: exactly one of ``header``, ``series`` and ``reason`` is set.

    Attributes:
        found: The file.
        header: Of a sound DICOM file, with an image or without.
        series: An image of another format, or one that is refused already.
        reason: Why the file is skipped.
        voxels: The ``.img`` file of a NIfTI pair, where it lies in the tree too.
    """

    found: FoundFile
    header: Header | None = None
    series: Series | None = None
    reason: str = ""
    voxels: FoundFile | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its files, for people."""
        return (self.found.label, self.voxels.label) if self.voxels else (self.found.label,)


def inspect_file(found: FoundFile) -> Inspected:
    """Tell what a file is by its content; never raises for what the file holds."""
    try:
        return _inspect_as(sniff(found.path), found)
    except FileNotFoundError:
        return Inspected(found, reason="vanished while it was indexed")
    except OSError as error:
        return Inspected(found, reason=f"{Code.E_UNREADABLE}: {error.strerror}")


def _inspect_as(kind: FileType, found: FoundFile) -> Inspected:
    path = found.path
    match kind:
        case FileType.DICOM:
            return _inspect_dicom(found)
        case FileType.NIFTI | FileType.NIFTI_PAIR:
            return Inspected(found, series=_with_name(index_nifti(path), path.name))
        case FileType.PICTURE:
            return Inspected(found, series=index_picture(path))
        case FileType.ARCHIVE:
            return Inspected(found, reason=f"{Code.E_ARCHIVE}: {Code.E_ARCHIVE.meaning}")
        case FileType.EMPTY if (promised := type_by_name(path.name)) is not FileType.OTHER:
            refusal = RefusedError(Code.E_EMPTY, "The file holds no bytes")
            return Inspected(found, series=_refused(found, _KIND_OF_TYPE[promised], refusal))
        case _:
            return Inspected(found, reason=kind.value)


def _inspect_dicom(found: FoundFile) -> Inspected:
    try:
        header = read_header(found.path)
    except RefusedError as error:
        if error.code is Code.E_SYNTAX:
            return Inspected(found, reason=FileType.OTHER.value)
        return Inspected(found, series=_refused(found, SourceKind.DICOM, error))
    if header.is_directory:
        return Inspected(found, reason="DICOMDIR: never followed, its files are found by walking")
    if not header.study_uid:
        return Inspected(found, reason="DICOM object outside of any study")
    return Inspected(found, header=header)


def _with_name(series: Series, name: str) -> Series:
    """Add what the file name says, which NIfTI headers do not."""
    bids = parse_bids(name)
    traits = series.traits | {Trait.DERIVED} if bids.is_mask else series.traits
    return replace(series, modality=bids.modality, traits=traits)


def _refused(found: FoundFile, kind: SourceKind, refusal: RefusedError) -> Series:
    return Series(
        uid=sha256_of([found.path]),
        kind=kind,
        files=(str(found.path),),
        num_bytes=found.path.stat().st_size,
        modality="",
        form=Form.PLANAR if kind is SourceKind.PICTURE else Form.VOLUME,
        num_slices=0,
        size=(0, 0),
        refusal=refusal,
    )
