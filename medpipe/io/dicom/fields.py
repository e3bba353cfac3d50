"""Groups of header fields: pixels, stand-in UIDs, what tells repeated slices apart, what is suspicious."""

from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import GeometryNote
from medpipe.io.dicom.elements import Elements
from medpipe.io.dicom.layout import PixelLayout, Rescale
from medpipe.io.dicom.uids import derive_uid
from medpipe.io.dicom.values import Values

_UID_NAMES: Final = {0x0020000D: "StudyInstanceUID", 0x0020000E: "SeriesInstanceUID"}


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
        data_set_offset=elements.data_set_offset,
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


def stand_in_study_uid(values: Values, holds_image: bool) -> str:
    """Return a study UID where it was blanked: files of one frame of reference belong together."""
    if not holds_image:
        return ""
    frame_of_reference = values.text(0x00200052)
    if not frame_of_reference:
        raise RefusedError(
            Code.E_HEADER,
            "The image states no StudyInstanceUID and no frame of reference that could stand in for it",
            fix="Export the study again with its UIDs.",
        )
    return derive_uid("study", frame_of_reference, values.text(0x00080020))


def stand_in_series_uid(values: Values, study_uid: str) -> str:
    """Return a series UID where it was blanked, from what a series shares; empty outside of studies."""
    if not study_uid:
        return ""
    tags = (0x00080031, 0x00080060, 0x00181210, 0x00200011)
    return derive_uid("series", study_uid, *(values.text(tag) for tag in tags))


def repetition_of(values: Values) -> tuple[tuple[str, str], ...]:
    """Return what may tell apart slices at one position, by name; absent values are left out."""
    diffusion = (*values.doubles(0x00189087), *values.doubles(0x00189089))
    keys = {
        "temporal position": values.text(0x00200100),
        "trigger time": values.text(0x00181060),
        "acquisition": values.text(0x00200012),
        "echo": values.text(0x00180086),
        "diffusion": "/".join(f"{value:g}" for value in diffusion) or values.text(0x0019100C),
    }
    return tuple((name, value) for name, value in keys.items() if value)


def notes_of(elements: Elements, values: Values) -> list[GeometryNote]:
    """Return what was repaired in a file or is suspicious about it."""
    notes = []
    if not elements.has_preamble:
        notes.append(
            GeometryNote(
                code=Code.W_PREAMBLE, message="The file has no DICOM preamble; it was read all the same"
            )
        )
    if elements.executable_preamble:
        notes.append(
            GeometryNote(
                code=Code.W_EXECUTABLE,
                message="The preamble holds the start of a program; it is ignored and never copied",
            )
        )
    if not elements.syntax_stated:
        notes.append(
            GeometryNote(
                code=Code.W_HEADER,
                message="The file states no transfer syntax; it was taken from the data",
                found=elements.syntax,
            )
        )
    if values.text(0x00280004) == "MONOCHROME1" and 0x00200032 in values:
        # Of radiographs it is ordinary; slices that were inverted by hand would be read wrongly.
        notes.append(
            GeometryNote(
                code=Code.W_INVERTED,
                message="The header asks for low values to be shown bright; values were taken as they are",
                found="MONOCHROME1",
            )
        )
    missing = [name for tag, name in _UID_NAMES.items() if not values.text(tag)]
    if elements.pixel_tag and missing:
        notes.append(
            GeometryNote(
                code=Code.W_UID,
                message="The header lacks identifiers; stand-ins were derived from the frame of reference",
                found=f"no {', '.join(missing)}",
            )
        )
    if values.bad_uids:
        notes.append(
            GeometryNote(
                code=Code.W_UID,
                message="The header holds identifiers that are no valid UIDs",
                found=", ".join(values.bad_uids),
            )
        )
    return notes
