"""The head that every simulated person is a deformation of: the MNI152 brain in a skull, a scalp and a face.

Fields on a grid of 2 mm in the template's space. Distances stand where an edge must stay sharp however it is
sampled: a distance is interpolated well, a step is not.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from medpipe.core.affine import Array, apply_affine
from medpipe.io.template import MniMap, load_mni
from medpipe.simulate.head_ct.skull_base import face_depth_mm, face_hu
from medpipe.simulate.ventricles import DEEP_MM, lateral_ventricles

Mask = npt.NDArray[np.bool_]

CHANNELS: Final = ("grey", "white", "lateral", "narrow", "beyond", "face", "face_hu")
"""Fields of :class:`HeadTemplate`, in the order of its array."""

SPACING_MM: Final = 2
"""Of the template's grid."""

_BELOW_MM: Final = 40
_CORD_TOP_MM: Final = -68.0
_CORD_MM: Final = (0.0, -45.0)
_CORD_RADIUS_MM: Final = 5.0
"""The template ends in the medulla: a cord goes on below, of white matter, about the same axis."""
_CLOSING_MM: Final = 8.0
_VAULT_CLOSING_MM: Final = 24.0
_VAULT_ABOVE_MM: Final = -14.0
"""The skull bridges gaps of the brain's surface: narrow ones at its base, the midline's in the vault."""
_TISSUE_THRESHOLD: Final = 0.3
_THIRD_MM: Final = ((-4.0, -24.0, -10.0), (4.0, 2.0, 8.0))
_FOURTH_MM: Final = ((-14.0, -54.0, -46.0), (14.0, -34.0, -22.0))
"""Boxes that hold the third and the fourth ventricle and no cistern."""
_FAR_MM: Final = 40.0


@dataclass(frozen=True, eq=False)
class HeadTemplate:
    """Fields of the template.

    Attributes:
        fields: ``(1, C, I, J, K)`` float32 of :data:`CHANNELS`: shares of grey and white matter, distance in
            mm from the lateral and from the third and fourth ventricles (negative inside), distance beyond
            the hull of the brain (negative inside), depth inside of face and neck (negative outside), and HU
            of what they hold.
        affine: 4x4, index to mm.
    """

    fields: torch.Tensor
    affine: Array


@cache
def head_template() -> HeadTemplate:
    """Return the template; it is made once a process."""
    grey, white, affine = _tissue_maps()
    points = apply_affine(affine, np.moveaxis(np.indices(grey.shape), 0, -1))
    tissue = grey + white > _TISSUE_THRESHOLD
    vault = _closed(tissue, _VAULT_CLOSING_MM) & (points[..., 2] > _VAULT_ABOVE_MM)
    beyond = _signed_distance(_closed(tissue, _CLOSING_MM) | vault)
    fluid = 1.0 - grey - white
    lateral = lateral_ventricles((fluid > 0.5) & (beyond < -DEEP_MM), affine)
    narrow = (fluid > 0.4) & (_inside(points, *_THIRD_MM) | _inside(points, *_FOURTH_MM))
    face = face_depth_mm(points)
    fields = {
        "grey": grey,
        "white": white,
        "lateral": _signed_distance(lateral),
        "narrow": _signed_distance(narrow),
        "beyond": ndimage.gaussian_filter(beyond, 1.0),
        "face": ndimage.gaussian_filter(face, 1.0),
        "face_hu": face_hu(points, face),
    }
    stacked = np.stack([fields[name].astype(np.float32) for name in CHANNELS])
    return HeadTemplate(torch.from_numpy(stacked)[None], affine)


def _tissue_maps() -> tuple[Array, Array, Array]:
    maps = [load_mni(item, spacing_mm=SPACING_MM) for item in (MniMap.GREY, MniMap.WHITE)]
    below = _BELOW_MM // SPACING_MM
    grey, white = (np.pad(item.array[0].numpy().astype(float), ((0, 0), (0, 0), (below, 0))) for item in maps)
    affine = maps[0].affine.copy()
    affine[2, 3] -= _BELOW_MM
    x, y, z = np.moveaxis(apply_affine(affine, np.moveaxis(np.indices(grey.shape), 0, -1)), -1, 0)
    cord = (z < _CORD_TOP_MM) & (np.hypot(x - _CORD_MM[0], y - _CORD_MM[1]) < _CORD_RADIUS_MM)
    return np.where(cord, 0.0, grey), np.where(cord, 1.0, white), affine


def _closed(tissue: Mask, closing_mm: float) -> Mask:
    """Return the brain with its sulci and ventricles filled."""
    near = ndimage.distance_transform_edt(~tissue, sampling=SPACING_MM) <= closing_mm
    filled: Mask = ndimage.distance_transform_edt(near, sampling=SPACING_MM) > closing_mm
    return filled


def _signed_distance(mask: Mask) -> Array:
    outside = ndimage.distance_transform_edt(~mask, sampling=SPACING_MM)
    inside = ndimage.distance_transform_edt(mask, sampling=SPACING_MM)
    signed: Array = (outside - inside - np.where(mask, -1.0, 1.0) * SPACING_MM / 2).clip(-_FAR_MM, _FAR_MM)
    return signed


def _inside(points: Array, lower: tuple[float, ...], upper: tuple[float, ...]) -> Mask:
    return np.asarray(((points >= lower) & (points <= upper)).all(axis=-1))
