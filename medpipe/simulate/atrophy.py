"""Simulated atrophy: the MNI152 brain with one hippocampus shrunk, so that its sides can be told apart."""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from medpipe.core.affine import Array
from medpipe.core.boxes import boxes_to_voxels
from medpipe.core.findings import Laterality
from medpipe.core.grid import Grid
from medpipe.core.volume import Volume
from medpipe.transforms.structure_crop import PairedStructure

_REACH: Final = 1.44
"""Where the deformation ends, in semi-axes: before the midline, so that the other side stays as it is."""


def shrink_structure(
    head: Volume, structure: PairedStructure, side: Laterality, *, volume_share: float = 0.7
) -> Volume:
    """Shrink a structure on one side of the template towards its middle, smoothly.

    Within the ellipsoid that fills the structure's box, everything shrinks alike, to ``volume_share`` of its
    volume. Around it the tissue is stretched, less and less, up to 1.44 semi-axes; beyond, nothing moves. It
    is a simulation: real atrophy widens the fluid around a structure instead.

    Args:
        head: ``(1, I, J, K)`` in the template's space.
        structure: Where it lies in the template.
        side: The side that shrinks.
        volume_share: Volume afterwards, between 0.5 and 1.

    Source:
        medpipe.
    """
    centre = np.array(structure.centre_on(side))
    semi_axes = np.array(structure.size_mm) / 2
    voxels = _voxels_between(head.grid, centre - _REACH * semi_axes, centre + _REACH * semi_axes)
    offsets = head.grid.to_world_mm(voxels) - centre
    stretch = _stretch(np.linalg.norm(offsets / semi_axes, axis=1), volume_share)
    sources = head.grid.to_voxels(centre + offsets * stretch[:, None])
    values = head.array[0].numpy().astype(np.float32)  # a copy
    values[tuple(voxels.T)] = ndimage.map_coordinates(values, sources.T, order=1)
    return head.with_array(torch.from_numpy(values)[None])


def _voxels_between(grid: Grid, lower_mm: Array, upper_mm: Array) -> npt.NDArray[np.int64]:
    """Return the ``(N, 3)`` indices of the voxels in a box of the world."""
    box = boxes_to_voxels([[*lower_mm, *upper_mm]], grid.affine)[0]
    lower = np.maximum(np.floor(box[:3]), 0).astype(int)
    upper = np.minimum(np.ceil(box[3:]), grid.shape).astype(int)
    voxels: npt.NDArray[np.int64] = np.indices(upper - lower).reshape(3, -1).T + lower
    return voxels


def _stretch(radius: Array, volume_share: float) -> Array:
    """Return how much further from the middle each point's value comes from.

    Args:
        radius: Distances from the middle, in semi-axes.
        volume_share: Volume afterwards.
    """
    most = volume_share ** (-1 / 3)
    taper = (1 + np.cos(np.pi * np.clip((radius - 1) / (_REACH - 1), 0, 1))) / 2
    return np.asarray(np.where(radius < _REACH, 1 + (most - 1) * taper, 1.0), dtype=np.float64)
