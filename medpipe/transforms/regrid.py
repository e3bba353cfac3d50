"""Regridding: unevenly spaced slices to an evenly spaced volume, by linear interpolation."""

from typing import Final

import numpy as np
import torch

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import GeometryNote
from medpipe.core.volume import Volume

MAX_OFF_LINE_MM: Final = 0.5
"""How far a slice may lie off the straight line through the first and the last one."""


def regrid_slices(stack: SliceStack, *, step_mm: float | None = None) -> Volume:
    """Interpolate a stack onto evenly spaced slices; a gantry tilt stays in the affine.

    Args:
        stack: At least two slices, in the order of their normal.
        step_mm: Distance between new slices along the normal; the median gap when None.

    Returns:
        ``(C, I, J, K)`` volume from the first slice to at most the last, flagged ``W_REGRID``.

    Raises:
        RefusedError: There is one slice, or slices lie off a straight line (``E_SPACING``).
    """
    depths_mm = stack.positions_mm @ stack.normal
    if len(depths_mm) < 2:
        raise RefusedError(Code.E_SPACING, "A single slice cannot be resampled to a volume")
    _check_line(stack.positions_mm)
    step_mm = float(np.median(stack.gaps_mm)) if step_mm is None else step_mm
    count = int(np.floor((depths_mm[-1] - depths_mm[0]) / step_mm + 1e-6)) + 1
    wanted = depths_mm[0] + step_mm * np.arange(count)
    lower = np.clip(np.searchsorted(depths_mm, wanted, side="right") - 1, 0, len(depths_mm) - 2)
    weights = np.clip((wanted - depths_mm[lower]) / np.diff(depths_mm)[lower], 0.0, 1.0)
    array = torch.stack(
        [
            torch.lerp(stack.array[index], stack.array[index + 1], float(weight))
            for index, weight in zip(lower.tolist(), weights, strict=True)
        ],
        dim=-1,
    )
    affine = np.eye(4)
    affine[:3, :2] = stack.in_plane_mm
    along = stack.positions_mm[-1] - stack.positions_mm[0]
    affine[:3, 2] = along * (step_mm / (depths_mm[-1] - depths_mm[0]))
    affine[:3, 3] = stack.positions_mm[0]
    note = GeometryNote(
        code=Code.W_REGRID,
        message="Uneven slices were resampled to even spacing by linear interpolation",
        found=f"gaps of {stack.gaps_mm.min():.3f} to {stack.gaps_mm.max():.3f} mm to {step_mm:.3f} mm",
    )
    return Volume(array, affine, stack.modality, stack.source.with_notes(note))


def _check_line(positions_mm: Array) -> None:
    along = positions_mm[-1] - positions_mm[0]
    along = along / np.linalg.norm(along)
    offsets = positions_mm - positions_mm[0]
    off_line = np.linalg.norm(offsets - np.outer(offsets @ along, along), axis=1)
    if off_line.max() > MAX_OFF_LINE_MM:
        raise RefusedError(
            Code.E_SPACING,
            "The slices do not lie along a straight line and cannot be resampled to a volume",
            found=f"a slice {off_line.max():.2f} mm off the line, limit {MAX_OFF_LINE_MM:g} mm",
            fix="Use a pipeline that takes slices.",
        )
