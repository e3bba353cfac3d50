"""Deflated DICOM (PS3.5 A.5): inflating as far as needed and never beyond the budget."""

import zlib
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.series import DEFAULT_LIMITS, Limits

_MAX_HEADER_BYTES: Final = 64 * 1024 * 1024
"""No real header is longer; a stream of zeros would be inflated without end in search of the pixels."""


class InflatedStream:
    """The start of a deflated data set, inflated step by step as it is read.

    Attributes:
        max_bytes: Bytes that may be read at most.
    """

    max_bytes: Final = _MAX_HEADER_BYTES

    def __init__(self, compressed: bytes) -> None:
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._pending = compressed
        self._plain = bytearray()

    def read(self, start: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``start``; fewer at the end of the stream."""
        missing = start + size - len(self._plain)
        while missing > 0 and not self._inflater.eof:
            piece = _inflate_piece(self._inflater, self._pending, missing)
            self._pending = self._inflater.unconsumed_tail
            if not piece:
                break
            self._plain += piece
            missing -= len(piece)
        return bytes(self._plain[start : start + size])


def inflate_pixels(compressed: bytes, offset: int, length: int, *, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return ``length`` bytes of pixels from a deflated data set.

    Args:
        compressed: The deflated bytes.
        offset: Where the pixels start in the inflated stream.
        length: Bytes of pixels.
        limits: Ratio and size that are refused before anything is inflated.

    Raises:
        RefusedError: The stream would expand beyond the ratio (``E_RATIO``), is damaged (``E_CHECKSUM``)
            or ends early (``E_TRUNCATED``).
    """
    total = offset + length
    if total > limits.free_bytes and total > limits.max_ratio * len(compressed):
        raise RefusedError(
            Code.E_RATIO,
            "The deflated file expands beyond the allowed ratio",
            found=f"{total} bytes from {len(compressed)}, over {limits.max_ratio:g} to 1",
            fix="Raise the limit if the file can be trusted.",
        )
    plain = _inflate_piece(zlib.decompressobj(-zlib.MAX_WBITS), compressed, total)
    if len(plain) < total:
        raise RefusedError(
            Code.E_TRUNCATED, "The deflated stream ends early", found=f"{len(plain)} bytes of {total}"
        )
    return plain[offset:]


def _inflate_piece(inflater: "zlib._Decompress", compressed: bytes, size: int) -> bytes:
    try:
        return inflater.decompress(compressed, size)
    except zlib.error as error:
        raise RefusedError(Code.E_CHECKSUM, "The deflated stream is damaged", found=str(error)) from error
