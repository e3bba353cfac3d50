"""Scanning the elements of a DICOM file up to its pixels, without recursion and without pydicom.

pydicom needs about 0.6 ms a header; an index of a large tree has no such time. The scanner keeps the bytes of
the tags that it is asked for and skips the rest, whatever the transfer syntax.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.dicom.deflated import InflatedStream
from medpipe.io.dicom.syntaxes import DEFLATED_LITTLE, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

PIXEL_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
TRANSFER_SYNTAX: Final = 0x00020010

_PREAMBLE_BYTES: Final = 128
_UNDEFINED: Final = 0xFFFFFFFF
_ITEM: Final = 0xFFFEE000
_DELIMITERS: Final = frozenset({0xFFFEE00D, 0xFFFEE0DD})
_LONG_VRS: Final = frozenset(
    {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"}
)
_SHORT_VRS: Final = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH",
     b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)  # fmt: skip
_EXECUTABLE_STARTS: Final = (b"MZ", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa", b"#!")

_CHUNK_BYTES: Final = 16 * 1024
_MAX_DEPTH: Final = 64
"""Nested sequences that are followed; real headers have fewer than ten."""
_MIN_WALKED_BYTES: Final = _MAX_DEPTH * 16
"""A sequence of known length below this cannot nest beyond the limit, so it is skipped unread."""
_MAX_VALUE_BYTES: Final = 64 * 1024
"""Longest value that is kept; all tags that are asked for are short."""


@dataclass(frozen=True, slots=True)
class Elements:
    """What a scan found.

    Attributes:
        values: Raw bytes of each tag asked for, numbers in the byte order of the file.
        syntax: Transfer syntax UID; the one that was guessed where the file states none.
        little_endian: Byte order of the data set.
        data_set_offset: Where the data set starts in the file, behind the file meta group.
        pixel_tag: Tag of the pixel element, 0 where there is none.
        pixel_offset: Where its value starts, in the inflated stream for deflated files.
        pixel_length: Its declared length in bytes; None for encapsulated frames.
        has_preamble: Whether the file starts with a preamble and ``DICM``.
        executable_preamble: Whether the preamble starts a program (CVE-2019-11687).
        syntax_stated: Whether the file states its transfer syntax.
    """

    values: dict[int, bytes]
    syntax: str
    little_endian: bool
    data_set_offset: int
    pixel_tag: int
    pixel_offset: int
    pixel_length: int | None
    has_preamble: bool
    executable_preamble: bool
    syntax_stated: bool


def looks_like_dicom(head: bytes) -> bool:
    """Whether the first bytes of a file (132 are enough) start a DICOM file, with a preamble or without."""
    return head[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == b"DICM" or _starts_a_data_set(head)


def scan_file(descriptor: int, num_bytes: int, wanted: frozenset[int]) -> Elements:
    """Scan an open file up to its pixels.

    Args:
        descriptor: An open file descriptor of a regular file.
        num_bytes: Its size.
        wanted: Tags whose values are kept, as ``group << 16 | element``.

    Raises:
        RefusedError: No DICOM (``E_SYNTAX``), empty (``E_EMPTY``), cut or garbled (``E_HEADER``) or nested
            without end (``E_NESTED``).
    """
    if num_bytes == 0:
        raise RefusedError(Code.E_EMPTY, "The file is empty")
    head = os.pread(descriptor, _CHUNK_BYTES, 0)
    has_preamble = head[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == b"DICM"
    if not has_preamble and not _starts_a_data_set(head):
        raise RefusedError(Code.E_SYNTAX, "The file is not DICOM")
    scanner = _Scanner(lambda start, size: os.pread(descriptor, size, start), num_bytes, head)
    data_set_offset = scanner.scan_meta(_PREAMBLE_BYTES + 4 if has_preamble else 0, wanted)
    stated = scanner.values.get(TRANSFER_SYNTAX, b"").rstrip(b"\0 ").decode("latin-1")
    if stated == DEFLATED_LITTLE:
        scanner = scanner.inflated_from(data_set_offset)
    start = 0 if stated == DEFLATED_LITTLE else data_set_offset
    scanner.choose_encoding(start, stated)
    scanner.scan_data_set(start, wanted)
    return Elements(
        values=scanner.values,
        syntax=stated or (IMPLICIT_LITTLE if scanner.implicit else EXPLICIT_LITTLE),
        little_endian=scanner.little_endian,
        data_set_offset=data_set_offset,
        pixel_tag=scanner.pixel_tag,
        pixel_offset=scanner.pixel_offset,
        pixel_length=scanner.pixel_length,
        has_preamble=has_preamble,
        executable_preamble=has_preamble and head.startswith(_EXECUTABLE_STARTS),
        syntax_stated=bool(stated),
    )


def _starts_a_data_set(head: bytes) -> bool:
    """Whether bytes start with an element of group 2 or 8, as files without a preamble do."""
    if len(head) < 8 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3] != 0:
        return False
    return head[4:6] in _SHORT_VRS | _LONG_VRS or int.from_bytes(head[4:8], "little") <= _PREAMBLE_BYTES


class _Scanner:
    """A window on the file that moves forward from element to element."""

    def __init__(self, read: Callable[[int, int], bytes], num_bytes: int, head: bytes) -> None:
        self._read = read
        self._num_bytes = num_bytes
        self._window = head
        self._base = 0
        self.values: dict[int, bytes] = {}
        self.implicit = False
        self.little_endian = True
        self.pixel_tag = 0
        self.pixel_offset = 0
        self.pixel_length: int | None = 0
        self._set_byte_order(True)

    def scan_meta(self, position: int, wanted: frozenset[int]) -> int:
        """Read the file meta group, always explicit little endian, and return where the data set starts."""
        while not self._ends_at(position):
            tag, _, length, value = self._element(position)
            if tag >> 16 != 2:
                break
            if tag in wanted or tag == TRANSFER_SYNTAX:
                self._keep(tag, value, length)
            position = value + length
        return position

    def inflated_from(self, position: int) -> "_Scanner":
        """Return a scanner of the deflated data set that starts at a position."""
        compressed = self._read(position, self._num_bytes - position)
        stream = InflatedStream(compressed)
        scanner = _Scanner(stream.read, stream.max_bytes, stream.read(0, _CHUNK_BYTES))
        scanner.values = self.values
        return scanner

    def choose_encoding(self, position: int, syntax: str) -> None:
        """Set byte order and VR encoding; the data decide where they contradict the transfer syntax."""
        self._set_byte_order(syntax != EXPLICIT_BIG)
        if position + 8 <= self._num_bytes:
            at = self._at(position, 8)
            vr = self._window[at + 4 : at + 6]
            # Some writers state an explicit syntax and write implicit elements, or the reverse.
            self.implicit = vr not in _SHORT_VRS and vr not in _LONG_VRS
        else:
            self.implicit = syntax == IMPLICIT_LITTLE

    def scan_data_set(self, position: int, wanted: frozenset[int]) -> None:
        """Keep the wanted values of the data set and find the pixels; stops there."""
        while not self._ends_at(position):
            tag, vr, length, value = self._element(position)
            if tag in PIXEL_TAGS:
                self.pixel_tag = tag
                self.pixel_offset = value
                self.pixel_length = None if length == _UNDEFINED else length
                return
            if self._is_sequence(vr, length, value):
                if tag in wanted:
                    self.values[tag] = b""
                position = self._end_of_sequence(vr, length, value)
            else:
                if tag in wanted:
                    self._keep(tag, value, length)
                position = value + length

    def _ends_at(self, position: int) -> bool:
        if position > self._num_bytes:
            raise _cut(position)
        if 0 <= position - self._base < len(self._window):
            return False
        # The length of a deflated data set is not known beforehand: its end is where no more bytes come.
        return position >= self._num_bytes or not self._read(position, 1)

    def _keep(self, tag: int, value: int, length: int) -> None:
        if length > _MAX_VALUE_BYTES:
            raise RefusedError(
                Code.E_HEADER, f"The header is garbled at tag {tag:08X}", found=f"a value of {length} bytes"
            )
        at = self._at(value, length)
        self.values[tag] = self._window[at : at + length]

    def _end_of_sequence(self, vr: bytes, length: int, value: int) -> int:
        """Return where a sequence ends, walking its items with a stack of ends (None: until a delimiter)."""
        if length != _UNDEFINED and length <= _MIN_WALKED_BYTES:
            return value + length
        was_implicit = self.implicit
        # Contents of an undefined-length UN element are implicit little endian (PS3.5 6.2.2).
        self.implicit = was_implicit or vr == b"UN"
        ends: list[int | None] = [None if length == _UNDEFINED else value + length]
        position = value
        while ends:
            end = ends[-1]
            if end is not None and position >= end:
                ends.pop()
                continue
            tag, vr, length, value = self._element(position)
            if tag in _DELIMITERS:
                ends.pop()
                position = value
            elif tag == _ITEM or self._is_sequence(vr, length, value):
                ends.append(None if length == _UNDEFINED else value + length)
                position = value
            else:
                position = value + length
            if len(ends) > 2 * _MAX_DEPTH:
                raise RefusedError(
                    Code.E_NESTED,
                    "Sequences are nested deeper than in any real header",
                    found=f"more than {_MAX_DEPTH} levels",
                )
        self.implicit = was_implicit
        return position

    def _is_sequence(self, vr: bytes, length: int, value: int) -> bool:
        if length == _UNDEFINED or vr == b"SQ":
            return True
        if vr or length < 8 or value + 4 > self._num_bytes:
            return False
        at = self._at(value, 4)
        return self._window[at : at + 4] == b"\xfe\xff\x00\xe0"

    def _element(self, position: int) -> tuple[int, bytes, int, int]:
        """Return tag, VR (empty where implicit), length and the position of the value."""
        at = self._at(position, 8)
        group, element, vr, length = self._unpack_short(self._window, at)
        if group != 0xFFFE and not self.implicit:
            if vr in _SHORT_VRS:
                return group << 16 | element, vr, length, position + 8
            if vr in _LONG_VRS:
                at = self._at(position, 12)
                return group << 16 | element, vr, self._unpack_long(self._window, at + 8)[0], position + 12
        return group << 16 | element, b"", self._unpack_long(self._window, at + 4)[0], position + 8

    def _at(self, position: int, size: int) -> int:
        """Return where in the window ``size`` bytes of the file stand, moving the window if needed."""
        at = position - self._base
        if at >= 0 and at + size <= len(self._window):
            return at
        if position + size <= self._num_bytes:
            self._window = self._read(position, max(size, _CHUNK_BYTES))
            self._base = position
            if len(self._window) >= size:
                return 0
        raise _cut(position + size)

    def _set_byte_order(self, little_endian: bool) -> None:
        self.little_endian = little_endian
        order = "<" if little_endian else ">"
        self._unpack_short = Struct(order + "HH2sH").unpack_from
        self._unpack_long = Struct(order + "I").unpack_from


def _cut(needed: int) -> RefusedError:
    return RefusedError(
        Code.E_HEADER,
        "The file ends inside its header",
        found=f"an element that needs {needed} bytes of file",
        fix="Copy the file again from its source.",
    )
