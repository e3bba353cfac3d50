"""A network's grid: where its voxels lie over those of an image, axis by axis, and the way back from it."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

_SAME_SPACING_MM: Final = 1e-3
"""Spacings that differ by no more are equal (``AFFINE_TOL`` of MONAI): no drift over hundreds of voxels."""


class SpacingGrid(StrEnum):
    """How voxels of another spacing lie over an image.

    ``field_of_view`` is divided into ``max(1, round(old / new * size))`` voxels, so that the spacing is the
    one asked for but for that rounding. Otherwise it is exact: from the centre of the ``first_voxel``, with
    ``round((size - 1) * old / new + 1)`` voxels, as MONAI's ``Spacingd`` has it; or, as with its
    ``scale_extent``, with the number of voxels of ``field_of_view`` and the first where that one's lies. The
    last may then end before or behind the image's last; behind, that one is repeated.
    """

    FIELD_OF_VIEW = "field_of_view"
    FIRST_VOXEL = "first_voxel"
    EXTENT = "extent"


class WayBack(StrEnum):
    """What comes back to the image's grid: logits or probabilities, interpolated, or the nearest voxel's."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    NEAREST = "nearest"


@dataclass(frozen=True)
class NetworkAxis:
    """A network's voxels along one axis of an image; lengths in voxels of the image.

    Attributes:
        outer: How many voxels the image has.
        inner: How many the network has.
        start: From the face where the image's first voxel begins to that of the network's.
        extent: What the network's voxels cover.
    """

    outer: int
    inner: int
    start: float
    extent: float

    @classmethod
    def dividing(cls, outer: int, inner: int) -> "NetworkAxis":
        """Divide the field of view of ``outer`` voxels into ``inner`` ones."""
        return cls(outer, inner, 0.0, outer)

    @classmethod
    def of_spacing(cls, grid: SpacingGrid, size: int, old_mm: float, new_mm: float) -> "NetworkAxis":
        """Give an axis another spacing.

        Args:
            grid: How the new voxels lie.
            size: How many voxels the image has.
            old_mm: Their spacing.
            new_mm: Spacing of the network.

        Source:
            MONAI, ``compute_shape_offset``, for all but the field of view.
        """
        divided = max(1, round(old_mm / new_mm * size))
        if grid is SpacingGrid.FIELD_OF_VIEW:
            return cls.dividing(size, divided)
        is_same = abs(new_mm - old_mm) <= _SAME_SPACING_MM
        step = 1.0 if is_same else new_mm / old_mm
        if grid is SpacingGrid.FIRST_VOXEL:
            inner = size if is_same else round((size - 1) * (old_mm / new_mm) + 1)
            return cls(size, inner, (1 - step) / 2, inner * step)
        inner = size if is_same else divided
        return cls(size, inner, (size / inner - step) / 2, inner * step)

    @property
    def is_divided(self) -> bool:
        """Whether the network's voxels cover the field of view of the image's."""
        return self.start == 0.0 and self.extent == self.outer

    @property
    def is_identity(self) -> bool:
        """Whether the network's voxels are the image's."""
        return self.is_divided and self.inner == self.outer

    @property
    def step(self) -> float:
        """From one of the network's voxels to the next."""
        return self.extent / self.inner

    def reversed(self) -> "NetworkAxis":
        """Return the axis as it stands where both grids are read from their ends."""
        return replace(self, start=self.outer - self.start - self.extent)


NetworkAxes = tuple[NetworkAxis, NetworkAxis, NetworkAxis]
