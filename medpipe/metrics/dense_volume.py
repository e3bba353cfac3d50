"""The trivial rule for bleeds in a head CT: how much inside the skull is as dense as blood."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medpipe.core.affine import Array
from medpipe.core.slice_stack import SliceStack
from medpipe.metrics.body import slice_depths_mm

BLOOD_HU: Final = (55.0, 90.0)
"""Denser than brain, less dense than calcification and bone."""

BONE_HU: Final = 300.0
MARGIN_MM: Final = 4.0
"""Within this distance from bone, brain is mixed with it and as bright as blood."""


def dense_volume_ml(slices: SliceStack) -> Array:
    """Return the volume as dense as blood inside the skull, in each slice: ``(S,)`` mL.

    Inside is what bone encloses within a slice, save for a margin. Slices whose bone encloses nothing, as at
    an open skull base, count as 0. The sum is the study's.

    Args:
        slices: Head CT; the first channel is used, in Hounsfield units.

    Source:
        medpipe: the rule that a model of bleeds must beat.
    """
    spacing = slices.spacing_mm
    areas = [_dense_pixels(plane, spacing) * spacing[0] * spacing[1] for plane in slices.array[:, 0].numpy()]
    return np.asarray(np.array(areas) * slice_depths_mm(slices) / 1000.0, dtype=np.float64)


def _dense_pixels(plane: npt.NDArray[Any], spacing: tuple[float, float]) -> int:
    bone = plane > BONE_HU
    inside = ndimage.binary_fill_holes(bone) & ~bone
    if not inside.any():
        return 0
    within = ndimage.distance_transform_edt(~bone, sampling=spacing) > MARGIN_MM
    return int((inside & within & (plane >= BLOOD_HU[0]) & (plane <= BLOOD_HU[1])).sum())
