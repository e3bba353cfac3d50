"""Preprocessing: what a network expects of its input, as data.

The steps, in this order; ``medpipe.inference`` and ``medpipe.training`` carry them out:

1. orientation: axes are permuted and flipped to ``orientation``; nothing is interpolated;
2. mirror: where ``mirror_right`` is set and the image shows the right side, the left-right axis is reversed;
3. crop: where ``crop_nonzero`` is set, to the smallest box that holds all voxels that are not 0 in any
   channel; an image of 0 alone stays whole;
4. spacing: voxels of ``spacing_mm``, which lie as ``spacing_grid`` says; images by ``interpolation`` without
   smoothing, label maps by the nearest voxel; where slices are thick (``thick_ratio``), the axis across them
   takes the nearest voxel;
5. intensity: each channel by its own rule, over all that was kept; before step 4 where ``normalise_on`` says
   so;
6. padding with 0 to ``padded_shape``, the smaller half in front; larger images are predicted in patches of
   ``patch_shape``, whose logits are merged as the other fields ``patch_...`` say.

Afterwards the steps are undone from the last to the first, so that masks lie on the source grid. Logits (or
what else ``way_back`` says) are interpolated trilinearly, across thick slices taken from the nearest voxel;
what was cropped is background.
"""

from enum import StrEnum
from math import isclose, prod
from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from medpipe.core.findings import Value
from medpipe.core.grid import Orientation, reorientation_between
from medpipe.core.network_grid import SpacingGrid, WayBack
from medpipe.core.patches import PatchCentre, PatchPlaces, PatchWeights

Shape3 = tuple[int, int, int]
Spacing = tuple[float, float, float]
Axis = Literal[0, 1, 2]
Codes = Annotated[str, Field(pattern="^[LRPAIS]{3}$")]

_SAME_SPACING: Final = 1e-5
"""Spacings that differ by less, relatively, are equal but for the rounding of an affine."""

MAX_PATCH_VOXELS: Final = 256**3
"""No network is trained on larger patches; a foreign package that asks for more would exhaust the memory."""


class Region(StrEnum):
    """The voxels that intensity statistics are taken over.

    All of them; those that are not 0 in the channel; or those that are not 0 in any channel, and the holes
    that they enclose.
    """

    ALL = "all"
    NONZERO = "nonzero"
    INSIDE = "inside"


class NormaliseOn(StrEnum):
    """The grid that intensities are normalised on: the network's, or the image's own before resampling."""

    NETWORK = "network"
    SOURCE = "source"


class Interpolation(StrEnum):
    """How images come to another spacing: between two voxels along each axis, or by cubic B-splines.

    Cubic values do not leave the range of the image's own, as in nnU-Net.
    """

    LINEAR = "linear"
    CUBIC = "cubic"


