"""Images and label maps on a network's grid."""

import torch
from torch.nn import functional

from medpipe.core.network_grid import NetworkAxes, NetworkAxis
from medpipe.core.preprocessing import Interpolation
from medpipe.inference.axis_map import AxisMap
from medpipe.inference.cubic import resample_cubic


def resample(
    image: torch.Tensor, axes: NetworkAxes, interpolation: Interpolation, *, thick_axis: int | None = None
) -> torch.Tensor:
    """Bring an image to a network's voxels, without smoothing.

    Args:
        image: ``(I, J, K)`` float32.
        axes: The network's voxels over the image's, in the order of its axes.
        interpolation: Between which voxels.
        thick_axis: Axis that takes the nearest voxel, so that planes across it are interpolated alone.

    Returns:
        ``(P, Q, R)`` on the same device; the image itself where the network's voxels are its own.
    """
    if all(axis.is_identity for axis in axes):
        return image
    if thick_axis is None:
        return _interpolated(image, axes, interpolation)
    i, j, k = (
        NetworkAxis.dividing(1, 1) if number == thick_axis else axis for number, axis in enumerate(axes)
    )
    planes = [
        _interpolated(image.narrow(thick_axis, number, 1), (i, j, k), interpolation)
        for number in range(image.shape[thick_axis])
    ]
    nearest = AxisMap.of_network(axes[thick_axis], image.device, is_nearest=True)
    return torch.cat(planes, dim=thick_axis).index_select(thick_axis, nearest.low)


def resample_labels(labels: torch.Tensor, axes: NetworkAxes) -> torch.Tensor:
    """Bring a label map ``(I, J, K)`` to a network's voxels, by the nearest voxel."""
    for number, axis in enumerate(axes):
        if not axis.is_identity:
            labels = labels.index_select(number, AxisMap.of_network(axis, labels.device, is_nearest=True).low)
    return labels


def _interpolated(image: torch.Tensor, axes: NetworkAxes, interpolation: Interpolation) -> torch.Tensor:
    if interpolation is Interpolation.CUBIC:
        return resample_cubic(image, axes)
    if all(axis.is_divided for axis in axes):
        size = [axis.inner for axis in axes]
        return functional.interpolate(image[None, None], size=size, mode="trilinear", align_corners=False)[
            0, 0
        ]
    # What shrinks most goes first: the other axes have less to do then.
    for number in sorted(range(3), key=lambda number: axes[number].inner / axes[number].outer):
        if not axes[number].is_identity:
            image = AxisMap.of_network(axes[number], image.device).interpolated(image, number)
    return image
