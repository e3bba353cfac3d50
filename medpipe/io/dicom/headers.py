"""The header of a DICOM file: what grouping, geometry and decoding need to know, without the pixels."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import GeometryNote, SopReference
from medpipe.io.dicom import sop_classes
from medpipe.io.dicom.elements import Elements, scan_file
from medpipe.io.dicom.fields import (
    notes_of,
    padding_of,
    pixel_layout_of,
    repetition_of,
    rescale_of,
    stand_in_series_uid,
    stand_in_study_uid,
)
from medpipe.io.dicom.layout import PixelLayout, Rescale
from medpipe.io.dicom.syntaxes import ALWAYS_LOSSY
from medpipe.io.dicom.values import Values, iso_datetime

_ACQUISITION_TAGS: Final = {
    0x00080070: "manufacturer",
    0x00081090: "model",
    0x00180010: "contrast",
    0x00180015: "body_part",
    0x00180020: "scanning_sequence",
    0x00180050: "slice_thickness_mm",
    0x00180060: "tube_voltage_kv",
    0x00180080: "repetition_time_ms",
    0x00180081: "echo_time_ms",
    0x00180087: "field_strength_t",
    0x00180088: "spacing_between_slices_mm",
    0x00181120: "gantry_tilt_degrees",
    0x00181151: "tube_current_ma",
    0x00181210: "kernel",
    0x00185100: "patient_position",
    0x00281050: "window_centre",
    0x00281051: "window_width",
}
"""Technical facts that identify nobody: no free text, no names of people, places or machines."""

_TAGS: Final = frozenset(
    {
        0x00020002, 0x00080008, 0x00080016, 0x00080018, 0x00080020, 0x00080030, 0x00080031, 0x00080060,
        0x00100020, 0x00180086, 0x00181060, 0x00181164, 0x00185101, 0x00189087, 0x00189089, 0x0019100C,
        0x0020000D, 0x0020000E, 0x00200011, 0x00200012, 0x00200013, 0x00200032, 0x00200037, 0x00200052,
        0x00200060, 0x00200062, 0x00200100, 0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010,
        0x00280011, 0x00280030, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00280120, 0x00280121,
        0x00280301, 0x00280A02, 0x00281052, 0x00281053, 0x00281054, 0x00282110, 0x00283000,
    }
) | frozenset(_ACQUISITION_TAGS)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """What one file states.

    Numbers that the header garbles are NaN; texts that it lacks are empty; positions and spacings that it
    lacks are None. Positions and orientations are LPS as DICOM has them.

    Attributes:
        path: Absolute path.
        num_bytes: Size of the file.
        study_uid: Empty only for objects outside of studies, such as a DICOMDIR.
        pixels: None for objects that hold no image (SR, KO, PR, SEG, RTSTRUCT, DICOMDIR).
        repetition: What tells apart slices at one position, by name: see ``medpipe.io.dicom.series``.
        position_mm: ImagePositionPatient: centre of the first pixel.
        orientation: ImageOrientationPatient: directions of a row and of a column.
        pixel_spacing_mm: Between rows, then between columns.
        detector_spacing_mm: ImagerPixelSpacing, same order.
        calibration: PixelSpacingCalibrationType, ``"GEOMETRY"`` or ``"FIDUCIAL"``.
        padding_value: PixelPaddingValue as stored; None where absent.
        padding_limit: PixelPaddingRangeLimit as stored; None where absent.
        acquisition: Technical facts that identify nobody.
        notes: What was repaired or is suspicious.
    """

    path: str
    num_bytes: int
    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    frame_of_reference_uid: str
    modality: str
    image_type: tuple[str, ...]
    patient_id: str
    study_datetime: str
    instance_number: int | None
    repetition: tuple[tuple[str, str], ...]
    position_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing_mm: tuple[float, ...] | None
    detector_spacing_mm: tuple[float, ...] | None
    calibration: str
    slice_thickness_mm: float | None
    pixels: PixelLayout | None
    rescale: Rescale
    padding_value: int | None
    padding_limit: int | None
    view: str
    laterality: str
    burned_in: bool
    is_lossy: bool
    acquisition: Mapping[str, str]
    notes: tuple[GeometryNote, ...]

    @property
    def is_image(self) -> bool:
        """Whether the file holds an image that medpipe reads."""
        return self.pixels is not None

    @property
    def is_multiframe(self) -> bool:
        """Whether the file holds frames with positions of their own, even if it is only one."""
        frames = self.pixels.frames if self.pixels is not None else 0
        return frames > 1 or (frames == 1 and self.sop_class_uid in sop_classes.ENHANCED)

    @property
    def is_directory(self) -> bool:
        """Whether the file is a DICOMDIR; what it points to is never followed."""
        return self.sop_class_uid == sop_classes.DIRECTORY

    @property
    def sop_reference(self) -> SopReference:
        """The instance, for documents that refer to it."""
        return SopReference(sop_class_uid=self.sop_class_uid, sop_instance_uid=self.sop_instance_uid)


def read_header(path: Path | str) -> Header:
    """Read the header of one DICOM file; the pixels are located, not read.

    Raises:
        RefusedError: No DICOM (``E_SYNTAX``), empty (``E_EMPTY``), cut or garbled (``E_HEADER``), nested
            without end (``E_NESTED``), or a damaged deflated stream (``E_CHECKSUM``).
        OSError: The file cannot be opened or read.
    """
    name = os.fspath(path)
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        num_bytes = os.fstat(descriptor).st_size
        elements = scan_file(descriptor, num_bytes, _TAGS)
    finally:
        os.close(descriptor)
    return _build(name, num_bytes, elements)


def _build(path: str, num_bytes: int, elements: Elements) -> Header:
    values = Values(elements)
    sop_class = values.uid(0x00080016) or values.uid(0x00020002)
    modality = values.text(0x00080060) or sop_classes.modality_of(sop_class)
    _require_whole(elements, values, sop_class, modality)
    holds_image = bool(elements.pixel_tag) and not sop_classes.is_non_image(sop_class)
    frame_of_reference_uid = values.uid(0x00200052)
    study_uid = values.uid(0x0020000D) or stand_in_study_uid(values, holds_image)
    series_uid = values.uid(0x0020000E) or stand_in_series_uid(values, study_uid)
    sop_instance_uid = values.uid(0x00080018)
    return Header(
        path=path,
        num_bytes=num_bytes,
        study_uid=study_uid,
        series_uid=series_uid,
        sop_class_uid=sop_class,
        sop_instance_uid=sop_instance_uid,
        frame_of_reference_uid=frame_of_reference_uid,
        modality=modality,
        image_type=values.texts(0x00080008),
        patient_id=values.text(0x00100020),
        study_datetime=iso_datetime(values.text(0x00080020), values.text(0x00080030)),
        instance_number=values.integer(0x00200013),
        repetition=repetition_of(values),
        position_mm=values.numbers(0x00200032),
        orientation=values.numbers(0x00200037),
        pixel_spacing_mm=values.numbers(0x00280030),
        detector_spacing_mm=values.numbers(0x00181164),
        calibration=values.text(0x00280A02),
        slice_thickness_mm=values.number(0x00180050),
        pixels=pixel_layout_of(elements, values) if holds_image else None,
        rescale=rescale_of(values),
        padding_value=padding_of(values, 0x00280120),
        padding_limit=padding_of(values, 0x00280121),
        view=values.text(0x00185101),
        laterality=values.text(0x00200062) or values.text(0x00200060),
        burned_in=values.text(0x00280301).upper() == "YES",
        is_lossy=values.text(0x00282110) == "01" or elements.syntax in ALWAYS_LOSSY,
        acquisition={
            name: text
            for tag, name in _ACQUISITION_TAGS.items()
            if tag in values and (text := values.text(tag))
        },
        notes=tuple(notes_of(elements, values)),
    )


def _require_whole(elements: Elements, values: Values, sop_class: str, modality: str) -> None:
    """Refuse an image whose header ends before its pixels, as a cut file does."""
    if elements.pixel_tag or sop_classes.is_non_image(sop_class):
        return
    if 0x00280010 in values or modality in sop_classes.IMAGE_MODALITIES or 0x0020000E not in values:
        raise RefusedError(
            Code.E_HEADER,
            "The file ends before its pixels",
            fix="Copy the file again from its source.",
        )
