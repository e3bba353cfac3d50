"""How pixels are stored in a file and what stored values mean."""

from dataclasses import dataclass

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.dicom.elements import Elements
from medpipe.io.dicom.values import Values


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How the pixels of a file are stored (PS3.3 C.7.6.3).

    Attributes:
        syntax: Transfer syntax UID.
        rows: Pixels along J.
        columns: Pixels along I.
        frames: NumberOfFrames as declared; 1 where absent.
        samples: 1 for grey values, 3 for colour.
        bits_allocated: Bits of a stored pixel.
        bits_stored: Bits of it that count.
        high_bit: The highest bit that counts.
        is_signed: Whether they are two's complement.
        planar_configuration: 0 colour by pixel, 1 colour by plane.
        photometric: Photometric interpretation.
        tag: Tag of the pixel element; other than 7FE00010 for floating-point pixels.
        offset: Where the pixel value starts in the file, or in the inflated stream of a deflated file.
        length: Declared bytes of native pixels; None for encapsulated frames.
    """

    syntax: str
    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    planar_configuration: int
    photometric: str
    tag: int
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Rescale:
    """Stored values to meaningful ones (PS3.3 C.11.1).

    Attributes:
        slope: 1 where absent.
        intercept: 0 where absent.
        type: Unit such as ``"HU"``; empty where absent.
        has_table: Whether a modality look-up table takes the place of slope and intercept.
    """

    slope: float
    intercept: float
    type: str
    has_table: bool


def pixel_layout_of(elements: Elements, values: Values) -> PixelLayout:
    """Read the layout of the pixels that a scan has found.

    Raises:
        RefusedError: Rows, columns or bits are missing or zero (``E_HEADER``).
    """
    rows, columns = values.unsigned(0x00280010), values.unsigned(0x00280011)
    bits_allocated = values.unsigned(0x00280100)
    if not rows or not columns or not bits_allocated:
        raise RefusedError(
            Code.E_HEADER,
            "The header does not state the size of its pixels",
            found=f"Rows {rows}, Columns {columns}, BitsAllocated {bits_allocated}",
        )
    bits_stored = values.unsigned(0x00280101) or bits_allocated
    high_bit = values.unsigned(0x00280102)
    return PixelLayout(
        syntax=elements.syntax,
        rows=rows,
        columns=columns,
        frames=max(1, values.integer(0x00280008) or 1),
        samples=values.unsigned(0x00280002) or 1,
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=bits_stored - 1 if high_bit is None else high_bit,
        is_signed=values.unsigned(0x00280103) == 1,
        planar_configuration=values.unsigned(0x00280006) or 0,
        photometric=values.text(0x00280004),
        tag=elements.pixel_tag,
        offset=elements.pixel_offset,
        length=elements.pixel_length,
    )


def rescale_of(values: Values) -> Rescale:
    """Read slope, intercept and unit."""
    slope, intercept = values.number(0x00281053), values.number(0x00281052)
    return Rescale(
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        type=values.text(0x00281054),
        has_table=0x00283000 in values,
    )


def padding_of(values: Values, tag: int) -> int | None:
    """Read a padding value in stored units; None where absent."""
    # Its VR, US or SS, follows the pixel representation (PS3.5 A.1).
    return values.signed(tag) if values.unsigned(0x00280103) == 1 else values.unsigned(tag)
