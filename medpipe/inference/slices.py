"""Preprocessing of slices carried out: a series to a network's input.

The steps are those of :mod:`medpipe.core.slice_preprocessing`. Letters: S slices of the series, N slabs or
slices of the network, C channels, I J axes of a slice.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from medpipe.core.affine import Array, orientation_of
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.grid import Reorientation, reorientation_between
from medpipe.core.slice_preprocessing import SlicePreprocessing
from medpipe.core.slice_stack import SliceStack
from medpipe.inference.normalise import normalise

Indices = npt.NDArray[np.int64]


class PreparedSlices(NamedTuple):
    """Slices on the network's grid, in its order, before intensities are normalised.

    Attributes:
        values: ``(N, I, J)`` float32 in the units of the image, HU for CT.
        gaps_mm: ``(N,)`` float32 distance to the one before; 0 for the first.
        members: ``(S,)`` for each slice of the series, in the series' order, the network's slice that it
            belongs to.
        pixels_mm: Spacing along I and J.
    """

    values: Tensor
    gaps_mm: Tensor
    members: Tensor
    pixels_mm: tuple[float, float]


def prepare_slices(
    stack: SliceStack, spec: SlicePreprocessing, *, device: str | torch.device = "cpu"
) -> PreparedSlices:
    """Bring a series onto the grid of a network's slices.

    Raises:
        RefusedError: The series is of another modality (``E_MODALITY``) or plane (``E_ORIENTATION``), in
            colour (``E_DIMS``), or has too many slices (``E_BUDGET``).
    """
    _check_series(stack, spec)
    move = _move_of(stack, spec)
    values = stack.array[:, 0].to(device, torch.float32)
    depths_mm = stack.positions_mm @ stack.normal
    if 2 in move.flips:
        values, depths_mm = values.flip(0), -depths_mm[::-1]
    slabs = _slabs(depths_mm, spec.slab_mm)
    if slabs[-1] + 1 > spec.max_slices:
        raise RefusedError(
            Code.E_BUDGET,
            f"The series has more slices than the model takes, which is {spec.max_slices}",
            found=f"{slabs[-1] + 1} slices",
            fix="Give one series of thicker slices.",
        )
    values, depths_mm = _averaged(values, slabs), _averaged(torch.from_numpy(depths_mm.copy()), slabs).numpy()
    values, pixels_mm = _resized(_turned(values, move), _spacing(stack, move), spec.pixel_mm)
    gaps_mm = np.diff(depths_mm, prepend=depths_mm[0])
    members = torch.from_numpy(slabs.copy())
    return PreparedSlices(
        values=_fitted(values, spec.shape, spec.fill),
        gaps_mm=torch.from_numpy(gaps_mm.astype(np.float32)),
        members=members.flip(0) if 2 in move.flips else members,
        pixels_mm=pixels_mm,
    )


def slice_channels(values: Tensor, spec: SlicePreprocessing) -> Tensor:
    """Return the network's input ``(N, C, I, J)`` of the values ``(N, I, J)`` of one study."""
    return torch.stack([normalise(values, channel.intensity) for channel in spec.channels], dim=1)


def _check_series(stack: SliceStack, spec: SlicePreprocessing) -> None:
    if stack.modality and stack.modality != spec.modality:
        raise RefusedError(
            Code.E_MODALITY, f"The model takes slices of {spec.modality}", found=stack.modality
        )
    if stack.array.shape[1] != 1:
        raise RefusedError(
            Code.E_DIMS, "The model takes slices of grey values", found=f"{stack.array.shape[1]} channels"
        )


def _move_of(stack: SliceStack, spec: SlicePreprocessing) -> Reorientation:
    """Return how axes are permuted and flipped; another plane than the model's is refused."""
    affine = stack.slice_affine(0)
    move = reorientation_between(affine, spec.orientation)
    if move.order[2] != 2:
        raise RefusedError(
            Code.E_ORIENTATION,
            f"The model takes slices that follow each other towards {spec.orientation[2]}",
            found=f"slices towards {orientation_of(affine)[2]}",
            fix="Give the series of the other plane.",
        )
    return move


def _slabs(depths_mm: Array, slab_mm: float | None) -> Indices:
    """Return the slab of each slice: a new one begins where the last has become thick enough."""
    if slab_mm is None or len(depths_mm) == 1:
        return np.arange(len(depths_mm))
    step_mm = float(np.median(np.diff(depths_mm)))
    # Half a step short of the wanted thickness is nearer to it than half a step over.
    wanted_mm = slab_mm - step_mm / 2
    slabs, start_mm = [0], depths_mm[0]
    for before_mm, depth_mm in pairwise(depths_mm):
        is_full = before_mm + step_mm - start_mm > wanted_mm
        if is_full:
            start_mm = depth_mm
        slabs.append(slabs[-1] + is_full)
    return np.array(slabs)


def _averaged(values: Tensor, slabs: Indices) -> Tensor:
    """Average ``(S, ...)`` over slabs."""
    if slabs[-1] + 1 == len(slabs):
        return values
    index = torch.from_numpy(slabs).to(values.device)
    counts = torch.bincount(index).to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    sums = values.new_zeros((int(slabs[-1]) + 1, *values.shape[1:])).index_add_(0, index, values)
    return sums / counts


def _turned(values: Tensor, move: Reorientation) -> Tensor:
    turned = values.permute(0, *(1 + axis for axis in move.order[:2]))
    flips = [1 + axis for axis in move.flips if axis < 2]
    return turned.flip(flips) if flips else turned


def _spacing(stack: SliceStack, move: Reorientation) -> tuple[float, float]:
    first, second = (stack.spacing_mm[axis] for axis in move.order[:2])
    return first, second


def _resized(
    values: Tensor, spacing_mm: tuple[float, float], pixel_mm: float | None
) -> tuple[Tensor, tuple[float, float]]:
    """Return the slices at about that spacing, and the spacing: the field of view stays the same."""
    if pixel_mm is None:
        return values, spacing_mm
    before = (values.shape[1], values.shape[2])
    first, second = (
        max(1, round(size * step / pixel_mm)) for size, step in zip(before, spacing_mm, strict=True)
    )
    exact = (before[0] * spacing_mm[0] / first, before[1] * spacing_mm[1] / second)
    if (first, second) == before:
        return values, exact
    resized = functional.interpolate(
        values[:, None], (first, second), mode="bilinear", antialias=True, align_corners=False
    )
    return resized[:, 0], exact


def _fitted(values: Tensor, shape: tuple[int, int], fill: float) -> Tensor:
    """Crop or fill around the middle."""
    pads = []
    for size, wanted in zip(values.shape[1:], shape, strict=True):
        before = (wanted - size) // 2
        pads.append((before, wanted - size - before))
    # functional.pad counts from the last axis, and crops where a pad is negative.
    return functional.pad(values, [*pads[1], *pads[0]], value=fill)
