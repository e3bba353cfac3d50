"""Enhanced multi-frame CT, MR and PET: read through highdicom, judged by the same rules as single slices."""

from typing import Any, Final

import highdicom
import numpy as np

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.slice_stack import SliceStack
from medpipe.core.volume import Volume
from medpipe.io.content_hash import sha256_of
from medpipe.io.dicom import sop_classes
from medpipe.io.dicom.budget import check_rescale
from medpipe.io.dicom.geometry import prove_geometry
from medpipe.io.dicom.headers import Header
from medpipe.io.dicom.layout import Rescale
from medpipe.io.dicom.planes import Planes, order_along_normal, same_positions
from medpipe.io.dicom.provenance import source_of
from medpipe.io.dicom.series import ORIENTATION_TOLERANCE, SPACING_TOLERANCE_MM
from medpipe.io.dicom.slices import image_from
from medpipe.io.dicom.syntaxes import DEFLATED_LITTLE
from medpipe.io.series import Form

_ORIENTATION: Final = ("PlaneOrientationSequence", "ImageOrientationPatient")
_POSITION: Final = ("PlanePositionSequence", "ImagePositionPatient")
_SPACING: Final = ("PixelMeasuresSequence", "PixelSpacing")
_THICKNESS: Final = ("PixelMeasuresSequence", "SliceThickness")
_SLOPE: Final = ("PixelValueTransformationSequence", "RescaleSlope")
_INTERCEPT: Final = ("PixelValueTransformationSequence", "RescaleIntercept")
_UNIT: Final = ("PixelValueTransformationSequence", "RescaleType")


def read_multiframe(header: Header, *, form: Form) -> SliceStack | Volume:
    """Read the frames of one file into slices or a volume.

    Args:
        header: Its header; sizes and bits checked before.
        form: ``SLICES`` or ``VOLUME``.

    Raises:
        RefusedError: The frames state no frame of reference (``E_FRAME``), repeat positions or mix
            orientations (``E_DIMS``), fail the rules of ``prove_geometry``, or cannot be decoded
            (``E_DECODE``).
    """
    _require_readable(header)
    try:
        image = highdicom.imread(header.path)
    # highdicom checks headers by whatever exception comes first; each of them means a bad header.
    except Exception as error:
        raise RefusedError(
            Code.E_HEADER, "The multi-frame header is not valid", found=type(error).__name__
        ) from error
    frames = range(image.number_of_frames)
    planes = Planes(
        orientation=_shared_by_all(image, _ORIENTATION, ORIENTATION_TOLERANCE),
        pixel_spacing_mm=_shared_by_all(image, _SPACING, SPACING_TOLERANCE_MM),
        positions_mm=[_value(image, frame, *_POSITION) for frame in frames],
        thickness_mm=[_value(image, frame, *_THICKNESS) for frame in frames],
    )
    _refuse_repeated(planes)
    order = order_along_normal(planes).tolist()
    geometry = prove_geometry(planes, order, form=form)
    for frame in frames:
        check_rescale(_rescale(image, frame), header.modality)
    source = source_of(
        [header],
        sha256=sha256_of([header.path]),
        checks=geometry.checks,
        notes=geometry.notes,
        instances=tuple(header.sop_reference.model_copy(update={"frame": frame + 1}) for frame in order),
    )
    return image_from(_decoded(image, order), geometry, header.modality, source, form=form)


def _require_readable(header: Header) -> None:
    assert header.pixels is not None  # objects without an image are never in a series
    if header.sop_class_uid not in sop_classes.ENHANCED:
        raise RefusedError(
            Code.E_DIMS,
            "The file holds several frames that are no slices of an enhanced CT, MR or PET",
            found=f"{header.pixels.frames} frames",
            fix="Time series and film loops are not read.",
        )
    if not header.frame_of_reference_uid:
        raise RefusedError(
            Code.E_FRAME,
            "The enhanced image states no frame of reference: its frames have no place in the patient",
            fix="Export the series with its FrameOfReferenceUID.",
        )
    if header.pixels.syntax == DEFLATED_LITTLE:
        # pydicom inflates the whole file, however large it becomes.
        raise RefusedError(
            Code.E_SYNTAX,
            "Deflated multi-frame files are not read",
            fix="Transcode the file to Explicit VR Little Endian.",
        )


def _refuse_repeated(planes: Planes) -> None:
    repeated = same_positions(planes)
    if repeated:
        raise RefusedError(
            Code.E_DIMS,
            "Several frames share a position: a time series or several contrasts in one file",
            found=f"{len(repeated[0])} frames at one position",
            fix="Export each time point or contrast as a file of its own.",
        )


def _decoded(image: Any, order: list[int]) -> "np.ndarray[Any, np.dtype[np.float32]]":
    try:
        frames = image.get_frames(
            order,
            as_indices=True,
            dtype=np.float32,
            apply_real_world_transform=False,
            apply_presentation_lut=False,
        )
    # Decoders are plugins that raise whatever they like.
    except Exception as error:
        raise RefusedError(
            Code.E_DECODE, "The frames cannot be decoded", found=type(error).__name__
        ) from error
    return np.ascontiguousarray(frames, dtype=np.float32)


def _rescale(image: Any, frame: int) -> Rescale:
    slope, intercept = _value(image, frame, *_SLOPE), _value(image, frame, *_INTERCEPT)
    return Rescale(
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        type=_value(image, frame, *_UNIT) or "",
        has_table=False,
    )


def _shared_by_all(image: Any, field: tuple[str, str], tolerance: float) -> Any:
    """Return a value in which all frames agree."""
    values = [_value(image, frame, *field) for frame in range(image.number_of_frames)]
    first = values[0]
    for value in values[1:]:
        if (value is None) != (first is None) or (
            first is not None and not np.allclose(first, value, rtol=0, atol=tolerance)
        ):
            raise RefusedError(
                Code.E_DIMS,
                f"The frames of one file differ in {field[1]}",
                fix="Export each orientation as a file of its own.",
            )
    return first


def _value(image: Any, frame: int, sequence: str, keyword: str) -> Any:
    """Return an attribute of a frame's functional groups, of those shared by all, or None."""
    for groups in (
        image.get("PerFrameFunctionalGroupsSequence", [])[frame : frame + 1],
        image.get("SharedFunctionalGroupsSequence", []),
    ):
        for group in groups:
            items = group.get(sequence)
            if items and items[0].get(keyword) is not None:
                return items[0].get(keyword)
    return None
