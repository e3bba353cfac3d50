"""Upright crops: the surroundings of a structure in a turned head, as they lie in an upright one.

A model that was trained on upright heads finds less in turned ones. So the crop's grid turns with the head:
its axes are those of the template, moved rigidly, so that volumes stay what they are.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import torch
from scipy import ndimage

from medpipe.core.affine import inverse_of
from medpipe.core.findings import Laterality
from medpipe.core.grid import reorientation_between
from medpipe.core.volume import Volume
from medpipe.transforms.registration import Registration
from medpipe.transforms.structure_crop import Crop, PairedStructure, box_in_head

_CUBIC: Final = 3
_FILTER_VOXELS: Final = 12
"""The cubic B-spline's filter forgets what lies farther away."""


def grid_turn_degrees(head: Volume, registration: Registration) -> float:
    """Return the largest angle between an axis of the head's voxels and the same axis of the template."""
    move = reorientation_between(head.affine, "RAS")
    axes = registration.turn.T @ move.of_grid(head.grid).affine[:3, :3]
    cosines = np.diag(axes) / np.linalg.norm(axes, axis=0)
    return float(np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))).max())


def upright_crop(
    head: Volume,
    registration: Registration,
    structure: PairedStructure,
    side: Laterality,
    *,
    margin_mm: float,
) -> Crop:
    """Interpolate the surroundings of a structure onto a grid along the template's axes, turned as the head.

    Cubic B-splines, at the head's smallest spacing along every axis. Beyond the field of view its last voxel
    is repeated.

    Args:
        head: The registered head, any orientation.
        registration: Where the template lies in it.
        structure: What to cut out.
        side: ``LEFT`` or ``RIGHT`` of the patient.
        margin_mm: Added on every side of the box.

    Raises:
        RefusedError: The middle of the box lies outside of the field of view (``E_REGISTRATION``).
    """
    box = box_in_head(head.grid, registration, structure, side, margin_mm=margin_mm)
    centre = structure.centre_on(side)
    step = min(head.grid.spacing)
    shape = np.ceil((np.array(structure.size_mm) + 2 * margin_mm) / step).astype(int)
    upright = np.diag([step, step, step, 1.0])
    upright[:3, 3] = centre - step * (shape - 1) / 2
    affine = registration.rigid_about(centre) @ upright
    lower = np.clip(box.lower - _FILTER_VOXELS, 0, None)
    part = head.array[0].numpy()[tuple(map(slice, lower, box.upper + _FILTER_VOXELS))]
    head_from_crop = inverse_of(head.affine) @ affine
    values = ndimage.affine_transform(
        part,
        head_from_crop[:3, :3],
        head_from_crop[:3, 3] - lower,
        output_shape=tuple(shape),
        order=_CUBIC,
        mode="nearest",
    )
    # Checks and notes stay with the head, and no voxel is one of its slices any more.
    source = head.source.model_copy(update={"instances": (), "checks": (), "notes": ()})
    volume = replace(head, array=torch.from_numpy(values)[None], affine=affine, source=source)
    return Crop(volume, box.is_cut_by(head.grid))
