"""Values of header elements: text, numbers and UIDs as headers really hold them, never raising."""

import re
from struct import Struct
from typing import Final

from medpipe.io.dicom.elements import Elements
from medpipe.io.dicom.uids import safe_uid

_VALID_UID: Final = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Values:
    """Typed access to the elements of one header."""

    def __init__(self, elements: Elements) -> None:
        self._raw = elements.values
        order = "<" if elements.little_endian else ">"
        self._unsigned = Struct(order + "H")
        self._signed = Struct(order + "h")
        self._double = Struct(order + "d")
        self.bad_uids: list[str] = []

    def __contains__(self, tag: int) -> bool:
        return tag in self._raw

    def text(self, tag: int) -> str:
        """Return the text without padding and control characters; empty where absent."""
        raw = self._raw.get(tag)
        if not raw:
            return ""
        try:
            text = raw.rstrip(b"\0 ").decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        if not text.isprintable():
            text = _CONTROL.sub("", text)
        return text.strip()

    def texts(self, tag: int) -> tuple[str, ...]:
        """Return the parts of a multi-valued text; empty where absent."""
        text = self.text(tag)
        return tuple(part.strip() for part in text.split("\\")) if text else ()

    def numbers(self, tag: int) -> tuple[float, ...] | None:
        """Return decimal strings as numbers, NaN where a part is no number; None where absent or empty."""
        parts = self.texts(tag)
        return tuple(_number(part) for part in parts) if parts else None

    def number(self, tag: int) -> float | None:
        """Return the first decimal string as a number, NaN if it is none; None where absent or empty."""
        numbers = self.numbers(tag)
        return numbers[0] if numbers else None

    def integer(self, tag: int) -> int | None:
        """Return an integer string; None where absent or no integer."""
        number = self.number(tag)
        return int(number) if number is not None and abs(number) < 2**53 else None

    def unsigned(self, tag: int) -> int | None:
        """Return a US value; None where absent or of the wrong length."""
        raw = self._raw.get(tag, b"")
        return int(self._unsigned.unpack(raw[:2])[0]) if len(raw) >= 2 else None

    def signed(self, tag: int) -> int | None:
        """Return an SS value; None where absent or of the wrong length."""
        raw = self._raw.get(tag, b"")
        return int(self._signed.unpack(raw[:2])[0]) if len(raw) >= 2 else None

    def doubles(self, tag: int) -> tuple[float, ...]:
        """Return FD values; empty where absent."""
        raw = self._raw.get(tag, b"")
        return tuple(value for (value,) in self._double.iter_unpack(raw[: len(raw) // 8 * 8]))

    def uid(self, tag: int) -> str:
        """Return a UID that is safe to use; one that is not is replaced by a UID derived from it.

        The tag of every UID that is not valid is appended to ``bad_uids``.
        """
        text = self.text(tag)
        if not text:
            return ""
        if len(text) <= 64 and _VALID_UID.fullmatch(text):
            return text
        self.bad_uids.append(f"{tag >> 16:04X},{tag & 0xFFFF:04X}")
        return safe_uid(text)


def iso_datetime(date: str, time: str) -> str:
    """Return a DICOM date and time as ISO 8601; empty where the date is none."""
    matched = re.fullmatch(r"(\d{4})\.?(\d{2})\.?(\d{2})", date)
    if not matched:
        return ""
    clock = re.match(r"(\d{2}):?(\d{2}):?(\d{2})", time)
    return "-".join(matched.groups()) + ("T" + ":".join(clock.groups()) if clock else "")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
