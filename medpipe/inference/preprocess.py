"""Preprocessing carried out: a volume to a network's input.

The steps are those of :mod:`medpipe.core.preprocessing`. Letters: C channels, I J K
axes of the source, P Q R axes of the network's input.
"""

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional

from medpipe.core.affine import closest_axes
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, ShapeError
from medpipe.core.findings import Laterality
from medpipe.core.grid import Box, Grid, Reorientation, reorientation_between
from medpipe.core.network_grid import NetworkAxes, NetworkAxis
from medpipe.core.preprocessing import Channel, NormaliseOn, Preprocessing, Shape3, WindowScale
from medpipe.core.volume import Volume
from medpipe.inference.nonzero import box_around, filled, nonzero_mask, whole_box
from medpipe.inference.normalise import can_stay_in_hu, normalise
from medpipe.inference.prepared import Prepared, reversed_axes
from medpipe.inference.resample import resample, resample_labels

_LEFT_RIGHT = 0
"""World axis that separates left from right."""


def prepare(
    volumes: Mapping[str, Volume],
    spec: Preprocessing,
    *,
    device: str | torch.device = "cpu",
    side: Laterality | None = None,
    keep_hu: bool = False,
) -> Prepared:
    """Turn volumes into a network's input.

    Args:
        volumes: One volume for each channel of the specification, on one grid.
        spec: What the network expects.
        device: Where to compute.
        side: Side that the image shows; RIGHT is mirrored where the network knows the left only.
        keep_hu: Leave channels that are windowed in Hounsfield units, for augmentation in them;
            :func:`medpipe.inference.normalise.apply_windows` does what was left out.

    Raises:
        RefusedError: A channel is missing (``E_NO_MATCH``), of another modality (``E_MODALITY``) or on
            another grid (``E_DIMS``), or the image is a single slice and the patches are not (``E_DIMS``).
    """
    sources = [_channel_volume(volumes, spec, index) for index in range(len(spec.channels))]
    grid = sources[0].grid
    _check_grids(sources, spec)
    box, region = _kept(sources, spec)
    seen = grid.cropped(box)
    move = reorientation_between(grid.affine, spec.orientation)
    mirrored = _mirror_axis(spec, move, grid, side)
    _check_depth(move.of_grid(grid).shape, spec.patch_shape)
    axes = network_axes(move.of_grid(seen), spec)
    source_axes = _of_source(axes, move, mirrored)
    images = []
    for channel, source in zip(spec.channels, sources, strict=True):
        keep = keep_hu and can_stay_in_hu(channel, spec)
        image = source.array[0][box].to(device, torch.float32)
        if spec.normalise_on is NormaliseOn.SOURCE:
            image = normalise(image, channel.intensity, region)
        image = _resampled(image, source_axes, move, seen, spec)
        image = apply_reorientation(image[None], move)[0]
        if mirrored is not None:
            image = image.flip(mirrored)
        if spec.normalise_on is NormaliseOn.NETWORK and not keep:
            image = normalise(image, channel.intensity)
        images.append(image)
    fills = [_lower_end(channel, spec) if keep_hu else 0.0 for channel in spec.channels]
    inner = torch.stack(images)
    i, j, k = inner.shape[1:]
    padded, offset = pad_to(inner, spec.padded_shape((i, j, k)), fills)
    thick_axis = _thick_axis(spec, move, seen, logits=True)
    return Prepared(padded, grid, box, move, mirrored, axes, offset, thick_axis, spec.way_back)


def _kept(sources: Sequence[Volume], spec: Preprocessing) -> tuple[Box, torch.Tensor | None]:
    """Return the part of the source that is used, and in it the region inside all channels if needed."""
    whole = whole_box(sources[0].grid.shape)
    if not (spec.crop_nonzero or spec.needs_inside):
        return whole, None
    mask = nonzero_mask(source.array[0] for source in sources)
    box = box_around(mask) if spec.crop_nonzero else whole
    return box, filled(mask[box]) if spec.needs_inside else None


def _of_source(axes: NetworkAxes, move: Reorientation, mirrored: int | None) -> NetworkAxes:
    """Return the axes of a network's input in the order and direction of the source's."""
    against = reversed_axes(move, mirrored)
    turned = [axis.reversed() if number in against else axis for number, axis in enumerate(axes)]
    i, j, k = (turned[move.order.index(number)] for number in range(3))
    return i, j, k


def _resampled(
    image: torch.Tensor, axes: NetworkAxes, move: Reorientation, seen: Grid, spec: Preprocessing
) -> torch.Tensor:
    """Resample ``(I, J, K)`` before its axes are moved: what is moved then is smaller, as a rule."""
    thick = _thick_axis(spec, move, seen, logits=False)
    thick = None if thick is None else move.order[thick]
    return resample(image, axes, spec.interpolation, thick_axis=thick)


def _thick_axis(spec: Preprocessing, move: Reorientation, seen: Grid, *, logits: bool) -> int | None:
    """Return the axis of the network's input that lies across thick slices; see the specification."""
    if spec.spacing_mm is None:
        return None
    spacings = (move.of_grid(seen).spacing, spec.spacing_mm)
    return spec.thick_axis(*(reversed(spacings) if logits else spacings))


