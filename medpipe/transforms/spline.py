"""Smooth random fields: uniform cubic B-splines over a grid of control values."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medpipe.core.affine import Array
from medpipe.transforms.draws import SplineDraw

_SUPPORT = 4
"""Control values that a cubic B-spline rests on along each axis."""


@dataclass(frozen=True, eq=False)
class Spline:
    """A field over an image, at most as large as its largest control value.

    Attributes:
        control: ``(F, I', J', K')`` control values of F components.
        shape: ``(I, J, K)`` voxels of the image; the control grid spans their centres.
    """

    control: Array
    shape: tuple[int, int, int]

    @classmethod
    def drawn(cls, draw: SplineDraw, shape: tuple[int, int, int], *, components: int) -> "Spline":
        """Return the field of a draw: control values evenly spread up to its strength."""
        size = (components, *(count + _SUPPORT - 1 for count in draw.cells))
        control = np.random.default_rng(draw.seed).uniform(-draw.strength, draw.strength, size)
        return cls(control, shape)

    def at(self, points: Array) -> Array:
        """Return the field ``(P, F)`` at points ``(P, 3)`` in voxels; beyond the ends it stays constant."""
        first, weights = zip(*(self._support(points[:, axis], axis) for axis in range(3)), strict=True)
        steps = np.arange(_SUPPORT)
        i, j, k = (start[:, None] + steps for start in first)
        near = self.control[:, i[:, :, None, None], j[:, None, :, None], k[:, None, None, :]]
        return np.asarray(np.einsum("fpijk,pi,pj,pk->pf", near, *weights, optimize=True))

    def on_voxels(self, rows: slice, device: torch.device) -> torch.Tensor:
        """Return the field ``(F, rows, J, K)`` float32 at voxel centres, some of them along axis I."""
        ranges = (range(self.shape[0])[rows], range(self.shape[1]), range(self.shape[2]))
        field = torch.tensor(self.control, dtype=torch.float32, device=device)
        for axis, indices in enumerate(ranges):
            basis = torch.tensor(self._basis(indices, axis), dtype=torch.float32, device=device)
            field = torch.movedim(torch.tensordot(field, basis, dims=([1 + axis], [1])), -1, 1 + axis)
        return field

    def _basis(self, indices: range, axis: int) -> Array:
        """Return the weight of each control value: ``(voxels, control)``."""
        first, weights = self._support(np.array(indices, dtype=np.float64), axis)
        basis = np.zeros((len(indices), self.control.shape[1 + axis]))
        np.put_along_axis(basis, first[:, None] + np.arange(_SUPPORT), weights, axis=1)
        return basis

    def _support(self, coordinates: Array, axis: int) -> tuple[npt.NDArray[np.intp], Array]:
        """Return the first of the four control values near each coordinate, and their weights."""
        cells = self.control.shape[1 + axis] - _SUPPORT + 1
        place = np.clip(coordinates / max(self.shape[axis] - 1, 1), 0.0, 1.0) * cells
        first = np.minimum(place.astype(np.intp), cells - 1)
        t = place - first
        weights = np.stack(
            [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
        )
        return first, weights / 6.0
