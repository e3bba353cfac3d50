"""Faults of single DICOM files: bytes, headers, pixel layout (C.4 rows 1 to 8, 22, 23)."""

import zlib
from io import BytesIO
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless

from medpipe.core.codes import Code
from medpipe.simulate.faults.registry import flagged, refused, skipped
from medpipe.simulate.faults.series import good_datasets, save_all

_PREAMBLE_AND_MAGIC: Final = 132
_BOMB_SIDE: Final = 16384
_MEGABYTE: Final = 1 << 20
_GARBAGE: Final = bytes(range(256)) * 4


@refused(Code.E_EMPTY)
def empty_dicom(folder: Path, seed: str) -> None:
    """A file named .dcm holds no bytes."""
    (folder / "empty.dcm").touch()


@skipped()
def text_named_dicom(folder: Path, seed: str) -> None:
    """A text file is named .dcm."""
    (folder / "notes.dcm").write_text(f"These are notes, not an image ({seed}).\n")


@flagged(Code.W_PREAMBLE)
def preamble_missing(folder: Path, seed: str) -> None:
    """The DICOM files start without preamble and magic word."""
    for index, dataset in enumerate(good_datasets(seed, description="no preamble"), start=1):
        (folder / f"IM{index:04d}.dcm").write_bytes(_encoded(dataset)[_PREAMBLE_AND_MAGIC:])


@flagged(Code.W_EXECUTABLE)
def preamble_executable(folder: Path, seed: str) -> None:
    """The preamble holds the header of an executable."""
    for index, dataset in enumerate(good_datasets(seed, description="executable preamble"), start=1):
        (folder / f"IM{index:04d}.dcm").write_bytes(b"MZ" + _encoded(dataset)[2:])


@refused(Code.E_HEADER)
def header_cut(folder: Path, seed: str) -> None:
    """A file ends within its header."""
    content = _encoded(good_datasets(seed, description="header cut")[0])
    (folder / "IM0001.dcm").write_bytes(content[:400])


@refused(Code.E_TRUNCATED)
def pixels_short(folder: Path, seed: str) -> None:
    """One file of a series ends within its pixels."""
    save_all(good_datasets(seed, description="short pixels"), folder)
    path = folder / "IM0005.dcm"
    path.write_bytes(path.read_bytes()[:-500])


@refused(Code.E_BUDGET)
def rows_and_columns_huge(folder: Path, seed: str) -> None:
    """1.5 kB of pixels claim to be 65535 rows and columns."""
    dataset = good_datasets(seed, description="65535 x 65535")[0]
    dataset.Rows = dataset.Columns = 65535
    dataset.PixelData = dataset.PixelData[:1500]
    save_all([dataset], folder)


@refused(Code.E_TRUNCATED)
def frames_claimed(folder: Path, seed: str) -> None:
    """One frame of pixels claims to be 100,000 frames."""
    dataset = good_datasets(seed, description="100000 frames")[0]
    dataset.NumberOfFrames = 100_000
    save_all([dataset], folder)


@refused(Code.E_RATIO)
def deflate_bomb(folder: Path, seed: str) -> None:
    """Half a megabyte of deflated data set expands to 512 MB."""
    dataset = good_datasets(seed, description="deflate bomb")[0]
    dataset.Rows = dataset.Columns = _BOMB_SIDE
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    del dataset.PixelData
    plain = BytesIO()
    dataset.save_as(plain, enforce_file_format=True)
    header, dataset_bytes = _split_deflated(plain.getvalue())
    num_bytes = _BOMB_SIDE * _BOMB_SIDE * 2
    pixels_tag = b"\xe0\x7f\x10\x00OW\x00\x00" + num_bytes.to_bytes(4, "little")
    body = deflated_zeros(dataset_bytes + pixels_tag, num_bytes)
    (folder / "IM0001.dcm").write_bytes(header + body)


@refused(Code.E_BITS)
def bits_allocated_12(folder: Path, seed: str) -> None:
    """The header states 12 allocated bits."""
    datasets = good_datasets(seed, description="12 bits allocated")
    for dataset in datasets:
        dataset.BitsAllocated = dataset.BitsStored = 12
        dataset.HighBit = 11
    save_all(datasets, folder)


@refused(Code.E_DECODE)
def jpeg2000_garbage(folder: Path, seed: str) -> None:
    """The JPEG 2000 stream of one slice is garbage behind a valid start."""
    datasets = good_datasets(seed, description="garbage JPEG 2000")
    for dataset in datasets:
        dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    damaged = datasets[2]
    damaged.PixelData = encapsulate([bytes.fromhex("ff4fff51") + _GARBAGE])
    damaged["PixelData"].VR = "OB"
    save_all(datasets, folder)


def deflated_zeros(start: bytes, num_zeros: int) -> bytes:
    """Return a raw deflate stream of ``start`` and then whole megabytes of zeros, about 1000 to 1.

    A fully flushed block stands on its own, so that one is compressed and then repeated.
    """
    compressor = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    head = compressor.compress(start) + compressor.flush(zlib.Z_FULL_FLUSH)
    block = compressor.compress(bytes(_MEGABYTE)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return head + block * (num_zeros // _MEGABYTE) + compressor.flush(zlib.Z_FINISH)


def _encoded(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _split_deflated(content: bytes) -> tuple[bytes, bytes]:
    """Return the file meta group as it stands and the data set behind it, inflated."""
    meta_length = int.from_bytes(content[_PREAMBLE_AND_MAGIC + 8 :][:4], "little")
    end = _PREAMBLE_AND_MAGIC + 12 + meta_length
    return content[:end], zlib.decompress(content[end:], wbits=-zlib.MAX_WBITS)
