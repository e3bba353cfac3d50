"""Images on another grid over the same field of view."""

import torch
from torch.nn import functional

from medpipe.core.preprocessing import Interpolation, Shape3
from medpipe.inference.cubic import resample_cubic


def resample(
    image: torch.Tensor, shape: Shape3, interpolation: Interpolation, *, thick_axis: int | None = None
) -> torch.Tensor:
    """Divide the field of view of an image into other voxels, without smoothing.

    Args:
        image: ``(I, J, K)`` float32.
        shape: ``(P, Q, R)`` voxels of the result.
        interpolation: Between which voxels.
        thick_axis: Axis that takes the nearest voxel, so that planes across it are interpolated alone.

    Returns:
        ``(P, Q, R)`` on the same device; the image itself where its shape is the one asked for.
    """
    if tuple(image.shape) == shape:
        return image
    if thick_axis is None:
        return _interpolated(image, shape, interpolation)
    plane = list(shape)
    plane[thick_axis] = 1
    i, j, k = plane
    planes = [
        _interpolated(image.narrow(thick_axis, number, 1), (i, j, k), interpolation)
        for number in range(image.shape[thick_axis])
    ]
    nearest = nearest_voxels(len(planes), shape[thick_axis])
    return torch.cat(planes, dim=thick_axis).index_select(thick_axis, nearest.to(image.device))


def nearest_voxels(old: int, new: int) -> torch.Tensor:
    """Return which of ``old`` voxels lies nearest to each of ``new`` ones: ``(new,)`` int64."""
    return ((torch.arange(new, dtype=torch.float64) + 0.5) * (old / new)).long().clamp_max(old - 1)


def _interpolated(image: torch.Tensor, shape: Shape3, interpolation: Interpolation) -> torch.Tensor:
    if interpolation is Interpolation.CUBIC:
        return resample_cubic(image, shape)
    return functional.interpolate(image[None, None], size=shape, mode="trilinear", align_corners=False)[0, 0]
