"""Checks of declared pixels against the file and the budget, before anything is allocated."""

import math
from collections.abc import Sequence

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.dicom.headers import Header
from medpipe.io.dicom.layout import PixelLayout, Rescale
from medpipe.io.dicom.syntaxes import DEFLATED_LITTLE, EXPLICIT_BIG, NATIVE
from medpipe.io.series import Limits

_PIXEL_DATA = 0x7FE00010
_ITEM_HEADER_BYTES = 8


def check_pixels(headers: Sequence[Header], limits: Limits) -> None:
    """Refuse files whose pixels cannot be read as declared.

    Raises:
        RefusedError: Over the voxel budget (``E_BUDGET``), more pixels than the file can hold
            (``E_TRUNCATED``, ``E_RATIO``), an impossible bit layout (``E_BITS``), kinds of pixels that are
            not read (``E_DIMS``, ``E_SYNTAX``), or no usable slope, intercept or unit (``E_RESCALE``).
    """
    layouts = [header.pixels for header in headers if header.pixels is not None]
    num_voxels = sum(layout.frames * layout.frame_pixels for layout in layouts)
    if num_voxels > limits.max_voxels:
        raise RefusedError(
            Code.E_BUDGET,
            "The image is larger than the voxel budget",
            found=f"{num_voxels} voxels declared, at most {limits.max_voxels}",
            fix="Raise the limit if the size is meant.",
        )
    for header, layout in zip(headers, layouts, strict=True):
        _check_bits(layout)
        _check_size(layout, header.num_bytes, limits)
        check_rescale(header.rescale, header.modality)


def _check_bits(layout: PixelLayout) -> None:
    if layout.tag != _PIXEL_DATA:
        raise RefusedError(Code.E_SYNTAX, "Floating-point DICOM pixels are not read")
    if layout.samples != 1:
        raise RefusedError(Code.E_DIMS, "The image is in colour", found=f"{layout.samples} samples a pixel")
    allocated, stored, high = layout.bits_allocated, layout.bits_stored, layout.high_bit
    if allocated not in (8, 16, 32) or not stored - 1 <= high < allocated:
        raise RefusedError(
            Code.E_BITS,
            "The bit layout of the pixels is not valid",
            found=f"BitsAllocated {allocated}, BitsStored {stored}, HighBit {high}",
            fix="Export the series again: pixels take 8, 16 or 32 bits.",
        )
    if layout.syntax == EXPLICIT_BIG and allocated == 8:
        # Their bytes are swapped in pairs or not, depending on the VR that writers chose.
        raise RefusedError(
            Code.E_SYNTAX,
            "8-bit pixels in big-endian files are not read",
            fix="Transcode the files to Explicit VR Little Endian.",
        )


def _check_size(layout: PixelLayout, num_bytes: int, limits: Limits) -> None:
    declared = layout.frames * layout.frame_bytes
    if layout.syntax in NATIVE and layout.length is None:
        raise RefusedError(
            Code.E_HEADER,
            "The pixels are encapsulated although the transfer syntax is uncompressed",
            fix="Export the series again.",
        )
    if layout.length is None or layout.syntax not in NATIVE:
        available = num_bytes - layout.offset
        least = layout.frames * _ITEM_HEADER_BYTES
    elif layout.syntax == DEFLATED_LITTLE:
        available, least = layout.length, declared
    else:
        available, least = min(layout.length, num_bytes - layout.offset), declared
    if available < least:
        raise RefusedError(
            Code.E_TRUNCATED,
            "The file holds fewer pixels than its header promises",
            found=f"{available} bytes for {layout.frames} frames of {layout.columns} x {layout.rows}",
            fix="Copy the file again from its source.",
        )
    if declared > limits.free_bytes and declared > limits.max_ratio * num_bytes:
        raise RefusedError(
            Code.E_RATIO,
            "The compressed pixels expand beyond the allowed ratio",
            found=f"{declared} bytes from {num_bytes}, over {limits.max_ratio:g} to 1",
            fix="Raise the limit if the file can be trusted.",
        )


def check_rescale(rescale: Rescale, modality: str) -> None:
    """Refuse values that would mean nothing, or CT values that are not HU (``E_RESCALE``)."""
    if not math.isfinite(rescale.slope) or not math.isfinite(rescale.intercept) or rescale.slope == 0:
        raise RefusedError(
            Code.E_RESCALE,
            "Rescale slope or intercept is zero or not a number",
            found=f"slope {rescale.slope:g}, intercept {rescale.intercept:g}",
            fix="Export the series again.",
        )
    if modality == "CT" and rescale.type and rescale.type.upper() != "HU":
        raise RefusedError(
            Code.E_RESCALE,
            "The CT values are not Hounsfield units",
            found=f"RescaleType {rescale.type[:16]!r}",
            fix="Export a series in Hounsfield units.",
        )
    if rescale.has_table:
        raise RefusedError(
            Code.E_RESCALE,
            "A modality look-up table takes the place of slope and intercept, which is not read",
            fix="Export the image with RescaleSlope and RescaleIntercept.",
        )
