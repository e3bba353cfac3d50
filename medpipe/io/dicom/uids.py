"""DICOM UIDs that follow from a text, so that the same input gives the same UIDs."""

import hashlib
import re
import uuid
from typing import Final

UID_ROOT: Final = "2.25"
"""The root of UIDs that are UUIDs (PS3.5 B.2): nobody has to register it."""

_SAFE: Final = re.compile(r"[0-9.]{1,64}")
_LOW_BITS: Final = (1 << 126) - 1
_TOP_BITS: Final = 1 << 127


def derive_uid(*parts: str | int) -> str:
    """Return a UID that depends on nothing but ``parts``.

    It is the decimal form of an RFC 9562 UUID of version 8. The top two bits are fixed as well, so that
    every UID is 44 characters long and may stand in for another one without moving a byte.

    Source:
        PS3.5 B.2.
    """
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()
    number = int.from_bytes(digest[:16], "big") & _LOW_BITS | _TOP_BITS
    return f"{UID_ROOT}.{_as_version_8(number).int}"


def safe_uid(text: str) -> str:
    """Return an identifier of a header as medpipe reads it: itself, or a UID derived from it.

    A leading zero in a component is common and harmless; anything else could act as a path or markup.
    """
    return text if _SAFE.fullmatch(text) else derive_uid("invalid", text)


def _as_version_8(number: int) -> uuid.UUID:
    number &= ~(0xF << 76) & ~(0x3 << 62)
    return uuid.UUID(int=number | (8 << 76) | (2 << 62))
