"""Cubic B-spline resampling on any device, with the values of SciPy and scikit-image.

Interpolating by splines is linear in the voxels and separable, so along each axis it is a matrix: what SciPy
makes of unit vectors. Its weights fall to a quarter from voxel to voxel, so a few rows of it need a few
columns, and products of such blocks are all that the device has to do.
"""

from typing import Final

import numpy as np
import torch
from scipy import ndimage

from medpipe.core.network_grid import NetworkAxes, NetworkAxis

_ROWS: Final = 32
"""Voxels of the result computed at once along an axis: more share fewer of the weights that count."""

_LEAST_WEIGHT: Final = 1e-9
"""Weights below are left out: all of them together are below the rounding of float32."""


def resample_cubic(image: torch.Tensor, axes: NetworkAxes) -> torch.Tensor:
    """Bring an image to a network's voxels, by cubic B-splines without smoothing.

    No intermediate image is larger than the larger of the image and the result.

    Args:
        image: ``(I, J, K)`` float32 or float64, finite.
        axes: The network's voxels over the image's.

    Returns:
        ``(P, Q, R)`` of the same type on the same device, within the range of the image's own values. Axes
        that keep their voxels keep their values.

    Source:
        ``skimage.transform.resize(order=3, mode="edge", anti_aliasing=False)``, as nnU-Net calls it: SciPy's
        ``zoom(order=3, mode="nearest", grid_mode=True)``, clipped. On grids that do not divide the field of
        view SciPy's ``affine_transform`` of the same order and mode.
    """
    changed = [number for number in range(3) if not axes[number].is_identity]
    if not changed:
        return image
    lowest, highest = image.amin(), image.amax()
    # What shrinks most goes first: the other axes have less to do then.
    for number in sorted(changed, key=lambda number: axes[number].inner / axes[number].outer):
        image = _along(number, image, _weights(axes[number]))
    return image.clamp_(lowest, highest)


def _weights(axis: NetworkAxis) -> torch.Tensor:
    """Return the weight of each of the image's voxels in each of the network's: ``(new, old)`` float64."""
    units = np.eye(axis.outer)
    if axis.is_divided:
        zoom = (axis.inner / axis.outer, 1)
        return torch.from_numpy(ndimage.zoom(units, zoom, order=3, mode="nearest", grid_mode=True))
    first = axis.start + axis.step / 2 - 0.5
    placed = ndimage.affine_transform(
        units, (axis.step, 1), (first, 0), (axis.inner, axis.outer), order=3, mode="nearest"
    )
    return torch.from_numpy(placed)


def _along(axis: int, image: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Apply ``(new, old)`` weights to one axis of an image."""
    shape = [*image.shape]
    shape[axis] = len(weights)
    result = image.new_empty(shape)
    for start in range(0, len(weights), _ROWS):
        rows = weights[start : start + _ROWS]
        used = (rows.abs() > _LEAST_WEIGHT).any(dim=0).nonzero()
        first, count = int(used[0]), int(used[-1] - used[0]) + 1
        block = rows[:, first : first + count].to(image)
        part = image.narrow(axis, first, count)
        result.narrow(axis, start, len(rows)).copy_(_product(axis, block, part))
    return result


def _product(axis: int, block: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    if axis == 0:
        return torch.mm(block, part.flatten(1)).view(-1, *part.shape[1:])
    if axis == 1:
        return torch.bmm(block.expand(len(part), -1, -1), part)
    return torch.matmul(part, block.T)
