"""A slice stack: parallel slices, each with its own position."""

from dataclasses import dataclass

import numpy as np
import torch

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.core.source import Source


@dataclass(frozen=True, eq=False)
class SliceStack:
    """Slices of one orientation, in physical order along their normal.

    Attributes:
        array: ``(S, C, I, J)`` tensor; axis I runs along image rows (columns of DICOM pixels).
        in_plane_mm: ``(3, 2)`` RAS mm: the step to the next voxel along I, and along J.
        positions_mm: ``(S, 3)`` RAS mm: the centre of voxel (0, 0) of each slice.
        thickness_mm: ``(S,)`` slice thickness as the header states it; NaN where it does not.
        modality: DICOM modality such as ``"CT"``.
        source: Where it came from.
    """

    array: torch.Tensor
    in_plane_mm: Array
    positions_mm: Array
    thickness_mm: Array
    modality: str
    source: Source

    def __post_init__(self) -> None:
        if self.array.ndim != 4 or 0 in self.array.shape:
            raise ShapeError(
                "A slice stack is (S, C, I, J) with at least one slice",
                found=f"shape {tuple(self.array.shape)}",
            )
        num_slices = len(self.array)
        for name, shape in (
            ("in_plane_mm", (3, 2)),
            ("positions_mm", (num_slices, 3)),
            ("thickness_mm", (num_slices,)),
        ):
            value = np.array(getattr(self, name), dtype=np.float64)
            if value.shape != shape:
                raise ShapeError(f"{name} must be {shape}", found=f"shape {value.shape}")
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def num_slices(self) -> int:
        """Number of slices."""
        return len(self.array)

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """In-plane spacing along I and J."""
        i, j = np.linalg.norm(self.in_plane_mm, axis=0)
        return float(i), float(j)

    @property
    def normal(self) -> Array:
        """``(3,)`` unit normal of the slices, RAS, right-handed with I and J."""
        normal = np.cross(self.in_plane_mm[:, 0], self.in_plane_mm[:, 1])
        return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)

    @property
    def gaps_mm(self) -> Array:
        """``(S - 1,)`` distances between neighbouring slices along the normal."""
        return np.asarray(np.abs(np.diff(self.positions_mm @ self.normal)), dtype=np.float64)

    def slice_affine(self, index: int) -> Array:
        """Return the 4x4 affine of one slice; its third column is the unit normal."""
        affine = np.eye(4)
        affine[:3, :2] = self.in_plane_mm
        affine[:3, 2] = self.normal
        affine[:3, 3] = self.positions_mm[index]
        return affine
