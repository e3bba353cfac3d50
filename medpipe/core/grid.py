"""A grid: the shape of a voxel array and where it lies in the world."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import (
    Array,
    apply_affine,
    checked_affine,
    closest_axes,
    directions_of,
    inverse_of,
    is_oblique,
    is_sheared,
    orientation_of,
    spacing_of,
    voxel_volume_ml,
)
from medpipe.core.errors import ShapeError

Orientation = str | tuple[int, int, int]
"""Axis codes such as ``"RAS"``, or the order of an array's own axes, whose directions are kept."""

Box = tuple[slice, slice, slice]
"""Voxels along each array axis, half-open."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Geometry without voxels.

    Attributes:
        shape: Voxels along each array axis ``(I, J, K)``.
        affine: 4x4 float64, voxel index to RAS+ mm; voxel centres lie on integers.
    """

    shape: tuple[int, int, int]
    affine: Array

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or any(size < 1 for size in self.shape):
            raise ShapeError("A grid has three axes of at least one voxel", found=f"shape {self.shape}")
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))
        object.__setattr__(self, "affine", checked_affine(self.affine))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel spacing in mm, in array order."""
        return spacing_of(self.affine)

    @property
    def orientation(self) -> str:
        """Axis codes such as ``"RAS"``."""
        return orientation_of(self.affine)

    @property
    def is_oblique(self) -> bool:
        """Whether an axis is not parallel to a world axis."""
        return is_oblique(self.affine)

    @property
    def is_sheared(self) -> bool:
        """Whether the axes are not perpendicular, as under gantry tilt."""
        return is_sheared(self.affine)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in mL."""
        return voxel_volume_ml(self.affine)

    @property
    def field_of_view_mm(self) -> tuple[float, float, float]:
        """Extent along each array axis in mm, outer faces included."""
        i, j, k = (size * step for size, step in zip(self.shape, self.spacing, strict=True))
        return i, j, k

    def to_world_mm(self, indices: npt.ArrayLike) -> Array:
        """Map ``(..., 3)`` voxel indices to RAS mm."""
        return apply_affine(self.affine, indices)

    def to_voxels(self, points_mm: npt.ArrayLike) -> Array:
        """Map ``(..., 3)`` RAS mm to fractional voxel indices."""
        return apply_affine(inverse_of(self.affine), points_mm)

    def corners_mm(self) -> Array:
        """Return the ``(8, 3)`` outer corners of the field of view in RAS mm."""
        ends = [(-0.5, size - 0.5) for size in self.shape]
        return self.to_world_mm(list(product(*ends)))

    def cropped(self, box: Box) -> "Grid":
        """Return the grid of a part of the voxels."""
        affine = self.affine.copy()
        affine[:3, 3] = self.to_world_mm([part.start for part in box])
        i, j, k = (part.stop - part.start for part in box)
        return Grid((i, j, k), affine)

    def matches(self, other: "Grid", *, tolerance_mm: float = 1e-3) -> bool:
        """Whether both grids put every voxel at the same place, to ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        return bool(np.abs(self.corners_mm() - other.corners_mm()).max() <= tolerance_mm)


@dataclass(frozen=True)
class Reorientation:
    """A permutation of array axes and flips, which interpolates nothing.

    Attributes:
        order: Source axis of each target axis.
        flips: Target axes that are reversed after the permutation.
    """

    order: tuple[int, int, int]
    flips: tuple[int, ...]

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves."""
        return self.order == (0, 1, 2) and not self.flips

    def of_grid(self, grid: Grid) -> Grid:
        """Return the grid as it stands after the reorientation."""
        shape = tuple(grid.shape[axis] for axis in self.order)
        step = np.zeros((4, 4))
        step[3, 3] = 1.0
        for target, source in enumerate(self.order):
            step[source, target] = -1.0 if target in self.flips else 1.0
            step[source, 3] = shape[target] - 1 if target in self.flips else 0.0
        return Grid(shape, grid.affine @ step)  # type: ignore[arg-type]  # a tuple of three


def reorientation_between(affine: Array, orientation: Orientation) -> Reorientation:
    """Return the permutation and flips that bring an affine closest to an orientation.

    Args:
        affine: 4x4, voxel index to RAS mm.
        orientation: Three axis codes, one of each pair L/R, P/A, I/S, such as ``"RAS"``; or an order of the
            array's own axes, for which the affine does not matter.

    Raises:
        ShapeError: The codes or numbers do not name three different axes.
    """
    if not isinstance(orientation, str):
        return Reorientation(_checked_order(orientation), ())
    worlds = _world_axes(orientation)
    source_worlds = closest_axes(affine)
    order = tuple(source_worlds.index(world) for world, _ in worlds)
    directions = directions_of(affine)
    flips = tuple(
        target
        for target, ((world, sign), source) in enumerate(zip(worlds, order, strict=True))
        if directions[world, source] * sign < 0
    )
    return Reorientation(order, flips)  # type: ignore[arg-type]  # a tuple of three


def _checked_order(order: tuple[int, int, int]) -> tuple[int, int, int]:
    if sorted(order) != [0, 1, 2]:
        raise ShapeError("An order of axes names 0, 1 and 2 once each", found=str(order))
    return order


def _world_axes(orientation: str) -> Sequence[tuple[int, int]]:
    pairs = ("LR", "PA", "IS")
    found = [
        (world, -1 if pair.index(letter) == 0 else 1)
        for letter in orientation.upper()
        for world, pair in enumerate(pairs)
        if letter in pair
    ]
    if len(orientation) != 3 or sorted(world for world, _ in found) != [0, 1, 2]:
        raise ShapeError(
            "An orientation names three different axes",
            found=repr(orientation),
            fix="Use one letter of each pair L/R, P/A, I/S, such as RAS or LPS.",
        )
    return found
