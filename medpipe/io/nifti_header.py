"""NIfTI headers: what an image is, before any voxel is read."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
from nibabel.nifti1 import data_type_codes

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import SourceKind
from medpipe.io.content_hash import sha256_of
from medpipe.io.gzip_stream import open_plain_or_gzip
from medpipe.io.series import Form, Series, Trait

HEADER_BYTES: Final = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
"""``sizeof_hdr``, the first integer of the file, tells NIfTI-1 from NIfTI-2."""

LONGEST_HEADER: Final = max(HEADER_BYTES)


@dataclass(frozen=True)
class NiftiHeader:
    """The fields that reading needs.

    Attributes:
        raw: The header as nibabel parses it, unchecked.
        shape: All axes as stored, ``(I, J, K)`` first, each at least 1.
        dtype: Type of the stored values, byte order included.
        offset: First byte of the voxels in their file.
        slope: Stored values times ``slope`` plus ``inter`` are the image's values.
        inter: See ``slope``.
        is_pair: The voxels lie in an ``.img`` file beside the ``.hdr``.
    """

    raw: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float
    is_pair: bool

    @property
    def num_voxels(self) -> int:
        """Number of stored values."""
        return math.prod(self.shape)

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """The first three axes; axes that are not stored have one voxel."""
        i, j, k = (*self.shape, 1, 1)[:3]
        return i, j, k


def parse_header(content: bytes) -> NiftiHeader:
    """Read the first bytes of an uncompressed NIfTI-1 or NIfTI-2 file.

    Raises:
        RefusedError: No bytes (``E_EMPTY``), a header that is cut or contradicts itself (``E_HEADER``),
            impossible dimensions (``E_DIMS``), a scale that is not a number (``E_RESCALE``).

    Source:
        nifti1.h and nifti2.h of the NIfTI data format working group.
    """
    if not content:
        raise RefusedError(Code.E_EMPTY, "The file holds no bytes")
    raw = _raw_header(content)
    magic = bytes(raw["magic"])
    if magic[:3] not in (b"n+1", b"ni1", b"n+2", b"ni2"):
        raise _bad_header("The NIfTI header lacks its magic word", repr(magic))
    if int(raw["datatype"]) not in data_type_codes.dtype:
        raise _bad_header("The NIfTI data type is not known", f"code {int(raw['datatype'])}")
    dtype = data_type_codes.dtype[int(raw["datatype"])].newbyteorder(raw.endianness)
    if not dtype.itemsize:
        raise _bad_header("The NIfTI data type has no size", f"code {int(raw['datatype'])}")
    is_pair = magic.startswith(b"ni")
    slope, inter = float(raw["scl_slope"]), float(raw["scl_inter"])
    if not math.isfinite(slope) or (slope and not math.isfinite(inter)):
        raise RefusedError(
            Code.E_RESCALE,
            "The scale of the values is not a number",
            found=f"slope {slope}, intercept {inter}",
        )
    return NiftiHeader(
        raw=raw,
        shape=_shape_of(raw),
        dtype=dtype,
        offset=_offset_of(raw, 0 if is_pair else int(raw["sizeof_hdr"]) + 4),
        # The standard: a slope of 0 means that values are not scaled at all.
        slope=slope or 1.0,
        inter=inter if slope else 0.0,
        is_pair=is_pair,
    )


def index_nifti(path: Path) -> Series:
    """Describe a NIfTI file by its header; what is wrong with it already stands in ``refusal``.

    Args:
        path: The file, or the ``.hdr`` of a pair; compressed or not.

    Raises:
        OSError: The file cannot be read.
    """
    files: tuple[Path, ...] = (path,)
    header, refusal = None, None
    try:
        with open_plain_or_gzip(path) as stream:
            header = parse_header(stream.read(LONGEST_HEADER))
        if header.is_pair:
            files = (path, voxel_file(path))
        check_dimensions(header)
    except RefusedError as error:
        refusal = error
    shape = header.shape if header else (0, 0, 0)
    return Series(
        uid=sha256_of(files),
        kind=SourceKind.NIFTI,
        files=tuple(str(file.absolute()) for file in files),
        num_bytes=sum(file.stat().st_size for file in files),
        modality="",
        form=Form.VOLUME,
        num_slices=header.grid_shape[2] if header else 0,
        size=header.grid_shape[:2] if header else (0, 0),
        traits=_traits_of(header) if header else frozenset(),
        facts={"datatype": str(header.dtype), "shape": " x ".join(map(str, shape))} if header else {},
        refusal=refusal,
    )


def check_dimensions(header: NiftiHeader) -> None:
    """Refuse what is not one scalar value at each place.

    Raises:
        RefusedError: ``E_DIMS``: time series, vectors, colour or complex values.
    """
    traits = _traits_of(header)
    if Trait.TIME_SERIES in traits:
        raise RefusedError(
            Code.E_DIMS,
            "The image has more than three dimensions",
            found=" x ".join(map(str, header.shape)),
            fix="Extract one time point.",
        )
    if Trait.COLOUR in traits or header.dtype.kind == "c":
        raise RefusedError(
            Code.E_DIMS,
            "Each voxel holds several values",
            found=str(header.dtype),
            fix="Extract one channel.",
        )


def voxel_file(header_path: Path) -> Path:
    """Return the ``.img`` file of an ``.hdr`` file.

    Raises:
        RefusedError: There is none (``E_HEADER``).
    """
    name = header_path.name.removesuffix(".gz").removesuffix(".hdr")
    for candidate in (f"{name}.img", f"{name}.img.gz"):
        path = header_path.with_name(candidate)
        if path.is_file():
            return path
    raise _bad_header("The voxels of a two-file NIfTI image are missing", "no .img file beside the .hdr file")


def _traits_of(header: NiftiHeader) -> frozenset[Trait]:
    traits = set()
    if math.prod(header.shape[3:]) > 1:
        traits.add(Trait.TIME_SERIES)
    if header.dtype.fields:
        traits.add(Trait.COLOUR)
    return frozenset(traits)


def _bad_header(what: str, found: str) -> RefusedError:
    return RefusedError(Code.E_HEADER, what, found=found, fix="Convert the scan again from its source.")


def _raw_header(content: bytes) -> Any:
    for order in ("<", ">"):
        size = int(np.frombuffer(content[:4].ljust(4, b"\0"), f"{order}i4")[0])
        if size in HEADER_BYTES and len(content) >= size:
            return HEADER_BYTES[size](content[:size], endianness=order, check=False)
    raise _bad_header("The NIfTI header is cut or has an unknown size", f"{len(content)} bytes")


def _shape_of(raw: Any) -> tuple[int, ...]:
    dim = [int(size) for size in raw["dim"]]
    shape = tuple(dim[1 : 1 + max(dim[0], 0)])
    if not 1 <= dim[0] <= 7 or min(shape) < 1:
        raise RefusedError(
            Code.E_DIMS,
            "The NIfTI header states impossible dimensions",
            found=f"dim {dim}",
            fix="Convert the scan again from its source.",
        )
    return shape


def _offset_of(raw: Any, smallest: int) -> int:
    offset = float(raw["vox_offset"])
    if not math.isfinite(offset) or offset < smallest:
        raise _bad_header("The NIfTI header places the voxels inside itself", f"vox_offset {offset:g}")
    return int(offset)
