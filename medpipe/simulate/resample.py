"""Sampling a volume on another grid, for generators; results keep no more detail than the source."""

import numpy as np
import torch
from scipy import ndimage

from medpipe.core.affine import Array, inverse_of
from medpipe.core.grid import Grid
from medpipe.core.volume import Volume


def resample(volume: Volume, grid: Grid, *, fill: float = 0.0) -> Volume:
    """Sample one channel at the voxel centres of a grid, linearly.

    Args:
        volume: ``(1, I, J, K)``.
        grid: Where to sample; may be oblique or sheared.
        fill: Value outside of the source.
    """
    sampled = _sampled(volume, grid.affine, grid.shape, fill)
    return Volume(torch.from_numpy(sampled)[None], grid.affine, volume.modality, volume.source)


def sample_slices(
    volume: Volume, slice_affines: list[Array], size: tuple[int, int], *, fill: float = 0.0
) -> torch.Tensor:
    """Sample slices that may lie anywhere.

    Args:
        volume: ``(1, I, J, K)``.
        slice_affines: 4x4 of each slice, its own plane at index 0 of the third axis.
        size: Pixels along I and J.
        fill: Value outside of the source.

    Returns:
        ``(S, 1, I, J)`` float32.
    """
    slices = [_sampled(volume, affine, (*size, 1), fill)[..., 0] for affine in slice_affines]
    return torch.from_numpy(np.stack(slices))[:, None]


def _sampled(volume: Volume, affine: Array, shape: tuple[int, int, int], fill: float) -> np.ndarray:
    to_source = inverse_of(volume.affine) @ affine
    result: np.ndarray = ndimage.affine_transform(
        volume.array[0].numpy(),
        to_source[:3, :3],
        offset=to_source[:3, 3],
        output_shape=shape,
        output=np.float32,
        order=1,
        mode="constant",
        cval=fill,
    )
    return result
