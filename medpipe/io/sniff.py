"""What a file is by its first bytes, whatever its name."""

import os
import stat
from enum import StrEnum
from pathlib import Path
from typing import Final

from isal import isal_zlib

from medpipe.io.dicom.elements import looks_like_dicom
from medpipe.io.gzip_stream import GZIP_MAGIC
from medpipe.io.nifti_header import HEADER_BYTES

_HEAD_BYTES: Final = 4096
_TAR_MAGIC: Final = slice(257, 262)
_ARCHIVE_MAGICS: Final = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"BZh",
    b"\xfd7zXZ\0",
)
_NIFTI_1_MAGIC: Final = slice(344, 347)
_NIFTI_2_MAGIC: Final = slice(4, 7)
_NIFTI_MAGICS: Final = frozenset({b"n+1", b"ni1", b"n+2", b"ni2"})


class FileType(StrEnum):
    """The kinds of file that an index tells apart."""

    DICOM = "DICOM"
    NIFTI = "NIfTI"
    NIFTI_PAIR = "NIfTI header of a pair"
    PICTURE = "picture"
    ARCHIVE = "archive"
    EMPTY = "empty file"
    OTHER = "no image"
    NOT_REGULAR = "neither file nor folder"


_IMAGE_SUFFIXES: Final = {
    ".dcm": FileType.DICOM,
    ".nii": FileType.NIFTI,
    ".nii.gz": FileType.NIFTI,
    ".png": FileType.PICTURE,
    ".jpg": FileType.PICTURE,
    ".jpeg": FileType.PICTURE,
}


def sniff(path: Path) -> FileType:
    """Read the first bytes of a file.

    A FIFO or device that took the file's place meanwhile is never waited for.

    Raises:
        OSError: The file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return FileType.NOT_REGULAR
        head = os.read(descriptor, _HEAD_BYTES)
    finally:
        os.close(descriptor)
    if not head.startswith(GZIP_MAGIC):
        return _type_of(head)
    try:
        kind = _type_of(isal_zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES))
    except isal_zlib.IsalError:  # type: ignore[misc]  # the stub lacks type[]
        kind = FileType.OTHER
    # A stream that is damaged from its start has only its name to tell that it was an image.
    promised = type_by_name(path.name)
    if kind in (FileType.OTHER, FileType.EMPTY) and promised is FileType.NIFTI:
        return FileType.NIFTI
    return kind if kind in (FileType.NIFTI, FileType.NIFTI_PAIR, FileType.ARCHIVE) else FileType.OTHER


def type_by_name(name: str) -> FileType:
    """Return what a file claims to be by its name; ``OTHER`` where that is no image."""
    lowered = name.lower()
    return next(
        (kind for suffix, kind in _IMAGE_SUFFIXES.items() if lowered.endswith(suffix)), FileType.OTHER
    )


def _type_of(head: bytes) -> FileType:
    if not head:
        return FileType.EMPTY
    if looks_like_dicom(head):
        return FileType.DICOM
    nifti_magic = _nifti_magic(head)
    if nifti_magic:
        return FileType.NIFTI_PAIR if nifti_magic.startswith(b"ni") else FileType.NIFTI
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return FileType.PICTURE
    if head.startswith(_ARCHIVE_MAGICS) or head[_TAR_MAGIC] == b"ustar":
        return FileType.ARCHIVE
    return FileType.OTHER


def _nifti_magic(head: bytes) -> bytes:
    sizes = {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}
    if not sizes & HEADER_BYTES.keys():
        return b""
    return next((head[at] for at in (_NIFTI_1_MAGIC, _NIFTI_2_MAGIC) if head[at] in _NIFTI_MAGICS), b"")
