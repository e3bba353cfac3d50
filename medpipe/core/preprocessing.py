"""Preprocessing: what a network expects of its input, as data.

The steps, in this order; ``medpipe.inference`` and ``medpipe.training`` carry them out:

1. orientation: axes are permuted and flipped to ``orientation``; nothing is interpolated;
2. mirror: where ``mirror_right`` is set and the image shows the right side, the left-right axis is reversed;
3. spacing: the field of view is kept and divided into ``max(1, round(size * old / new))`` voxels an axis, so
   that the spacing is ``spacing_mm`` but for that rounding; images by ``interpolation`` without smoothing,
   label maps by the nearest voxel;
4. intensity: each channel by its own rule, over the whole image before any cropping;
5. padding with 0 to ``padded_shape``, the smaller half in front; larger images are predicted in patches of
   ``patch_shape``.

Afterwards the steps are undone from the last to the first, so that masks lie on the source grid; logits are
interpolated trilinearly.
"""

from enum import StrEnum
from math import prod
from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from medpipe.core.findings import Value
from medpipe.core.grid import reorientation_between

Shape3 = tuple[int, int, int]

MAX_PATCH_VOXELS: Final = 256**3
"""No network is trained on larger patches; a foreign package that asks for more would exhaust the memory."""


class Region(StrEnum):
    """The voxels that intensity statistics are taken over."""

    ALL = "all"
    NONZERO = "nonzero"


class Interpolation(StrEnum):
    """How images come to another spacing: between two voxels along each axis, or by cubic B-splines.

    Cubic values do not leave the range of the image's own, as in nnU-Net.
    """

    LINEAR = "linear"
    CUBIC = "cubic"


class ZScore(Value):
    """Subtract the mean, divide by the standard deviation.

    Over nonzero voxels the others stay 0. A standard deviation of 0 divides by 1.

    Attributes:
        region: Voxels that give mean and standard deviation, and that are changed.
    """

    kind: Literal["zscore"] = "zscore"
    region: Region = Region.ALL


class PercentileScale(Value):
    """Clip to two percentiles, then scale them to 0 and 1; all 0 where they are equal.

    Attributes:
        low: Lower percentile, in percent; linear between order statistics.
        high: Upper percentile, in percent.
        region: Voxels that give the percentiles; all voxels are clipped and scaled.
    """

    kind: Literal["percentiles"] = "percentiles"
    low: float = Field(default=0.5, ge=0.0, le=100.0)
    high: float = Field(default=99.5, ge=0.0, le=100.0)
    region: Region = Region.ALL

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_order(self.low, self.high)
        return self


class WindowScale(Value):
    """Clip to a window of Hounsfield units, then scale its ends to 0 and 1.

    Attributes:
        low_hu: Lower end.
        high_hu: Upper end.
    """

    kind: Literal["window"] = "window"
    low_hu: float
    high_hu: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_order(self.low_hu, self.high_hu)
        return self


Intensity = Annotated[ZScore | PercentileScale | WindowScale, Field(discriminator="kind")]
"""How the intensities of one channel become the network's input."""


class Channel(Value):
    """One input channel.

    Attributes:
        name: Role of the image such as ``"image"`` or ``"t1"``.
        modality: DICOM modality that it must have, such as ``"MR"``.
        intensity: Its normalisation.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    modality: str = Field(pattern=r"^[A-Z]{2}$")
    intensity: Intensity


def _three_axes(orientation: str) -> str:
    reorientation_between(np.eye(4), orientation)  # raises where the axes are not three different ones
    return orientation


class Preprocessing(Value):
    """What a volume network expects; the order of the steps stands in the module's docstring.

    Attributes:
        channels: Input channels in the order of the network.
        orientation: Axis codes of the network's input.
        mirror_right: The network knows the left side only: images of the right side are mirrored.
        spacing_mm: Spacing along the axes of ``orientation``; None keeps the image's own.
        interpolation: How images come to that spacing.
        patch_shape: Voxels ``(I, J, K)`` of one patch, the shape the network was trained on.
        multiple_of: Padded sizes are multiples of this; ``patch_shape`` must be too.
    """

    channels: tuple[Channel, ...] = Field(min_length=1)
    orientation: Annotated[str, Field(pattern="^[LRPAIS]{3}$"), AfterValidator(_three_axes)] = "RAS"
    mirror_right: bool = False
    spacing_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    interpolation: Interpolation = Interpolation.LINEAR
    patch_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    multiple_of: PositiveInt = 1

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len({channel.name for channel in self.channels}) < len(self.channels):
            raise ValueError(f"channel names must differ, found {[item.name for item in self.channels]}")
        if prod(self.patch_shape) > MAX_PATCH_VOXELS:
            raise ValueError(f"patch_shape {self.patch_shape} has more than {MAX_PATCH_VOXELS} voxels")
        if any(size % self.multiple_of for size in self.patch_shape):
            raise ValueError(f"patch_shape {self.patch_shape} must be multiples of {self.multiple_of}")
        return self

    def padded_shape(self, shape: Shape3) -> Shape3:
        """Return the shape after padding: at least a patch, and multiples of ``multiple_of``."""
        i, j, k = (
            -(-max(size, patch) // self.multiple_of) * self.multiple_of
            for size, patch in zip(shape, self.patch_shape, strict=True)
        )
        return i, j, k


def _check_order(low: float, high: float) -> None:
    if low >= high:
        raise ValueError(f"the lower end must lie below the upper, found {low:g} and {high:g}")