class ZScore(Value):
    """Subtract the mean, divide by the standard deviation.

    Voxels outside the region become 0. A standard deviation of 0 divides by 1.

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


class FixedScale(Value):
    """Clip to a range, subtract a mean, divide by a standard deviation: those of the data that was learned.

    Attributes:
        clip: Both ends of the range, in the units of the image, HU for CT; None for no clipping.
        mean: What becomes 0.
        std: What becomes 1.
    """

    kind: Literal["fixed"] = "fixed"
    clip: tuple[float, float] | None = None
    mean: float = 0.0
    std: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.clip is not None:
            _check_order(*self.clip)
        return self


Intensity = Annotated[ZScore | PercentileScale | WindowScale | FixedScale, Field(discriminator="kind")]
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


def _three_axes(orientation: Orientation) -> Orientation:
    reorientation_between(np.eye(4), orientation)  # raises where the axes are not three different ones
    return orientation


def _different(axes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if axes is not None and len(set(axes)) < len(axes):
        raise ValueError(f"axes must differ, found {axes}")
    return axes


class Preprocessing(Value):
    """What a volume network expects; the order of the steps stands in the module's docstring.

    Attributes:
        channels: Input channels in the order of the network.
        orientation: Axis codes of the network's input such as ``"RAS"``; or the order of the image's own
            axes such as ``(2, 1, 0)``, which keeps their directions, whatever these are.
        mirror_right: The network knows the left side only: images of the right side are mirrored.
        crop_nonzero: Leave out the margins where all channels are 0.
        spacing_mm: Spacing along the axes of ``orientation``; None keeps the image's own.
        spacing_grid: How voxels of that spacing lie over the image.
        interpolation: How images come to that spacing.
        thick_ratio: Slices are thick where the spacing across them is more than this many times the finest
            one, in the image or else in ``spacing_mm``; None for never.
        way_back: What comes back to the image's grid.
        normalise_on: Grid of step 5.
        patch_shape: Voxels ``(I, J, K)`` of one patch, the shape the network was trained on.
        patch_overlap: Least share of a patch that it has in common with the next one, unless another is asked
            for; None where the network asks for none.
        patch_places: Where patches lie.
        patch_weights: How overlapping patches are weighted.
        patch_centre: Where Gaussian weights are highest.
        multiple_of: Padded sizes are multiples of this; ``patch_shape`` must be too.
        mirror_axes: Axes of the input along which the network learned from mirror images too, so that they
            may be predicted; None where nothing is known of that.
    """

    channels: tuple[Channel, ...] = Field(min_length=1)
    orientation: Annotated[Codes | tuple[Axis, Axis, Axis], AfterValidator(_three_axes)] = "RAS"
    mirror_right: bool = False
    crop_nonzero: bool = False
    spacing_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    spacing_grid: SpacingGrid = SpacingGrid.FIELD_OF_VIEW
    interpolation: Interpolation = Interpolation.LINEAR
    thick_ratio: Annotated[float, Field(gt=1.0)] | None = None
    way_back: WayBack = WayBack.LOGITS
    normalise_on: NormaliseOn = NormaliseOn.NETWORK
    patch_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    patch_overlap: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None
    patch_places: PatchPlaces = PatchPlaces.EVEN
    patch_weights: PatchWeights = PatchWeights.GAUSSIAN
    patch_centre: PatchCentre = PatchCentre.MIDDLE
    multiple_of: PositiveInt = 1
    mirror_axes: Annotated[tuple[Axis, ...], AfterValidator(_different)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len({channel.name for channel in self.channels}) < len(self.channels):
            raise ValueError(f"channel names must differ, found {[item.name for item in self.channels]}")
        if prod(self.patch_shape) > MAX_PATCH_VOXELS:
            raise ValueError(f"patch_shape {self.patch_shape} has more than {MAX_PATCH_VOXELS} voxels")
        if any(size % self.multiple_of for size in self.patch_shape):
            raise ValueError(f"patch_shape {self.patch_shape} must be multiples of {self.multiple_of}")
        if self.needs_inside and self.normalise_on is NormaliseOn.NETWORK:
            raise ValueError(
                "a region 'inside' is known on the image's own grid: normalise_on must be 'source'"
            )
        return self

    @property
    def needs_inside(self) -> bool:
        """Whether a channel is normalised over the region inside all channels."""
        rules = [channel.intensity for channel in self.channels]
        return any(
            isinstance(rule, ZScore | PercentileScale) and rule.region is Region.INSIDE for rule in rules
        )

    def thick_axis(self, *spacings_mm: Spacing) -> int | None:
        """Return the axis across thick slices, from the first of some spacings that has any.

        Returns:
            The axis; None where there are none, or where two axes are as coarse.

        Source:
            nnU-Net, ``default_resampling.py``: images are judged by their own spacing first, logits by the
            network's.
        """
        if self.thick_ratio is None:
            return None
        for spacing in spacings_mm:
            coarsest = max(spacing)
            if coarsest > self.thick_ratio * min(spacing):
                axes = [axis for axis in range(3) if isclose(spacing[axis], coarsest, rel_tol=_SAME_SPACING)]
                return axes[0] if len(axes) == 1 else None
        return None

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
