"""Radiographs: one exposure a file, with what its spacing refers to."""

import math

import torch

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.findings import Laterality
from medpipe.core.planar import Photometric, Planar, SpacingKind
from medpipe.core.source import GeometryNote
from medpipe.io.dicom.decoding import load_frames
from medpipe.io.dicom.headers import Header
from medpipe.io.dicom.layout import PixelLayout
from medpipe.io.dicom.provenance import source_of
from medpipe.io.dicom.slices import frame_of

SAME_SPACING_MM = 1e-4
"""Pixel and detector spacings closer than this are the same statement made twice."""

_SIDES = {"L": Laterality.LEFT, "R": Laterality.RIGHT, "B": Laterality.BOTH}


def read_radiograph(header: Header) -> Planar:
    """Read one exposure as MONOCHROME2.

    Raises:
        RefusedError: The stated spacing is no positive number (``E_PIXEL_SPACING``), or the pixels cannot be
            read.
    """
    assert header.pixels is not None  # objects without an image are never in a series
    spacing, kind = spacing_of_radiograph(header)
    values, (sha256,) = load_frames([frame_of(header)], workers=1)
    photometric = Photometric.MONOCHROME2
    if header.pixels.photometric == Photometric.MONOCHROME1:
        photometric = Photometric.MONOCHROME1
        low, high = _stored_range(header.pixels)
        values = (low + high) * header.rescale.slope + 2 * header.rescale.intercept - values
    notes = () if kind is SpacingKind.CALIBRATED else (_uncalibrated_note(kind),)
    return Planar(
        array=torch.from_numpy(values).transpose(1, 2),
        pixel_spacing_mm=spacing,
        spacing_kind=kind,
        view=header.view,
        laterality=_SIDES.get(header.laterality.upper()),
        photometric=photometric,
        modality=header.modality,
        source=source_of([header], sha256=sha256, notes=notes),
    )


def spacing_of_radiograph(header: Header) -> tuple[tuple[float, float] | None, SpacingKind]:
    """Return the spacing along I and J and what it refers to.

    PixelSpacing alone, without a calibration type, may mean either and counts as detector spacing.

    Raises:
        RefusedError: A stated spacing is no positive number (``E_PIXEL_SPACING``).

    Source:
        PS3.3 10.7.1.3: pixel spacing that differs from the detector's has been calibrated.
    """
    pixel, detector = header.pixel_spacing_mm, header.detector_spacing_mm
    stated = pixel or detector
    if stated is None:
        return None, SpacingKind.NONE
    if len(stated) != 2 or not all(math.isfinite(value) and value > 0 for value in stated):
        raise RefusedError(
            Code.E_PIXEL_SPACING,
            "The pixel spacing is not two positive numbers",
            found=" x ".join(f"{value:g}" for value in stated),
            fix="Export the image again: a size in mm cannot be guessed.",
        )
    is_calibrated = pixel is not None and bool(header.calibration or _differ(pixel, detector))
    return (stated[1], stated[0]), SpacingKind.CALIBRATED if is_calibrated else SpacingKind.DETECTOR


def _differ(pixel: tuple[float, ...], detector: tuple[float, ...] | None) -> bool:
    return detector is not None and any(
        abs(a - b) > SAME_SPACING_MM for a, b in zip(pixel, detector, strict=False)
    )


def _stored_range(layout: PixelLayout) -> tuple[int, int]:
    half = 1 << (layout.bits_stored - 1)
    return (-half, half - 1) if layout.is_signed else (0, 2 * half - 1)


def _uncalibrated_note(kind: SpacingKind) -> GeometryNote:
    if kind is SpacingKind.NONE:
        return GeometryNote(
            code=Code.W_CALIBRATION, message="The radiograph states no pixel spacing; lengths are in pixels"
        )
    return GeometryNote(
        code=Code.W_CALIBRATION,
        message="The pixel spacing is that of the detector: anatomy is magnified, so lengths are not given",
    )
