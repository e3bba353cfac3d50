"""Images as the registration compares them: along the world's axes, scaled, smoothed; the brain's hull."""

from typing import Final

import numpy as np
import SimpleITK as sitk

from medpipe.core.affine import inverse_of
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.grid import Grid
from medpipe.core.volume import Volume

_WORKING_MM: Final = 2.0
"""Spacing of the images that the passes thin further."""

_BRAIN_ABOVE: Final = 0.1
_CLOSING_MM: Final = 8.0
"""Closes the sulci and ventricles of the template brain before its hull is filled."""

_AFFINE_DIGITS: Final = 6
_BRIGHTEST: Final = 98.0
"""Percentile of the foreground above which values (fat, vessels) are clipped."""


def world_image(volume: Volume, *, margin_mm: float) -> sitk.Image:
    """Sample a volume along the axes of the world with air around it, from 0 (air) to 1 (the brightest).

    The image's physical space is RAS: ITK's own convention is LPS, but nothing here depends on it. It cannot
    hold sheared grids, so the volume itself is handed over in voxel indices.

    Args:
        volume: Oblique and sheared grids too.
        margin_mm: Air added on every side.

    Raises:
        RefusedError: The image holds a single value (``E_REGISTRATION``).
    """
    straight = volume.reoriented("RAS")  # the same scan stored another way gives the same numbers
    values = np.ascontiguousarray(straight.array[0].numpy(), dtype=np.float32)
    air = float(np.percentile(values, 1))
    foreground = values[values > values.mean()]
    brightest = float(np.percentile(foreground, _BRIGHTEST)) if foreground.size else air
    if brightest <= air:
        raise RefusedError(
            Code.E_REGISTRATION, "An image without contrast cannot be registered", found=f"{air:g} everywhere"
        )
    # Rounding takes the last digits, in which a reoriented affine differs, out of the results.
    grid = Grid(straight.grid.shape, straight.affine.round(_AFFINE_DIGITS))
    corners = grid.corners_mm()
    lower = corners.min(axis=0) - margin_mm
    size = np.ceil((corners.max(axis=0) + margin_mm - lower) / _WORKING_MM).astype(int)
    to_index = inverse_of(grid.affine)
    sampled = sitk.Resample(
        sitk.GetImageFromArray(np.ascontiguousarray(values.T)),
        size.tolist(),
        sitk.AffineTransform(to_index[:3, :3].ravel().tolist(), to_index[:3, 3].tolist()),
        sitk.sitkLinear,
        (lower + _WORKING_MM / 2).tolist(),
        [_WORKING_MM] * 3,
        np.eye(3).ravel().tolist(),
        air,
    )
    return sitk.Clamp(sitk.ShiftScale(sampled, -air, 1 / (brightest - air)), sitk.sitkFloat32, 0.0, 1.0)


def coarser(image: sitk.Image, *, step_mm: float, blur_mm: float) -> sitk.Image:
    """Smooth and thin an image of :func:`world_image`.

    Args:
        image: To be thinned.
        step_mm: Spacing afterwards.
        blur_mm: Standard deviation of the smoothing.
    """
    size = np.ceil(np.array(image.GetSize()) * _WORKING_MM / step_mm).astype(int)
    origin = np.array(image.GetOrigin()) + (step_mm - _WORKING_MM) / 2
    return sitk.Resample(
        sitk.SmoothingRecursiveGaussian(image, blur_mm),
        size.tolist(),
        sitk.Transform(),
        sitk.sitkLinear,
        origin.tolist(),
        [step_mm] * 3,
    )


def brain_hull(template: sitk.Image) -> sitk.Image:
    """Return the mask of the template brain, filled."""
    radius = round(_CLOSING_MM / template.GetSpacing()[0])
    closed = sitk.BinaryMorphologicalClosing(sitk.Greater(template, _BRAIN_ABOVE), [radius] * 3)
    return sitk.BinaryFillhole(closed)
