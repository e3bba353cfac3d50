"""One frame: from the bytes of a file to float32 values in an array that exists already."""

import hashlib
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.dicom.deflated import inflate_pixels
from medpipe.io.dicom.layout import PixelLayout, Rescale
from medpipe.io.dicom.syntaxes import DEFLATED_LITTLE, EXPLICIT_BIG, NATIVE, RLE

AIR_HU: Final = -1024.0
"""What padding outside the reconstruction circle of a CT becomes: the lowest value of the 12-bit scale."""

Stored = npt.NDArray[np.integer[Any]]

_buffers = threading.local()


@dataclass(frozen=True, slots=True)
class Frame:
    """Where one frame stands and how its stored values become meaningful.

    Attributes:
        path: The file.
        num_bytes: Size of the file.
        index: The frame in the file, from 0.
        layout: How pixels are stored; checked before.
        rescale: Slope and intercept of this frame; checked before.
        padding: Lowest and highest stored value that is padding, for CT; None elsewhere.
    """

    path: str
    num_bytes: int
    index: int
    layout: PixelLayout
    rescale: Rescale
    padding: tuple[int, int] | None = None


def shape_of(frames: Sequence[Frame]) -> tuple[int, int, int]:
    """Return ``(S, rows, columns)`` of frames of one size."""
    layout = frames[0].layout
    return len(frames), layout.rows, layout.columns


def num_bytes_of(shape: tuple[int, int, int]) -> int:
    """Return the size of a float32 array."""
    return math.prod(shape) * np.dtype(np.float32).itemsize


def load_frame(frame: Frame, out: npt.NDArray[np.float32], *, hash_file: bool) -> str:
    """Read, decode and rescale one frame.

    Args:
        frame: The frame.
        out: ``(rows, columns)``; overwritten. HU for CT.
        hash_file: Whether to hash the file.

    Returns:
        The sha256 of the file, over the same bytes that were decoded; empty where not asked for.

    Raises:
        RefusedError: The pixels are short (``E_TRUNCATED``) or cannot be decoded (``E_DECODE``,
            ``E_CHECKSUM``, ``E_SYNTAX``).
        OSError: The file cannot be read.
    """
    data = _read(frame)
    rescale_into(_stored_values(data, frame), frame, out)
    return hashlib.sha256(data).hexdigest() if hash_file else ""


def _stored_values(data: memoryview, frame: Frame) -> Stored:
    """Return the ``(rows, columns)`` stored values; they may share memory with ``data``."""
    layout = frame.layout
    if layout.syntax not in NATIVE:
        # pydicom takes a fifth of a second to import; uncompressed files do not need it.
        from medpipe.io.dicom.codecs import decode_frame

        decoded = decode_frame(bytes(data[layout.offset :]), layout, frame.index)
        return _masked(decoded, layout) if layout.syntax == RLE else decoded
    start = layout.offset + frame.index * layout.frame_bytes
    if layout.syntax == DEFLATED_LITTLE:
        pixels = memoryview(inflate_pixels(data[layout.data_set_offset :], start, layout.frame_bytes))
    else:
        pixels = data[start : start + layout.frame_bytes]
    kind = "i" if layout.is_signed else "u"
    order = ">" if layout.syntax == EXPLICIT_BIG else "<"
    dtype: np.dtype[np.integer[Any]] = np.dtype(f"{order}{kind}{layout.bits_allocated // 8}")
    return _masked(np.frombuffer(pixels, dtype=dtype).reshape(layout.rows, layout.columns), layout)


def rescale_into(stored: Stored, frame: Frame, out: npt.NDArray[np.float32]) -> None:
    """Apply slope and intercept in float32.

    CT pixels that the header declares as padding become air where they lie below it: reconstruction circles
    are padded with values such as -3024 HU, which are no measurements and would spoil statistics.

    Source:
        PS3.3 C.11.1.1.2 (rescale), C.7.5.1.1.2 (pixel padding).
    """
    slope, intercept = np.float32(frame.rescale.slope), np.float32(frame.rescale.intercept)
    if slope == 1:
        np.add(stored, intercept, out=out, casting="same_kind")
    else:
        np.multiply(stored, slope, out=out, casting="same_kind")
        out += intercept
    if frame.padding is not None:
        low, high = frame.padding
        out[(stored >= low) & (stored <= high) & (out < AIR_HU)] = AIR_HU


def _masked(stored: Stored, layout: PixelLayout) -> Stored:
    """Keep the bits that count: others may hold overlays (PS3.5 8.1.1). Two's complement is sign-extended."""
    drop_high = layout.bits_allocated - 1 - layout.high_bit
    drop_low = layout.bits_allocated - layout.bits_stored
    if drop_low == 0:
        return stored
    masked = stored.astype(stored.dtype.newbyteorder("="))
    masked <<= drop_high
    masked >>= drop_low
    return masked


def _read(frame: Frame) -> memoryview:
    """Read a file into the buffer of this thread, which the next file overwrites."""
    buffer: bytearray | None = getattr(_buffers, "data", None)
    if buffer is None or len(buffer) < frame.num_bytes:
        buffer = _buffers.data = bytearray(frame.num_bytes)
    data = memoryview(buffer)[: frame.num_bytes]
    with open(frame.path, "rb", buffering=0) as stream:
        num_read = stream.readinto(data)
    if num_read != frame.num_bytes:
        raise RefusedError(
            Code.E_TRUNCATED,
            "The file ends inside its pixels",
            found=f"{num_read} of {frame.num_bytes} bytes",
            fix="Copy the file again from its source.",
        )
    return data
