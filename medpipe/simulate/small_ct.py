"""A small simulated CT: an ellipsoid of soft tissue in a shell of bone, in milliseconds."""

import numpy as np
import torch

from medpipe.core.affine import Array
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.simulate.phantom import orientation_affine

AIR_HU, TISSUE_HU, BONE_HU = -1000.0, 40.0, 900.0

_FIELD_OF_VIEW_MM = 192.0
_STEP_MM = 5.0
_OUTER, _INNER = 0.85, 0.75
"""Radii of the shell of bone, as parts of half the field of view."""


def small_ct(*, num_slices: int = 20, size: int = 64, affine: Array | None = None) -> Volume:
    """Return a simulated CT of ``size`` x ``size`` pixels.

    A small block of bone lies in the half of low I, low J and low K, so that no flip goes unseen.

    Args:
        num_slices: Slices along K, 5 mm apart.
        size: Pixels along I and J, over 192 mm.
        affine: 4x4 to RAS mm; an axial scan (I to L, J to P, K to S) by default.
    """
    i, j, k = np.meshgrid(*(_unit_range(count) for count in (size, size, num_slices)), indexing="ij")
    radius = np.sqrt(i**2 + j**2 + k**2)
    values = np.select([radius < _INNER, radius < _OUTER], [TISSUE_HU, BONE_HU], AIR_HU)
    block = (abs(i + 0.3) < 0.12) & (abs(j + 0.2) < 0.12) & (abs(k + 0.25) < 0.2)
    values = np.where(block, BONE_HU, values).astype(np.float32)
    if affine is None:
        pixel_mm = _FIELD_OF_VIEW_MM / size
        affine = orientation_affine("LPS", spacing=(pixel_mm, pixel_mm, _STEP_MM), origin=(95.0, 80.0, -40.0))
    return Volume(torch.from_numpy(values)[None], affine, "CT", Source(kind=SourceKind.MEMORY))


def _unit_range(count: int) -> Array:
    """Return the centres of ``count`` voxels that together span -1 to 1."""
    return np.linspace(-1.0, 1.0, 2 * count + 1)[1::2]
