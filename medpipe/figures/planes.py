"""The three planes in radiological convention, and the view of a voxel array along them."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array, apply_affine, directions_of, is_sheared, shear_degrees
from medpipe.core.errors import ShapeError
from medpipe.core.grid import Grid, reorientation_between

_ENDS: Final = (("L", "R"), ("P", "A"), ("I", "S"))
"""Letters at the negative and the positive end of each world axis."""

_UNKNOWN_MARKS: Final = ("?", "?", "?", "?")


@dataclass(frozen=True)
class Plane:
    """A plane as radiologists look at it: from the feet, from the front, from the left.

    Attributes:
        name: ``"axial"``, ``"coronal"`` or ``"sagittal"``.
        normal: World axis (0 R, 1 A, 2 S) that the slices are stacked along.
        across: World axis that runs along the picture's width, its positive end at the left.
        up: World axis that runs along the picture's height, its positive end at the top.
    """

    name: str
    normal: int
    across: int
    up: int

    @property
    def marks(self) -> tuple[str, str, str, str]:
        """Letters at the left, right, top and bottom edge of a picture."""
        return _ENDS[self.across][1], _ENDS[self.across][0], _ENDS[self.up][1], _ENDS[self.up][0]


AXIAL: Final = Plane("axial", normal=2, across=0, up=1)
CORONAL: Final = Plane("coronal", normal=1, across=0, up=2)
SAGITTAL: Final = Plane("sagittal", normal=0, across=1, up=2)
PLANES: Final = (AXIAL, CORONAL, SAGITTAL)


@dataclass(frozen=True, eq=False)
class View:
    """Voxels permuted and flipped to the orientation closest to RAS; nothing is interpolated.

    Attributes:
        array: ``(X, Y, Z)``, axes running to the patient's right, front and head; shares memory.
        grid: Where those voxels lie.
        is_oriented: Whether the affine's directions are known to be the patient's.
    """

    array: npt.NDArray[Any]
    grid: Grid
    is_oriented: bool = True

    def picture(self, plane: Plane, index: int) -> npt.NDArray[Any]:
        """Return slice ``index`` as ``(rows, columns)``, ready to be shown."""
        return _picture(self.array, plane, index)

    def extent_mm(self, plane: Plane) -> tuple[float, float]:
        """Return the width and height of a picture in mm, outer faces included."""
        extent = self.grid.field_of_view_mm
        return extent[plane.across], extent[plane.up]

    def marks(self, plane: Plane) -> tuple[str, str, str, str]:
        """Return the letters at the left, right, top and bottom edge; ``"?"`` where not known."""
        return plane.marks if self.is_oriented else _UNKNOWN_MARKS

    def position(self, plane: Plane, index: int) -> str:
        """Return the place of a slice's centre along the patient axis, such as ``"S 34.5 mm"``."""
        if not self.is_oriented:
            return f"slice {index + 1}"
        centre = (np.array(self.grid.shape) - 1) / 2
        centre[plane.normal] = index
        return position_text(float(apply_affine(self.grid.affine, centre)[plane.normal]), plane)

    def axes_note(self) -> str:
        """Return what a reader must know of axes that are not the patient's; empty where they are."""
        if not self.is_oriented:
            return "The file states no orientation: sides are not known."
        angle = oblique_degrees(self.grid.affine)
        if is_sheared(self.grid.affine):
            return (
                f"Slices are tilted by {shear_degrees(self.grid.affine):.1f} degrees against their "
                "stack and are drawn on the voxel grid, not resampled: planes across them look sheared."
            )
        if angle >= _STRAIGHT_DEGREES:
            return (
                f"Drawn along the voxel axes, not resampled: they are turned by up to {angle:.1f} degrees "
                "against the patient's axes, and marks name the nearest direction."
            )
        return ""


_STRAIGHT_DEGREES: Final = 0.5
"""Turns below this cannot be seen in a picture."""


def closest_view(array: npt.NDArray[Any], affine: Array, *, is_oriented: bool = True) -> View:
    """Permute and flip an array to the axes closest to RAS.

    Args:
        array: ``(I, J, K)``.
        affine: 4x4, voxel index to RAS mm.
        is_oriented: False where the file states no orientation: axes then stay as they are.

    Raises:
        ShapeError: The array has not three axes.
    """
    if array.ndim != 3:
        raise ShapeError("A figure is drawn from (I, J, K) voxels", found=f"shape {array.shape}")
    size_i, size_j, size_k = array.shape
    grid = Grid((size_i, size_j, size_k), affine)
    if not is_oriented:
        return View(array, grid, is_oriented=False)
    move = reorientation_between(grid.affine, "RAS")
    return View(np.flip(array.transpose(move.order), move.flips), move.of_grid(grid))


def position_text(position_mm: float, plane: Plane) -> str:
    """Return a coordinate along a plane's normal as side and distance, such as ``"I 12.0 mm"``."""
    negative, positive = _ENDS[plane.normal]
    return f"{positive if position_mm >= 0 else negative} {abs(position_mm):.1f} mm"


def side_sentence(plane: Plane) -> str:
    """Return the convention of a plane in words."""
    if plane is SAGITTAL:
        return "Seen from the patient's left: the front is on the left of the picture."
    place = "the feet" if plane is AXIAL else "the front"
    return f"Seen from {place} (radiological convention): the patient's left is on the right of the picture."


def oblique_degrees(affine: Array) -> float:
    """Return the largest angle between a voxel axis and the world axis nearest to it."""
    largest = np.abs(directions_of(affine)).max(axis=0).min()
    return float(np.degrees(np.arccos(min(1.0, largest))))


def _picture(array: npt.NDArray[Any], plane: Plane, index: int) -> npt.NDArray[Any]:
    # The two axes that remain are (across, up) in this order; both positive ends come first.
    slice_: npt.NDArray[Any] = np.moveaxis(array, plane.normal, 0)[index]
    return slice_[::-1, ::-1].T
