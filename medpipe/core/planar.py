"""A planar image: a radiograph, without an invented affine."""

from dataclasses import dataclass
from enum import StrEnum

import torch

from medpipe.core.errors import ShapeError
from medpipe.core.findings import Laterality
from medpipe.core.source import Source


class SpacingKind(StrEnum):
    """What a planar pixel spacing refers to."""

    CALIBRATED = "calibrated"
    """Millimetres in the patient (PixelSpacing with a calibration)."""
    DETECTOR = "detector"
    """Millimetres on the detector (ImagerPixelSpacing): anatomy is magnified."""
    NONE = "none"
    """The file states no spacing."""


class Photometric(StrEnum):
    """How stored values relate to brightness (PS3.3 C.7.6.3.1.2)."""

    MONOCHROME1 = "MONOCHROME1"
    """The lowest value is shown white."""
    MONOCHROME2 = "MONOCHROME2"
    """The lowest value is shown black."""


@dataclass(frozen=True, eq=False)
class Planar:
    """A radiograph as MONOCHROME2: higher values are brighter.

    Attributes:
        array: ``(C, I, J)`` tensor; axis I runs along image rows (columns of DICOM pixels).
        pixel_spacing_mm: Along I and J; None where the file states none.
        spacing_kind: What the spacing refers to; lengths in mm need ``CALIBRATED``.
        view: View position such as ``"PA"`` or ``"LL"``; empty where not stated.
        laterality: Side of a paired body part, where stated.
        photometric: As stored; ``array`` is already inverted for MONOCHROME1.
        modality: DICOM modality such as ``"DX"``; empty where the file states none.
        source: Where it came from.
    """

    array: torch.Tensor
    pixel_spacing_mm: tuple[float, float] | None
    spacing_kind: SpacingKind
    view: str
    laterality: Laterality | None
    photometric: Photometric
    modality: str
    source: Source

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or 0 in self.array.shape:
            raise ShapeError(
                "A planar image is (C, I, J) with at least one pixel",
                found=f"shape {tuple(self.array.shape)}",
            )
        if (self.pixel_spacing_mm is None) != (self.spacing_kind is SpacingKind.NONE):
            raise ShapeError(
                "A planar image states a spacing exactly when its kind is not 'none'",
                found=f"{self.pixel_spacing_mm} with kind {self.spacing_kind}",
            )
