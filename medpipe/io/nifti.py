"""NIfTI files to volumes and back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, Final

import nibabel as nib
import numpy as np
import numpy.typing as npt
import torch

from medpipe.core.affine import Array, checked_affine, spacing_of
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, ShapeError
from medpipe.core.source import GeometryCheck, GeometryNote, Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.io.atomic import atomic_write
from medpipe.io.content_hash import sha256_of
from medpipe.io.gzip_stream import GZIP_MAGIC, check_expansion, open_plain_or_gzip, read_to_end, write_gzip
from medpipe.io.nifti_forms import FormName, forms_distance, placement_of
from medpipe.io.nifti_header import LONGEST_HEADER, NiftiHeader, check_dimensions, parse_header
from medpipe.io.series import DEFAULT_LIMITS, Limits, Series

MAX_NAN_FRACTION: Final = 0.01
"""Part of the voxels that may be replaced for not being finite; an image with more is refused."""

_SCANNER_ANATOMICAL: Final = 1
"""Form code: coordinates of the scanner, as the source states them."""

_LARGEST_AXIS: Final = 2**15 - 1
"""NIfTI-1 stores sizes as signed 16-bit integers."""

_CHUNK_VOXELS: Final = 1 << 22

_PARALLEL_BYTES: Final = 4 << 20
"""Below this, starting threads costs more than they save."""

Voxels = npt.NDArray[Any]


def read_nifti(
    series: Series,
    *,
    limits: Limits = DEFAULT_LIMITS,
    prefer_form: FormName | None = None,
    allow_missing_form: bool = True,
    max_nan_fraction: float = MAX_NAN_FRACTION,
) -> Volume:
    """Read a NIfTI image to its last byte; axes keep the order in which they are stored.

    Args:
        series: From :func:`medpipe.io.nifti_header.index_nifti`.
        limits: Checked before voxels are allocated.
        prefer_form: The form to follow where qform and sform differ; None refuses such files.
        allow_missing_form: Accept files that state no orientation, flagged ``W_NO_FORM``.
        max_nan_fraction: Up to this part of the voxels, values that are not finite are replaced by the
            smallest finite one, flagged ``W_NAN``.

    Returns:
        ``(1, I, J, K)`` float32, scaled by the header's slope and intercept.

    Raises:
        RefusedError: ``E_EMPTY``, ``E_HEADER``, ``E_DIMS``, ``E_BUDGET``, ``E_RATIO``, ``E_TRUNCATED``,
            ``E_CHECKSUM``, ``E_RESCALE``, ``E_AFFINE``, ``E_FORMS``, ``E_NO_FORM`` or ``E_NAN``.
        OSError: A file cannot be read.
    """
    if series.refusal:
        raise series.refusal
    paths = [Path(file) for file in series.files]
    with ThreadPoolExecutor(1) as pool:
        digest = pool.submit(sha256_of, paths)
        with open_plain_or_gzip(paths[0]) as stream:
            header = parse_header(stream.read(LONGEST_HEADER))
        check_dimensions(header)
        placement = placement_of(header, prefer_form=prefer_form, allow_missing_form=allow_missing_form)
        stored = _read_stored(paths[-1], header, limits)
        sha256 = digest.result()
    values, nan_notes = _finite(_scaled(stored, header), max_nan_fraction)
    whole = GeometryCheck(
        name="file is whole", passed=True, found=f"{header.num_voxels} voxels, to the last byte"
    )
    return Volume(
        array=torch.from_numpy(values.reshape(header.grid_shape, order="F")[None]),
        affine=placement.affine,
        modality=series.modality,
        source=Source(
            kind=SourceKind.NIFTI,
            sha256=sha256,
            acquisition=dict(series.facts),
            checks=(whole, *placement.checks),
            notes=(*series.notes, *_dropped_axes(header), *placement.notes, *nan_notes),
        ),
    )


def read_label_map(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Voxels:
    """Read the labels of a file that :func:`write_label_map` wrote.

    Returns:
        ``(I, J, K)`` of the stored integer type, in native byte order.

    Raises:
        RefusedError: As :func:`read_nifti`; ``E_DIMS`` where the values are not integers.
    """
    with open_plain_or_gzip(path) as stream:
        header = parse_header(stream.read(LONGEST_HEADER))
    check_dimensions(header)
    if header.dtype.kind not in "iu":
        raise RefusedError(Code.E_DIMS, "A label map holds integers", found=str(header.dtype))
    stored = _read_stored(path, header, limits)
    return stored.astype(header.dtype.newbyteorder("="), copy=False).reshape(header.grid_shape, order="F")


def write_volume(path: Path, volume: Volume, *, threads: int | None = None, durable: bool = False) -> None:
    """Write a volume of one channel as float32.

    Args:
        path: Ends in ``.nii.gz`` or ``.nii``.
        volume: ``(1, I, J, K)``.
        threads: Compressing threads; they do not change the bytes.
        durable: Flush to the disk.

    Raises:
        ShapeError: More than one channel, an axis above 32767, or another file name.
        MachineError: See :func:`medpipe.io.atomic.atomic_write`.
    """
    if len(volume.array) != 1:
        raise ShapeError("A NIfTI volume has one channel", found=f"{len(volume.array)} channels")
    voxels = volume.array[0].detach().cpu().numpy().astype("<f4", copy=False)
    _write(path, voxels, volume.affine, threads=threads, durable=durable)


def write_label_map(
    path: Path, labels: Voxels, affine: npt.ArrayLike, *, threads: int | None = None, durable: bool = False
) -> None:
    """Write class ids as uint8, or uint16 where an id is above 255.

    Args:
        path: Ends in ``.nii.gz`` or ``.nii``.
        labels: ``(I, J, K)`` booleans or integers from 0 to 65535.
        affine: 4x4, voxel index to RAS mm.
        threads: Compressing threads; they do not change the bytes.
        durable: Flush to the disk.

    Raises:
        ShapeError: Not three axes, not integers, out of range, or another file name.
        MachineError: See :func:`medpipe.io.atomic.atomic_write`.
    """
    if labels.ndim != 3 or not labels.size or labels.dtype.kind not in "biu":
        raise ShapeError(
            "A label map is an (I, J, K) array of integers", found=f"{labels.dtype} of shape {labels.shape}"
        )
    smallest, largest = int(labels.min()), int(labels.max())
    if smallest < 0 or largest > np.iinfo(np.uint16).max:
        raise ShapeError("Class ids lie between 0 and 65535", found=f"{smallest} to {largest}")
    dtype = "<u1" if largest <= np.iinfo(np.uint8).max else "<u2"
    voxels = labels.astype(dtype, copy=False)
    _write(path, voxels, checked_affine(affine), threads=threads, durable=durable)


def _read_stored(path: Path, header: NiftiHeader, limits: Limits) -> Voxels:
    """Return the stored values, flat, after reading the file to its end."""
    if header.num_voxels > limits.max_voxels:
        raise RefusedError(
            Code.E_BUDGET,
            f"The image has more than {limits.max_voxels} voxels",
            found=" x ".join(map(str, header.shape)),
            fix="Raise the budget if the image is what it claims to be.",
        )
    num_bytes = header.num_voxels * header.dtype.itemsize
    file_size = path.stat().st_size
    with open(path, "rb") as file:
        compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    if compressed:
        check_expansion(header.offset + num_bytes, file_size, limits)
    elif header.offset + num_bytes > file_size:
        raise _truncated(header.offset + num_bytes, file_size)
    with open_plain_or_gzip(path) as stream:
        _skip(stream, header.offset)
        content = np.empty(num_bytes, dtype=np.uint8)
        num_read = _fill(stream, content)
        if num_read < num_bytes:
            raise _truncated(num_bytes, num_read)
        if compressed:
            read_to_end(stream, already=header.offset + num_bytes, compressed=file_size, limits=limits)
    return content.view(header.dtype)


def _truncated(expected: int, found: int) -> RefusedError:
    return RefusedError(
        Code.E_TRUNCATED,
        f"The file is shorter than its header promises: expected {expected} bytes",
        found=f"{found}",
        fix="Copy or download the file again.",
    )


def _skip(stream: BinaryIO, num_bytes: int) -> None:
    while num_bytes > 0 and (piece := stream.read(min(num_bytes, 1 << 20))):
        num_bytes -= len(piece)


def _fill(stream: BinaryIO, content: npt.NDArray[np.uint8]) -> int:
    """Read into an array until it is full or the stream ends, and return how much was read."""
    view, num_read = content.data, 0
    while num_read < len(view) and (step := stream.readinto(view[num_read:])):  # type: ignore[attr-defined]
        num_read += step
    return num_read


def _scaled(stored: Voxels, header: NiftiHeader) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is counted as not finite
        values = stored.astype(np.float32, copy=False)
        if header.slope != 1.0:
            values *= np.float32(header.slope)
        if header.inter != 0.0:
            values += np.float32(header.inter)
    return values


def _finite(
    values: npt.NDArray[np.float32], max_fraction: float
) -> tuple[npt.NDArray[np.float32], tuple[GeometryNote, ...]]:
    finite = np.isfinite(values)
    if finite.all():
        return values, ()
    num_bad = int(values.size - np.count_nonzero(finite))
    found = f"{num_bad} of {values.size} voxels"
    if num_bad > max_fraction * values.size:
        share = f"More than {max_fraction:.0%} of the voxels" if max_fraction else "Voxels"
        raise RefusedError(
            Code.E_NAN,
            f"{share} are not finite numbers",
            found=found,
            fix="Replace them where the image was made.",
        )
    smallest = values[finite].min()
    values[~finite] = smallest
    note = GeometryNote(
        code=Code.W_NAN,
        message=f"Voxels that are not finite were set to {smallest:g}, the minimum",
        found=found,
    )
    return values, (note,)


def _dropped_axes(header: NiftiHeader) -> tuple[GeometryNote, ...]:
    if len(header.shape) <= 3:
        return ()
    found = " x ".join(map(str, header.shape))
    return (GeometryNote(code=Code.W_DIMS, message="Axes of length 1 were dropped", found=found),)


def _write(path: Path, voxels: Voxels, affine: Array, *, threads: int | None, durable: bool) -> None:
    chunks = _file_chunks(voxels, _header_bytes(voxels, affine))
    if path.name.endswith(".nii.gz"):
        num_threads = 1 if voxels.nbytes < _PARALLEL_BYTES else threads
        write_gzip(path, chunks, threads=num_threads, durable=durable)
    elif path.suffix == ".nii":
        with atomic_write(path, durable=durable) as stream:
            stream.writelines(chunks)
    else:
        raise ShapeError("NIfTI files are named .nii.gz or .nii", found=path.suffix)


def _header_bytes(voxels: Voxels, affine: Array) -> bytes:
    if max(voxels.shape) > _LARGEST_AXIS:
        raise ShapeError(f"A NIfTI axis has at most {_LARGEST_AXIS} voxels", found=f"shape {voxels.shape}")
    raw = nib.Nifti1Header(endianness="<")
    raw.set_data_dtype(voxels.dtype)
    raw.set_data_shape(voxels.shape)
    raw.set_xyzt_units("mm")
    raw["vox_offset"] = raw["sizeof_hdr"] + 4
    raw["scl_slope"], raw["scl_inter"] = 1, 0
    raw.set_sform(affine, code=_SCANNER_ANATOMICAL)
    raw.set_qform(affine, code=_SCANNER_ANATOMICAL)
    no_extensions = bytes(4)
    distance_mm, limit_mm = forms_distance(parse_header(raw.binaryblock + no_extensions))
    if distance_mm > limit_mm:
        # A quaternion cannot hold the shear of gantry tilt: the sform alone states the place.
        raw.set_qform(None)
        raw.set_zooms(spacing_of(affine))
    return bytes(raw.binaryblock) + no_extensions


def _file_chunks(voxels: Voxels, header: bytes) -> Iterator[bytes | memoryview]:
    """Yield the header, then the voxels in file order, axis I fastest, some slices at a time."""
    yield header
    slices = voxels.T  # (K, J, I)
    step = max(1, _CHUNK_VOXELS // (voxels.shape[0] * voxels.shape[1]))
    for start in range(0, len(slices), step):
        yield np.ascontiguousarray(slices[start : start + step]).data
