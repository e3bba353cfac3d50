"""How the slices of a stack are shown: their plane, their places along its normal, and their pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array, closest_axes
from medpipe.core.errors import ShapeError
from medpipe.figures.planes import PLANES, Plane, View, closest_view


@dataclass(frozen=True, eq=False)
class StackPlaces:
    """Where slices lie.

    Attributes:
        plane: Nearest to the slices.
        affine: 4x4, voxel (i, j) and a step of 1 mm along the normal to RAS mm.
        places_mm: ``(S,)`` of each slice along the normal, in the order of the stack; grows towards the
            patient's right, front or head.
    """

    plane: Plane
    affine: Array
    places_mm: Array

    @property
    def heights_mm(self) -> Array:
        """``(S,)`` distance of each slice from the lowest one, in the order of the stack."""
        return np.asarray(self.places_mm - self.places_mm.min(), dtype=np.float64)

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """``(S,)`` the slices from the lowest to the highest."""
        return np.argsort(self.places_mm, kind="stable")

    def view(self, array: npt.NDArray[Any]) -> View:
        """Return the voxels of the stack, ``(S, I, J)``, as they are shown, lowest slice first."""
        return self._upright(np.moveaxis(array[self.order], 0, -1))

    def slice_view(self, array: npt.NDArray[Any]) -> View:
        """Return values over one slice, ``(H, W)`` along I and J, as they are shown."""
        return self._upright(array[:, :, None])

    def _upright(self, ascending: npt.NDArray[Any]) -> View:
        affine = self.affine.copy()
        affine[:3, 2] *= np.sign(affine[self.plane.normal, 2])
        return closest_view(ascending, affine)


def stack_places(in_plane_mm: Array, positions_mm: Array) -> StackPlaces:
    """Return where the slices of a stack lie.

    Args:
        in_plane_mm: ``(3, 2)`` RAS mm: the step to the next voxel along I, and along J.
        positions_mm: ``(S, 3)`` RAS mm: the centre of voxel (0, 0) of each slice.

    Raises:
        ShapeError: The arrays are of other shapes.
    """
    if in_plane_mm.shape != (3, 2) or positions_mm.ndim != 2 or positions_mm.shape[1] != 3:
        raise ShapeError(
            "A stack has (3, 2) steps and (S, 3) positions",
            found=f"{in_plane_mm.shape} and {positions_mm.shape}",
        )
    normal = np.cross(in_plane_mm[:, 0], in_plane_mm[:, 1])
    affine = np.eye(4)
    affine[:3, :2] = in_plane_mm
    affine[:3, 2] = normal / np.linalg.norm(normal)
    affine[:3, 3] = positions_mm[0]
    world = closest_axes(affine)[2]
    plane = next(plane for plane in PLANES if plane.normal == world)
    upwards = affine[:3, 2] * np.sign(affine[world, 2])
    return StackPlaces(plane, affine, np.asarray(positions_mm @ upwards, dtype=np.float64))
