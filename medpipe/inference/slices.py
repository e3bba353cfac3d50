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
from medpipe.core.slice_preprocessing import HeaderWindow, SliceIntensity, SlicePreprocessing
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
        move: What was done to the axes of the plane and to the order of slices.
        plane: Pixels of a slice at the network's spacing, before it was cropped or filled.
        window: ``(2,)`` float32: lowest and highest value that the header's window shows; NaN where it states
            none.
    """

    values: Tensor
    gaps_mm: Tensor
    members: Tensor
    move: Reorientation
    plane: tuple[int, int]
    window: Tensor


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
    values = _resized(_turned(values, move), _spacing(stack, move), spec.pixel_mm)
    gaps_mm = np.diff(depths_mm, prepend=depths_mm[0])
    members = torch.from_numpy(slabs.copy())
    return PreparedSlices(
        values=_fitted(values, spec.shape, spec.fill),
        gaps_mm=torch.from_numpy(gaps_mm.astype(np.float32)),
        members=members.flip(0) if 2 in move.flips else members,
        move=move,
        plane=(values.shape[1], values.shape[2]),
        window=torch.tensor(stack.source.window or (torch.nan, torch.nan)),
    )


def slice_channels(values: Tensor, spec: SlicePreprocessing, window: Tensor) -> Tensor:
    """Return the network's input ``(N, C, I, J)``.

    Args:
        values: ``(N, I, J)`` of one study.
        spec: What the network expects.
        window: ``(2,)`` that of the header, or ``(N, 2)`` for each slice its own; NaN where it states none.
    """
    return torch.stack([_normalised(values, channel.intensity, window) for channel in spec.channels], dim=1)


def _normalised(values: Tensor, rule: SliceIntensity, window: Tensor) -> Tensor:
    if not isinstance(rule, HeaderWindow):
        return normalise(values, rule)
    usual = torch.tensor((rule.low_hu, rule.high_hu))
    low, high = torch.where(window.isnan(), usual, window).to(values.device)[..., None, None].unbind(dim=-3)
    return (values.clamp(low, high) - low) / (high - low)


def on_source(image: Tensor, prepared: PreparedSlices, stack: SliceStack) -> Tensor:
    """Bring one image of the network's grid onto a slice of the series, linearly; 0 outside.

    Args:
        image: ``(I, J)`` such as a map of evidence.
        prepared: What the series became.
        stack: The series.

    Returns:
        ``(I, J)`` of the series.
    """
    move = prepared.move
    whole = _fitted(image[None].float(), prepared.plane, 0.0)
    size_i, size_j = (stack.array.shape[2 + axis] for axis in move.order[:2])
    sized = functional.interpolate(whole[None], (size_i, size_j), mode="bilinear", align_corners=False)[0, 0]
    flips = [axis for axis in move.flips if axis < 2]
    turned = sized.flip(flips) if flips else sized
    return turned.permute([move.order.index(axis) for axis in range(2)])


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


def _resized(values: Tensor, spacing_mm: tuple[float, float], pixel_mm: float | None) -> Tensor:
    """Return the slices at about that spacing: the field of view stays the same."""
    if pixel_mm is None:
        return values
    before = (values.shape[1], values.shape[2])
    first, second = (
        max(1, round(size * step / pixel_mm)) for size, step in zip(before, spacing_mm, strict=True)
    )
    if (first, second) == before:
        return values
    # The other way round where it lies so in memory, as slices of DICOM do: no copy of all of them is made.
    if values.stride(1) < values.stride(2):
        return _interpolated(values.mT, (second, first)).mT
    return _interpolated(values, (first, second))


def _interpolated(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the slices ``(S, I, J)`` of another size; on a CPU one by one, which stays in its cache."""
    parts = torch.split(values, 1) if values.device.type == "cpu" else (values,)
    return torch.cat(
        [
            functional.interpolate(part[:, None], size, mode="bilinear", antialias=True, align_corners=False)
            for part in parts
        ]
    )[:, 0]


def _fitted(values: Tensor, shape: tuple[int, int], fill: float) -> Tensor:
    """Crop or fill around the middle; what was filled in is what is cropped on the way back."""
    pads = []
    for size, wanted in zip(values.shape[1:], shape, strict=True):
        missing = wanted - size
        before = missing // 2 if missing >= 0 else -(-missing // 2)
        pads.append((before, wanted - size - before))
    # functional.pad counts from the last axis, and crops where a pad is negative.
    return functional.pad(values, [*pads[1], *pads[0]], value=fill)
