"""A volume: a voxel array on a proven grid."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from medpipe.core.affine import Array, checked_affine
from medpipe.core.errors import ShapeError
from medpipe.core.grid import Grid, reorientation_between
from medpipe.core.source import Source

if TYPE_CHECKING:
    from monai.data import MetaTensor


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels and where they lie.

    Attributes:
        array: ``(C, I, J, K)`` tensor; Hounsfield units as float32 for CT.
        affine: 4x4 float64, voxel index to RAS+ mm.
        modality: DICOM modality such as ``"CT"``; empty where the file states none.
        source: Where it came from.
    """

    array: torch.Tensor
    affine: Array
    modality: str
    source: Source

    def __post_init__(self) -> None:
        if self.array.ndim != 4 or 0 in self.array.shape:
            raise ShapeError(
                "A volume is (C, I, J, K) with at least one voxel",
                found=f"shape {tuple(self.array.shape)}",
            )
        object.__setattr__(self, "affine", checked_affine(self.affine))

    @cached_property
    def grid(self) -> Grid:
        """Shape and affine without the voxels."""
        size_i, size_j, size_k = self.array.shape[1:]
        return Grid((size_i, size_j, size_k), self.affine)

    def with_array(self, array: torch.Tensor) -> "Volume":
        """Return a volume with other values on the same grid.

        Raises:
            ShapeError: The spatial shape differs.
        """
        if tuple(array.shape[1:]) != self.grid.shape:
            raise ShapeError(
                "The array does not lie on the volume's grid",
                found=f"{tuple(array.shape[1:])}, expected {self.grid.shape}",
            )
        return replace(self, array=array)

    def reoriented(self, orientation: str) -> "Volume":
        """Permute and flip axes to the closest orientation such as ``"RAS"``; nothing is interpolated."""
        move = reorientation_between(self.affine, orientation)
        array = self.array.permute(0, *(axis + 1 for axis in move.order))
        if move.flips:
            array = array.flip([axis + 1 for axis in move.flips])
        return replace(self, array=array, affine=move.of_grid(self.grid).affine)

    def to_metatensor(self) -> "MetaTensor":
        """Return a MONAI view that shares the voxels; never carries a path."""
        from monai.data import MetaTensor

        return MetaTensor(self.array, affine=torch.tensor(self.affine))