def prepare_labels(prepared: Prepared, label_map: torch.Tensor) -> torch.Tensor:
    """Bring a label map onto the grid of a prepared input, by the nearest voxel.

    Args:
        prepared: Input of the image that the label map lies on.
        label_map: ``(I, J, K)`` uint8 on the source grid.

    Returns:
        ``(P, Q, R)`` uint8 on the device of the input.

    Raises:
        ShapeError: It does not lie on the source grid.
    """
    if tuple(label_map.shape) != prepared.source.shape:
        raise ShapeError(
            "The label map does not lie on the image's grid",
            found=f"{tuple(label_map.shape)}, expected {prepared.source.shape}",
        )
    labels = apply_reorientation(
        label_map[prepared.box][None].to(prepared.images.device), prepared.reorientation
    )
    if prepared.mirrored is not None:
        labels = labels.flip(prepared.mirrored + 1)
    padded, _ = pad_to(resample_labels(labels[0], prepared.axes)[None], prepared.images.shape[1:])
    return padded[0]


def apply_reorientation(array: torch.Tensor, move: Reorientation) -> torch.Tensor:
    """Permute and flip the last three axes of ``(C, I, J, K)``."""
    array = array.permute(0, *(axis + 1 for axis in move.order))
    return array.flip([axis + 1 for axis in move.flips]) if move.flips else array


def network_axes(oriented: Grid, spec: Preprocessing) -> NetworkAxes:
    """Return the voxels of the specification's spacing over those of an image."""
    sizes, spacings = oriented.shape, oriented.spacing
    if spec.spacing_mm is None:
        i, j, k = (NetworkAxis.dividing(size, size) for size in sizes)
    else:
        i, j, k = (
            NetworkAxis.of_spacing(spec.spacing_grid, size, old, new)
            for size, old, new in zip(sizes, spacings, spec.spacing_mm, strict=True)
        )
    return i, j, k


def pad_to(
    images: torch.Tensor, shape: Sequence[int], fills: Sequence[float] = ()
) -> tuple[torch.Tensor, Shape3]:
    """Pad ``(C, P, Q, R)``, the smaller half in front; return it and the offsets.

    Args:
        images: To be padded.
        shape: ``(P, Q, R)`` afterwards.
        fills: Value of each channel's padding; 0 where there is none.
    """
    missing = [wanted - size for wanted, size in zip(shape, images.shape[1:], strict=True)]
    front = [count // 2 for count in missing]
    pads = [pad for count, before in zip(missing, front, strict=True) for pad in (before, count - before)]
    # functional.pad counts from the last axis.
    ordered = [pads[4], pads[5], pads[2], pads[3], pads[0], pads[1]]
    offset = front[0], front[1], front[2]
    if not any(fills):
        return functional.pad(images, ordered), offset
    padded = [functional.pad(image, ordered, value=fill) for image, fill in zip(images, fills, strict=True)]
    return torch.stack(padded), offset


def _check_depth(shape: Shape3, patch_shape: Shape3) -> None:
    """Refuse a single slice for a network that looks at what lies above and below: padding is no anatomy."""
    if any(size == 1 < patch for size, patch in zip(shape, patch_shape, strict=True)):
        raise RefusedError(
            Code.E_DIMS,
            "The model takes volumes, and the image is a single slice",
            found=f"{' x '.join(map(str, shape))} voxels, patches of {' x '.join(map(str, patch_shape))}",
            fix="Give the whole series; a model of single slices has patches of one voxel along that axis.",
        )


def _lower_end(channel: Channel, spec: Preprocessing) -> float:
    rule = channel.intensity
    return rule.low_hu if isinstance(rule, WindowScale) and can_stay_in_hu(channel, spec) else 0.0


def _check_grids(sources: Sequence[Volume], spec: Preprocessing) -> None:
    for channel, source in zip(spec.channels, sources, strict=True):
        if not source.grid.matches(sources[0].grid):
            raise RefusedError(
                Code.E_DIMS,
                f"The channel {channel.name!r} lies on another grid than the first",
                found=f"{source.grid.shape}, expected {sources[0].grid.shape}",
                fix="Resample it to the first image's grid before.",
            )


def _channel_volume(volumes: Mapping[str, Volume], spec: Preprocessing, index: int) -> Volume:
    channel = spec.channels[index]
    if channel.name not in volumes:
        raise RefusedError(
            Code.E_NO_MATCH,
            f"The model needs an image in the role {channel.name!r}",
            found=", ".join(sorted(volumes)) or "no image",
        )
    volume = volumes[channel.name]
    if volume.modality and volume.modality != channel.modality:
        raise RefusedError(
            Code.E_MODALITY,
            f"The model takes {channel.modality} in the role {channel.name!r}",
            found=volume.modality,
        )
    return volume


def _mirror_axis(spec: Preprocessing, move: Reorientation, grid: Grid, side: Laterality | None) -> int | None:
    if not (spec.mirror_right and side is Laterality.RIGHT):
        return None
    return closest_axes(move.of_grid(grid).affine).index(_LEFT_RIGHT)
