"""What a network of slices expects of a series, as data.

The steps, in this order; ``medpipe.inference.slices`` carries them out:

1. orientation: slices lie in the plane that the first two codes of ``orientation`` span, and stand in the
   direction of the third; axes are permuted and flipped to that, nothing is interpolated;
2. slabs: where ``slab_mm`` is set, neighbouring slices are averaged until none lies nearer to the next;
3. spacing: pixels of ``pixel_mm``, averaged where they become larger, interpolated where they become smaller;
4. size: ``shape`` pixels around the middle of the image, cropped or filled with ``fill``;
5. intensity: a channel for each entry of ``channels``.
"""

from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from medpipe.core.findings import Value
from medpipe.core.grid import reorientation_between
from medpipe.core.preprocessing import Codes, FixedScale, PercentileScale, WindowScale, ZScore

MAX_SLICES: Final = 1000
"""Slices, or slabs of them, that a package takes of one study unless it says otherwise."""


_ROUNDING: Final = (0.99, 1.01)
"""Headers round positions: a series at the very edge of what was seen is none beyond it."""


class HeaderWindow(Value):
    """As a fixed window, but the one that the series' header states first, the same for all its slices.

    Attributes:
        low_hu: Lower end where the header states none.
        high_hu: Upper end, likewise.
    """

    kind: Literal["header_window"] = "header_window"
    low_hu: float
    high_hu: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low_hu < self.high_hu:
            raise ValueError(
                f"the lower end must be below the upper, found {self.low_hu:g} and {self.high_hu:g}"
            )
        return self


SliceIntensity = Annotated[
    ZScore | PercentileScale | WindowScale | FixedScale | HeaderWindow, Field(discriminator="kind")
]
"""How the values of a study become one channel of the network's input."""


class SliceChannel(Value):
    """One channel of each slice.

    Attributes:
        name: What it shows, such as ``"brain"``.
        intensity: Its normalisation, over all slices of the study.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    intensity: SliceIntensity


class Seen(Value):
    """What a network has seen while it was trained: series beyond that are flagged.

    Attributes:
        slices: Fewest and most slices of a study, slabs counted.
        gaps_mm: Smallest and largest distance of neighbouring slices.
        novelty: How far the features of a study lay off at most, in standard deviations, with a margin; None
            where that is not known.
    """

    slices: tuple[PositiveInt, PositiveInt]
    gaps_mm: tuple[Annotated[float, Field(ge=0.0)], Annotated[float, Field(ge=0.0)]]
    novelty: PositiveFloat | None = None

    def beyond(self, num_slices: int, gaps_mm: tuple[float, float] | None, novelty: float) -> tuple[str, ...]:
        """Return in what a series lies beyond what was seen, in words; nothing where it does not.

        Args:
            num_slices: Slices of the series, slabs counted.
            gaps_mm: Smallest and largest distance of neighbouring slices; None of a single one.
            novelty: How far its features lie off.
        """
        found = []
        if not self.slices[0] <= num_slices <= self.slices[1]:
            noun = "slice" if num_slices == 1 else "slices"
            found.append(f"{num_slices} {noun}, trained on {self.slices[0]} to {self.slices[1]}")
        if gaps_mm is not None:
            least, most = self.gaps_mm[0] * _ROUNDING[0], self.gaps_mm[1] * _ROUNDING[1]
            if gaps_mm[0] < least or gaps_mm[1] > most:
                known = f"{self.gaps_mm[0]:.1f} to {self.gaps_mm[1]:.1f} mm"
                found.append(f"distances of {gaps_mm[0]:.1f} to {gaps_mm[1]:.1f} mm, trained on {known}")
        # Written so that a novelty that is no number is found too.
        if self.novelty is not None and not novelty <= self.novelty:
            found.append(
                f"slices unlike those that it was trained on: {novelty:.1f} standard deviations off, at most "
                f"{self.novelty:.1f} expected"
            )
        return tuple(found)


def _three_axes(codes: str) -> str:
    reorientation_between(np.eye(4), codes)  # raises where the axes are not three different ones
    return codes


class SlicePreprocessing(Value):
    """What a network of slices expects; the order of the steps stands in the module's docstring.

    Attributes:
        role: Role of the series, such as ``"image"``.
        modality: DICOM modality that it must have, such as ``"CT"``.
        orientation: Axis codes of rows, columns and slices: ``"LPS"`` for axial slices from below.
        slab_mm: Slices that lie nearer to each other are averaged; None for never.
        pixel_mm: Spacing in both directions of the plane; None keeps the image's own.
        shape: Pixels ``(I, J)`` of each slice.
        fill: Value outside of the image, in its own units, HU for CT.
        channels: Channels of each slice in the order of the network.
        max_slices: Studies of more slices are refused.
    """

    role: str = Field(default="image", pattern=r"^[a-z][a-z0-9_]{0,63}$")
    modality: str = Field(pattern=r"^[A-Z]{2}$")
    orientation: Annotated[Codes, AfterValidator(_three_axes)] = "LPS"
    slab_mm: PositiveFloat | None = None
    pixel_mm: PositiveFloat | None = None
    shape: tuple[PositiveInt, PositiveInt]
    fill: float = 0.0
    channels: tuple[SliceChannel, ...] = Field(min_length=1)
    max_slices: PositiveInt = MAX_SLICES

    @model_validator(mode="after")
    def _different_channels(self) -> Self:
        names = [channel.name for channel in self.channels]
        if len(set(names)) < len(names):
            raise ValueError(f"channel names must differ, found {names}")
        return self
