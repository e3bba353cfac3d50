"""The grids on which a head is made: a coarse one for deformations, a fine one for tissues.

Both lie in the head's own frame: RAS mm, near the template's, before the person is laid into the scanner. The
nodes of the coarse grid are every fourth voxel of the fine one, so that a deformation is the same wherever it
is interpolated.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn.functional import interpolate

from medpipe.core.affine import Array, apply_affine, inverse_of
from medpipe.core.grid import Grid

Field = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
"""``(I, J, K)`` on the fine grid; fields are float32."""

Box = tuple[slice, slice, slice]
"""A part of the fine grid."""

VOXEL_MM: Final = 1.5
NODE_MM: Final = 6.0

_NODES: Final = (31, 38, 34)
_ORIGIN_MM: Final = (-90.0, -126.0, -100.0)
"""Of the first voxel: heads of every size lie inside, with the nape that a tilted slice meets."""


def _grid(shape: tuple[int, int, int], spacing_mm: float) -> Grid:
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = _ORIGIN_MM
    return Grid(shape, affine)


NODE_GRID: Final = _grid(_NODES, NODE_MM)
HEAD_GRID: Final = _grid(
    tuple(round(NODE_MM / VOXEL_MM) * (size - 1) + 1 for size in _NODES),  # type: ignore[arg-type]  # three
    VOXEL_MM,
)


def node_points_mm() -> Array:
    """Return the ``(I, J, K, 3)`` places of the coarse nodes."""
    return apply_affine(NODE_GRID.affine, np.moveaxis(np.indices(NODE_GRID.shape), 0, -1))


def to_head_grid(nodes: Array) -> torch.Tensor:
    """Interpolate fields ``(C, I, J, K)`` from the nodes to the voxels, linearly; float32."""
    coarse = torch.from_numpy(np.ascontiguousarray(nodes, dtype=np.float32))[None]
    return interpolate(coarse, size=HEAD_GRID.shape, mode="trilinear", align_corners=True)[0]


def at_points(nodes: Array, points_mm: Array) -> Array:
    """Interpolate fields ``(C, I, J, K)`` given at the nodes at points ``(N, 3)``, linearly: ``(C, N)``."""
    places = apply_affine(inverse_of(NODE_GRID.affine), points_mm).T
    return np.stack([ndimage.map_coordinates(field, places, order=1, mode="nearest") for field in nodes])


def smooth_noise(rng: np.random.Generator, sigma_mm: float) -> Array:
    """Return a smooth random field at the nodes, of standard deviation 1."""
    field = ndimage.gaussian_filter(rng.normal(size=NODE_GRID.shape), sigma_mm / NODE_MM, mode="wrap")
    scaled: Array = field / field.std()
    return scaled


def box_around(centre_mm: npt.ArrayLike, reach_mm: float) -> Box:
    """Return the slices of the fine grid that hold all voxels within a distance along each axis."""
    middle = HEAD_GRID.to_voxels(centre_mm)
    lower = np.floor(middle - reach_mm / VOXEL_MM).astype(int).clip(0)
    upper = np.ceil(middle + reach_mm / VOXEL_MM).astype(int).clip(0) + 1
    i, j, k = (slice(int(low), int(high)) for low, high in zip(lower, upper, strict=True))
    return i, j, k


def points_in(box: Box) -> list[Field]:
    """Return the coordinates along x, y and z of a box's voxels, as arrays that broadcast to its shape."""
    axes = [
        (np.arange(size)[part] * VOXEL_MM + origin).astype(np.float32)
        for size, part, origin in zip(HEAD_GRID.shape, box, _ORIGIN_MM, strict=True)
    ]
    return list(np.meshgrid(*axes, indexing="ij", sparse=True))
