"""Preprocessing carried out: a volume to a network's input, and label maps back to the source grid.

The steps and their order are those of :mod:`medpipe.core.preprocessing`. Letters: C channels, I J K
axes of the source, P Q R axes of the network's input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from medpipe.core.affine import closest_axes
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, ShapeError
from medpipe.core.findings import Laterality
from medpipe.core.grid import Grid, Reorientation, reorientation_between
from medpipe.core.preprocessing import (
    Intensity,
    PercentileScale,
    Preprocessing,
    Region,
    Shape3,
    WindowScale,
    ZScore,
)
from medpipe.core.volume import Volume

_LEFT_RIGHT = 0
"""World axis that separates left from right."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network's input and the way back.

    Attributes:
        images: ``(C, P, Q, R)`` float32 on the device, padded.
        source: Grid of the volume it was made from.
        reorientation: What was done to the axes first.
        mirrored: Axis of the reoriented array that was reversed; None for none.
        inner_shape: Shape after resampling, before padding.
        offset: Padded voxels in front, along each axis.
    """

    images: torch.Tensor
    source: Grid
    reorientation: Reorientation
    mirrored: int | None
    inner_shape: Shape3
    offset: Shape3

    @property
    def oriented_shape(self) -> Shape3:
        """Shape of the source after the reorientation."""
        i, j, k = (self.source.shape[axis] for axis in self.reorientation.order)
        return i, j, k

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Spacing of the input along its axes."""
        oriented = self.reorientation.of_grid(self.source)
        i, j, k = (
            step * old / new
            for step, old, new in zip(oriented.spacing, oriented.shape, self.inner_shape, strict=True)
        )
        return i, j, k

    def restore(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the label map of logits on the source grid.

        Args:
            logits: ``(num_classes, P, Q, R)``.

        Returns:
            ``(I, J, K)`` uint8 on the CPU: the class of the highest logit, interpolated trilinearly.
        """
        return self.restore_inner(self.inner(logits))

    def inner(self, padded: torch.Tensor) -> torch.Tensor:
        """Return ``(C, P, Q, R)`` without the padding."""
        (p, q, r), (size_p, size_q, size_r) = self.offset, self.inner_shape
        return padded[:, p : p + size_p, q : q + size_q, r : r + size_r]

    def restore_inner(self, inner: torch.Tensor) -> torch.Tensor:
        """Return the label map of logits that have no padding; see :meth:`restore`."""
        if self.inner_shape != self.oriented_shape:
            inner = functional.interpolate(
                inner[None].float(), size=self.oriented_shape, mode="trilinear", align_corners=False
            )[0]
        labels = inner.argmax(dim=0).to(torch.uint8)
        return self._undo_axes(labels).cpu().contiguous()

    def _undo_axes(self, labels: torch.Tensor) -> torch.Tensor:
        if self.mirrored is not None:
            labels = labels.flip(self.mirrored)
        if self.reorientation.flips:
            labels = labels.flip(self.reorientation.flips)
        inverse = [self.reorientation.order.index(axis) for axis in range(3)]
        return labels.permute(inverse)


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
            :func:`apply_windows` does what was left out.

    Raises:
        RefusedError: A channel is missing (``E_NO_MATCH``), of another modality (``E_MODALITY``) or on
            another grid (``E_DIMS``).
    """
    first = _channel_volume(volumes, spec, 0)
    move = reorientation_between(first.affine, spec.orientation)
    arrays = []
    for index in range(len(spec.channels)):
        volume = _channel_volume(volumes, spec, index)
        if not volume.grid.matches(first.grid):
            raise RefusedError(
                Code.E_DIMS,
                f"The channel {spec.channels[index].name!r} lies on another grid than the first",
                found=f"{volume.grid.shape}, expected {first.grid.shape}",
                fix="Resample it to the first image's grid before.",
            )
        arrays.append(volume.array[0])
    images = torch.stack(arrays).to(device, torch.float32)
    images = apply_reorientation(images, move)
    mirrored = _mirror_axis(spec, move, first, side)
    if mirrored is not None:
        images = images.flip(mirrored + 1)
    inner_shape = resampled_shape(move.of_grid(first.grid), spec)
    if tuple(images.shape[1:]) != inner_shape:
        images = functional.interpolate(
            images[None], size=inner_shape, mode="trilinear", align_corners=False
        )[0]
    kept = [keep_hu and isinstance(channel.intensity, WindowScale) for channel in spec.channels]
    images = torch.stack(
        [
            image if is_kept else normalise(image, channel.intensity)
            for image, channel, is_kept in zip(images, spec.channels, kept, strict=True)
        ]
    )
    fills = [
        _lower_end(channel.intensity) if is_kept else 0.0
        for channel, is_kept in zip(spec.channels, kept, strict=True)
    ]
    images, offset = pad_to(images, spec.padded_shape(inner_shape), fills)
    return Prepared(images, first.grid, move, mirrored, inner_shape, offset)


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
    labels = apply_reorientation(label_map[None].to(prepared.images.device), prepared.reorientation)
    if prepared.mirrored is not None:
        labels = labels.flip(prepared.mirrored + 1)
    if tuple(labels.shape[1:]) != prepared.inner_shape:
        resized = functional.interpolate(
            labels[None].float(), size=prepared.inner_shape, mode="nearest-exact"
        )
        labels = resized[0].to(torch.uint8)
    padded, _ = pad_to(labels, prepared.images.shape[1:])
    return padded[0]


def apply_reorientation(array: torch.Tensor, move: Reorientation) -> torch.Tensor:
    """Permute and flip the last three axes of ``(C, I, J, K)``."""
    array = array.permute(0, *(axis + 1 for axis in move.order))
    return array.flip([axis + 1 for axis in move.flips]) if move.flips else array


def resampled_shape(oriented: Grid, spec: Preprocessing) -> Shape3:
    """Return the shape after resampling to the specification's spacing."""
    if spec.spacing_mm is None:
        return oriented.shape
    i, j, k = (
        max(1, round(size * old / new))
        for size, old, new in zip(oriented.shape, oriented.spacing, spec.spacing_mm, strict=True)
    )
    return i, j, k


def normalise(image: torch.Tensor, rule: Intensity) -> torch.Tensor:
    """Normalise one channel.

    Args:
        image: Values of any shape; HU for a window.
        rule: What to do; see :mod:`medpipe.core.preprocessing`.
    """
    if isinstance(rule, WindowScale):
        return (image.clamp(rule.low_hu, rule.high_hu) - rule.low_hu) / (rule.high_hu - rule.low_hu)
    inside = image != 0 if rule.region is Region.NONZERO else torch.ones_like(image, dtype=torch.bool)
    values = image[inside]
    if not len(values):
        return torch.zeros_like(image)
    if isinstance(rule, ZScore):
        # Sums in float64: intensities run from 112 to 1.7 million between scanners.
        mean, spread = values.double().mean(), values.double().std(correction=0)
        scaled = ((image.double() - mean) / (spread if spread > 0 else 1.0)).to(image.dtype)
        return torch.where(inside, scaled, torch.zeros_like(image))
    return _scale_percentiles(image, values, rule)


def apply_windows(images: torch.Tensor, spec: Preprocessing) -> torch.Tensor:
    """Window the channels ``(C, P, Q, R)`` that ``keep_hu`` left in Hounsfield units."""
    return torch.stack(
        [
            normalise(image, channel.intensity) if isinstance(channel.intensity, WindowScale) else image
            for image, channel in zip(images, spec.channels, strict=True)
        ]
    )


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


def _lower_end(rule: Intensity) -> float:
    return rule.low_hu if isinstance(rule, WindowScale) else 0.0


def _scale_percentiles(image: torch.Tensor, values: torch.Tensor, rule: PercentileScale) -> torch.Tensor:
    ordered = values.double().flatten().sort().values
    low, high = (_percentile(ordered, percent) for percent in (rule.low, rule.high))
    if low >= high:
        return torch.zeros_like(image)
    return ((image.clamp(low, high) - low) / (high - low)).to(image.dtype)


def _percentile(ordered: torch.Tensor, percent: float) -> float:
    """Interpolate linearly between order statistics; torch.quantile refuses more than 16 million values."""
    position = (len(ordered) - 1) * percent / 100.0
    lower = int(position)
    upper = min(lower + 1, len(ordered) - 1)
    return float(torch.lerp(ordered[lower], ordered[upper], position - lower))


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


def _mirror_axis(
    spec: Preprocessing, move: Reorientation, volume: Volume, side: Laterality | None
) -> int | None:
    if not (spec.mirror_right and side is Laterality.RIGHT):
        return None
    return closest_axes(move.of_grid(volume.grid).affine).index(_LEFT_RIGHT)
