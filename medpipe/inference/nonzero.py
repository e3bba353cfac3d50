"""Voxels that are not 0 in any channel: where an image shows something."""

from collections.abc import Iterable

import torch
from scipy import ndimage

from medpipe.core.grid import Box


def nonzero_mask(channels: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return the voxels that are not 0 in any of some channels.

    Args:
        channels: At least one ``(I, J, K)``, all of one shape.

    Returns:
        ``(I, J, K)`` bool.
    """
    first, *others = (channel != 0 for channel in channels)
    for mask in others:
        first |= mask
    return first


def box_around(mask: torch.Tensor) -> Box:
    """Return the smallest box that holds all voxels of a mask ``(I, J, K)``; all of it where it is empty."""
    if not mask.any():
        return whole_box(mask.shape)
    i, j, k = (_extent(mask.any(dim=first).any(dim=second)) for first, second in ((2, 1), (2, 0), (1, 0)))
    return i, j, k


def whole_box(shape: Iterable[int]) -> Box:
    """Return the box of a whole image."""
    i, j, k = (slice(0, size) for size in shape)
    return i, j, k


def filled(mask: torch.Tensor) -> torch.Tensor:
    """Return a mask ``(I, J, K)`` with the holes that its faces enclose, on the same device."""
    return torch.from_numpy(ndimage.binary_fill_holes(mask.cpu().numpy())).to(mask.device)


def _extent(line: torch.Tensor) -> slice:
    places = line.nonzero()
    return slice(int(places[0]), int(places[-1]) + 1)
