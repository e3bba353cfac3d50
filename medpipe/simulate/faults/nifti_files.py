"""Faults of NIfTI files: streams, sizes, forms, values (C.4 rows 1, 2 and 9 to 18)."""

import gzip
import zlib
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.core.volume import Volume
from medpipe.simulate.faults.dicom_files import deflated_zeros
from medpipe.simulate.faults.registry import flagged, refused, skipped
from medpipe.simulate.phantom import orientation_affine
from medpipe.simulate.small_ct import small_ct

_NAME: Final = "scan.nii.gz"
_HEADER_BYTES: Final = 352
_DIM_OFFSET: Final = 40
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
_BOMB_SHAPE: Final = (1024, 1024, 200)
_MEGABYTE: Final = 1 << 20


@refused(Code.E_EMPTY)
def empty_nifti(folder: Path, seed: str) -> None:
    """A file named .nii.gz holds no bytes."""
    (folder / _NAME).touch()


@skipped()
def text_named_nifti(folder: Path, seed: str) -> None:
    """A text file is named .nii.gz."""
    (folder / _NAME).write_text(f"These are notes, not an image ({seed}).\n")


@refused(Code.E_RATIO)
def gzip_bomb(folder: Path, seed: str) -> None:
    """Less than half a megabyte of gzip expands to 400 MB."""
    header = _nifti_bytes(np.zeros((1, 1, 1), np.int16), seed)[:_HEADER_BYTES]
    header = _with_dims(header, _BOMB_SHAPE)
    num_zeros = int(np.prod(_BOMB_SHAPE)) * 2
    checksum = zlib.crc32(header)
    for _ in range(num_zeros // _MEGABYTE):
        checksum = zlib.crc32(bytes(_MEGABYTE), checksum)
    trailer = checksum.to_bytes(4, "little") + (_HEADER_BYTES + num_zeros).to_bytes(4, "little")
    (folder / _NAME).write_bytes(_GZIP_HEADER + deflated_zeros(header, num_zeros) + trailer)


@refused(Code.E_BUDGET)
def dims_huge(folder: Path, seed: str) -> None:
    """A header alone claims 4000 x 4000 x 1000 voxels."""
    header = _nifti_bytes(np.zeros((1, 1, 1), np.int16), seed)[:_HEADER_BYTES]
    _write(folder, _with_dims(header, (4000, 4000, 1000)))


@refused(Code.E_DIMS)
def dims_negative(folder: Path, seed: str) -> None:
    """A dimension is negative."""
    _write(folder, _with_dims(_small_nifti(seed), (32, -32, 12)))


@refused(Code.E_CHECKSUM)
def gzip_checksum(folder: Path, seed: str) -> None:
    """A bit of the stream is flipped: it inflates, and its checksum is wrong."""
    stream = bytearray(_gzip(_small_nifti(seed)))
    stream[-6] ^= 0x10  # within the stored checksum, so that the stream itself stays readable
    (folder / _NAME).write_bytes(bytes(stream))


@refused(Code.E_TRUNCATED)
def gzip_truncated(folder: Path, seed: str) -> None:
    """A compressed file ends half way."""
    stream = _gzip(_small_nifti(seed))
    (folder / _NAME).write_bytes(stream[: len(stream) // 2])


@refused(Code.E_TRUNCATED)
def nifti_truncated(folder: Path, seed: str) -> None:
    """An uncompressed file ends half way."""
    content = _small_nifti(seed)
    (folder / "scan.nii").write_bytes(content[: len(content) // 2])


@flagged(Code.W_NAN)
def voxels_nan(folder: Path, seed: str) -> None:
    """Some voxels are not finite numbers."""
    values = _small().array[0].numpy().copy()
    values[3, 4, 5], values[6, 7, 8] = np.nan, np.inf
    _write(folder, _nifti_bytes(values, seed))


@refused(Code.E_AFFINE)
def affine_singular(folder: Path, seed: str) -> None:
    """One column of the affine is zero."""
    affine = _small().affine.copy()
    affine[:3, 1] = 0.0
    _write(folder, _small_nifti(seed, sform=affine))


@refused(Code.E_FORMS)
def forms_mirrored(folder: Path, seed: str) -> None:
    """The qform is mirrored against the sform: left and right are not known."""
    affine = _small().affine
    _write(folder, _small_nifti(seed, sform=affine, qform=np.diag([-1.0, 1.0, 1.0, 1.0]) @ affine))


@flagged(Code.W_NO_FORM)
def forms_absent(folder: Path, seed: str) -> None:
    """Both form codes are zero: the header states no orientation."""
    image = _image(_small().array[0].numpy(), seed)
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    _write(folder, image.to_bytes())


@refused(Code.E_DIMS)
def dims_four(folder: Path, seed: str) -> None:
    """A time series stands where one volume is expected."""
    values = _small().array[0].numpy()
    _write(folder, _nifti_bytes(np.stack([values] * 3, axis=-1), seed))


@refused(Code.E_DIMS)
def dims_five(folder: Path, seed: str) -> None:
    """A vector field of five dimensions stands where one volume is expected."""
    values = _small().array[0].numpy()
    _write(folder, _nifti_bytes(np.stack([values] * 3, axis=-1)[..., None, :], seed))


@flagged(Code.W_DIMS)
def dims_of_one(folder: Path, seed: str) -> None:
    """A volume has a fourth dimension of length 1."""
    _write(folder, _nifti_bytes(_small().array[0].numpy()[..., None], seed))


def _small() -> Volume:
    affine = orientation_affine("RAS", spacing=(6.0, 6.0, 5.0), origin=(-95.0, -110.0, -30.0))
    return small_ct(num_slices=12, size=32, affine=affine)


def _small_nifti(seed: str, *, sform: Array | None = None, qform: Array | None = None) -> bytes:
    image = _image(_small().array[0].numpy(), seed)
    if sform is not None:
        image.set_sform(sform, code=1)
        image.set_qform(qform, code=0 if qform is None else 1)
    content: bytes = image.to_bytes()
    return content


def _nifti_bytes(values: npt.NDArray[np.generic], seed: str) -> bytes:
    content: bytes = _image(values, seed).to_bytes()
    return content


def _image(values: npt.NDArray[np.generic], seed: str) -> nib.Nifti1Image:
    image = nib.Nifti1Image(values, _small().affine)
    image.header["descrip"] = f"simulated, {seed}"[:79]  # different seeds give different content
    return image


def _with_dims(content: bytes, shape: tuple[int, int, int]) -> bytes:
    dims = np.array([3, *shape, 1, 1, 1, 1], dtype="<i2").tobytes()
    return content[:_DIM_OFFSET] + dims + content[_DIM_OFFSET + len(dims) :]


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _write(folder: Path, content: bytes) -> None:
    (folder / _NAME).write_bytes(_gzip(content))
