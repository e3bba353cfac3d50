"""Compressed frames: finding them in their encapsulation and decoding them with pydicom's decoders."""

import logging
from collections.abc import Iterator
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import UID

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.dicom.layout import PixelLayout
from medpipe.io.dicom.syntaxes import JPEG

# pydicom logs the traceback of each decoder it tries; the error raised at the end says as much.
_PYDICOM_LOG = logging.getLogger("pydicom.pixels.decoders.base")
_PYDICOM_LOG.addHandler(logging.NullHandler())
_PYDICOM_LOG.propagate = False

_ITEM_HEADER = Struct("<HHI")
_ITEM, _SEQUENCE_END = 0xE000, 0xE0DD


def decoder_for(syntax: str) -> Decoder:
    """Return the decoder of a transfer syntax.

    Raises:
        RefusedError: No installed package decodes it (``E_SYNTAX``); names the extra that would.
    """
    try:
        decoder = get_decoder(syntax)
        if decoder.is_available:
            return decoder
    except NotImplementedError:
        pass
    raise _no_decoder(syntax)


def decode_frame(encapsulated: bytes, layout: PixelLayout, index: int) -> npt.NDArray[np.integer[Any]]:
    """Decode one frame.

    Args:
        encapsulated: The value of PixelData, from its first item to its end.
        layout: What the header states.
        index: The frame, from 0.

    Returns:
        ``(rows, columns)`` stored values.

    Raises:
        RefusedError: Frames are cut off (``E_TRUNCATED``), damaged (``E_DECODE``) or of another size than the
            header states (``E_DECODE``), or no decoder is installed (``E_SYNTAX``).
    """
    decoder = decoder_for(layout.syntax)
    frame = _frame(encapsulated, layout, index)
    try:
        pixels, _ = decoder.as_array(
            _encapsulate(frame),
            index=0,
            rows=layout.rows,
            columns=layout.columns,
            number_of_frames=1,
            samples_per_pixel=1,
            bits_allocated=layout.bits_allocated,
            bits_stored=layout.bits_stored,
            pixel_representation=int(layout.is_signed),
            photometric_interpretation=layout.photometric,
            pixel_keyword="PixelData",
        )
    except (KeyboardInterrupt, SystemExit):
        raise
    # Decoders are plugins that raise whatever they like, the Rust ones a panic that is no Exception;
    # a damaged frame must never stop other studies.
    except BaseException as error:
        if layout.syntax in JPEG and not _has_libjpeg(decoder):
            raise _no_decoder(layout.syntax) from error
        raise _undecodable(layout, index, _reason(error)) from error
    if pixels.shape != (layout.rows, layout.columns):
        raise _undecodable(layout, index, f"a frame of shape {pixels.shape}")
    return np.asarray(pixels)


def _frame(encapsulated: bytes, layout: PixelLayout, index: int) -> bytes:
    fragments = list(_fragments(encapsulated))[1:]  # the first item is the offset table
    if len(fragments) == layout.frames:
        return fragments[index]
    if layout.frames == 1 and fragments:
        return b"".join(fragments)
    try:
        return bytes(list(generate_frames(encapsulated, number_of_frames=layout.frames))[index])
    except (ValueError, IndexError, EOFError) as error:
        raise RefusedError(
            Code.E_TRUNCATED,
            "The file holds fewer frames than its header promises",
            found=f"{len(fragments)} fragments for {layout.frames} frames",
        ) from error


def _fragments(encapsulated: bytes) -> Iterator[bytes]:
    position = 0
    while position + 8 <= len(encapsulated):
        group, element, length = _ITEM_HEADER.unpack_from(encapsulated, position)
        position += 8
        if group != 0xFFFE or element == _SEQUENCE_END:
            return
        if element != _ITEM or position + length > len(encapsulated):
            break
        yield encapsulated[position : position + length]
        position += length
    raise RefusedError(
        Code.E_TRUNCATED,
        "The compressed pixels are cut off",
        found=f"{len(encapsulated)} bytes without an end",
        fix="Copy the file again from its source.",
    )


def _encapsulate(frame: bytes) -> bytes:
    """Wrap one frame the way a decoder expects it, behind an empty offset table."""
    return _ITEM_HEADER.pack(0xFFFE, _ITEM, 0) + _ITEM_HEADER.pack(0xFFFE, _ITEM, len(frame)) + frame


def _reason(error: BaseException) -> str:
    """Return what each decoder said, one a line in pydicom's message below its heading."""
    lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
    return "; ".join(line[:160] for line in lines[1:] or lines)


def _has_libjpeg(decoder: Decoder) -> bool:
    return "pylibjpeg" in decoder.available_plugins


def _no_decoder(syntax: str) -> RefusedError:
    fix = "Transcode the files to an uncompressed syntax."
    if syntax in JPEG:
        fix = "Install the decoder with: pip install 'medpipe[jpeg]' (GPL-3)."
    return RefusedError(
        Code.E_SYNTAX, "The transfer syntax cannot be decoded here", found=UID(syntax).name, fix=fix
    )


def _undecodable(layout: PixelLayout, index: int, found: str) -> RefusedError:
    return RefusedError(
        Code.E_DECODE,
        f"Frame {index + 1} of {UID(layout.syntax).name} pixels cannot be decoded",
        found=found,
        fix="Fetch the file again from its source.",
    )
