"""Deflated DICOM (PS3.5 A.5): inflating as far as needed and never beyond the budget."""

import zlib
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError

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


def inflate_pixels(compressed: bytes | memoryview, offset: int, length: int) -> bytes:
    """Return ``length`` bytes of pixels from a deflated data set; nothing beyond them is inflated.

    Args:
        compressed: The deflated bytes.
        offset: Where the pixels start in the inflated stream.
        length: Bytes of pixels, within the budget.

    Raises:
        RefusedError: The stream is damaged (``E_CHECKSUM``) or ends early (``E_TRUNCATED``).
    """
    plain = _inflate_piece(zlib.decompressobj(-zlib.MAX_WBITS), compressed, offset + length)
    if len(plain) < offset + length:
        raise RefusedError(
            Code.E_TRUNCATED,
            "The deflated stream ends early",
            found=f"{len(plain)} bytes of {offset + length}",
        )
    return plain[offset:]


def _inflate_piece(inflater: "zlib._Decompress", compressed: bytes | memoryview, size: int) -> bytes:
    try:
        return inflater.decompress(compressed, size)
    except zlib.error as error:
        raise RefusedError(Code.E_CHECKSUM, "The deflated stream is damaged", found=str(error)) from error
