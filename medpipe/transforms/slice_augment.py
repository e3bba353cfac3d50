"""Augmentation of slices: seeded changes to a study's order, slices, places in the plane and values.

Letters: S slices, I J axes of a slice, L labels.
"""

import math
from typing import Final, NamedTuple

import torch
from pydantic import Field
from torch.nn.functional import affine_grid, grid_sample

from medpipe.core.findings import Probability, Value
from medpipe.core.study_sample import SliceSample, StudySample
from medpipe.transforms.recipe import PositiveRange

_INT16: Final = torch.iinfo(torch.int16)
_POSITIVE_FROM: Final = 0.5
_NUM_CHANCES: Final = 7
_NUM_AMOUNTS: Final = 10


class SliceAugmentation(Value):
    """What may happen to slices, how often and how strongly; by default nothing does.

    Attributes:
        reverse: How often the order of the slices is reversed.
        drop: How often slices are dropped.
        dropped_share: Largest chance with which each slice is; drawn evenly from 0.
        crop: How often only a stretch of the slices is kept.
        kept_share: Smallest part of the slices that the stretch has; drawn evenly up to 1.
        mirror: How often left and right are mirrored (axis I).
        move: How often slices are moved in their plane: all of a study alike.
        rotation_deg: Largest turn, to either side.
        shift: Largest shift along I and along J, as a part of each, to either side.
        scale: Smallest and largest factor of size.
        fill: Value that is shown beyond the edge: -1000 is air in CT.
        change_values: How often values are changed.
        offset: Largest value that is added or subtracted.
        factor: Smallest and largest factor of the values, about 0 (water in CT).
        noise: How often Gaussian noise is added.
        noise_std: Largest standard deviation of it; drawn evenly from 0.
    """

    reverse: Probability = 0.0
    drop: Probability = 0.0
    dropped_share: float = Field(default=0.2, ge=0, le=0.9)
    crop: Probability = 0.0
    kept_share: float = Field(default=0.7, gt=0, le=1)
    mirror: Probability = 0.0
    move: Probability = 0.0
    rotation_deg: float = Field(default=0.0, ge=0, le=180)
    shift: float = Field(default=0.0, ge=0, le=0.5)
    scale: PositiveRange = (1.0, 1.0)
    fill: int = Field(default=-1000, ge=_INT16.min, le=_INT16.max)
    change_values: Probability = 0.0
    offset: float = Field(default=0.0, ge=0, le=1000)
    factor: PositiveRange = (1.0, 1.0)
    noise: Probability = 0.0
    noise_std: float = Field(default=0.0, ge=0, le=1000)

    def of_order(self) -> "SliceAugmentation":
        """Return what changes which slices there are, and their order, and nothing that they show."""
        kept = ("reverse", "drop", "dropped_share", "crop", "kept_share")
        return SliceAugmentation(**{name: getattr(self, name) for name in kept})


class SliceDraw(NamedTuple):
    """What one sample undergoes.

    Attributes:
        is_reversed: Whether the order of slices is.
        drop_chance: Of each slice.
        kept: Part of the slices that is kept, and where it lies: 0 at the first, 1 at the last.
        is_mirrored: Whether axis I is.
        turn_deg: Clockwise where I points down and J to the right.
        scale: Factor of size.
        shift: Along I and J, as a part of each.
        factor: Of the values.
        offset: Added to the values.
        noise_std: Of the noise.
    """

    is_reversed: bool = False
    drop_chance: float = 0.0
    kept: tuple[float, float] = (1.0, 0.0)
    is_mirrored: bool = False
    turn_deg: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    factor: float = 1.0
    offset: float = 0.0
    noise_std: float = 0.0


def augment_study(
    sample: StudySample, generator: torch.Generator, *, augmentation: SliceAugmentation
) -> StudySample:
    """Change a study; a transform of data sets once the augmentation is bound by ``functools.partial``.

    Labels of slices that are dropped go with them; those of the study stay. So that they stay true, a slice
    is kept where no other that is kept has a label which it has.

    Args:
        sample: Not changed.
        generator: Advanced by this call; no other source of randomness is read or changed.
        augmentation: What may happen.
    """
    draw = draw_slices(augmentation, generator)
    fate = torch.rand(len(sample.slices), generator=generator)
    stretch = _stretch(len(sample.slices), *draw.kept)
    keep = with_evidence(stretch & (fate >= draw.drop_chance), sample.slice_labels)
    if not bool(keep.all()):
        sample = keep_slices(sample, keep)
    if draw.is_reversed:
        sample = reverse_slices(sample)
    return sample._replace(slices=_changed(sample.slices, draw, augmentation.fill, generator))


def augment_slice(
    sample: SliceSample, generator: torch.Generator, *, augmentation: SliceAugmentation
) -> SliceSample:
    """Change a slice and its neighbours alike; none is dropped. See :func:`augment_study`."""
    draw = draw_slices(augmentation, generator)
    image = sample.image.flip(0) if draw.is_reversed else sample.image
    return sample._replace(image=_changed(image, draw, augmentation.fill, generator))


def draw_slices(augmentation: SliceAugmentation, generator: torch.Generator) -> SliceDraw:
    """Draw what one sample undergoes.

    The same numbers are drawn whatever the augmentation, so that a step that is left out changes no other.
    """
    chances = torch.rand(_NUM_CHANCES, generator=generator).tolist()
    amounts: list[float] = torch.rand(_NUM_AMOUNTS, generator=generator).tolist()
    names = ("reverse", "drop", "crop", "mirror", "move", "change_values", "noise")
    taken = {name: chance < getattr(augmentation, name) for name, chance in zip(names, chances, strict=True)}

    def within(number: int, low: float, high: float) -> float:
        return low + amounts[number] * (high - low)

    draw = SliceDraw(is_reversed=taken["reverse"], is_mirrored=taken["mirror"])
    if taken["drop"]:
        draw = draw._replace(drop_chance=within(0, 0.0, augmentation.dropped_share))
    if taken["crop"]:
        draw = draw._replace(kept=(within(1, augmentation.kept_share, 1.0), amounts[2]))
    if taken["move"]:
        shift = augmentation.shift
        draw = draw._replace(
            turn_deg=within(3, -augmentation.rotation_deg, augmentation.rotation_deg),
            scale=within(4, *augmentation.scale),
            shift=(within(5, -shift, shift), within(6, -shift, shift)),
        )
    if taken["change_values"]:
        draw = draw._replace(
            factor=within(7, *augmentation.factor),
            offset=within(8, -augmentation.offset, augmentation.offset),
        )
    if taken["noise"]:
        draw = draw._replace(noise_std=within(9, 0.0, augmentation.noise_std))
    return draw


def reverse_slices(sample: StudySample) -> StudySample:
    """Return a study from its last slice to its first; gaps are to the slice before in the new order."""
    gaps_mm = sample.gaps_mm
    return sample._replace(
        slices=sample.slices.flip(0),
        gaps_mm=torch.cat([gaps_mm[:1] * 0, gaps_mm[1:].flip(0)]),
        slice_labels=sample.slice_labels.flip(0),
    )


def keep_slices(sample: StudySample, keep: torch.Tensor) -> StudySample:
    """Return a study without some of its slices; gaps across those that are gone add up.

    Args:
        sample: Not changed.
        keep: ``(S,)`` bool, at least one true.
    """
    positions_mm = sample.gaps_mm.double().cumsum(0)[keep]
    return sample._replace(
        slices=sample.slices[keep],
        gaps_mm=positions_mm.diff(prepend=positions_mm[:1]).to(sample.gaps_mm.dtype),
        slice_labels=sample.slice_labels[keep],
    )


def with_evidence(keep: torch.Tensor, slice_labels: torch.Tensor) -> torch.Tensor:
    """Return which slices to keep so that each label that some slice has stays with one at least.

    Args:
        keep: ``(S,)`` bool; where none is true, all are kept.
        slice_labels: ``(S, L)``, NaN where unknown.
    """
    if not bool(keep.any()):
        return torch.ones_like(keep)
    positive = slice_labels >= _POSITIVE_FROM  # not so where unknown
    lost = positive.any(0) & ~positive[keep].any(0)
    return keep | positive[:, lost].any(1)


def move_in_plane(
    slices: torch.Tensor, *, turn_deg: float, scale: float, shift: tuple[float, float], fill: float
) -> torch.Tensor:
    """Scale, turn and shift all slices alike about their centre, by linear interpolation.

    Args:
        slices: ``(S, I, J)``, with pixels as high as wide.
        turn_deg: Clockwise where I points down and J to the right.
        scale: Factor of size; above 1 is larger.
        shift: Along I and J, as a part of each.
        fill: Value that is shown beyond the edge.

    Returns:
        ``(S, I, J)`` float32.
    """
    _, height, width = slices.shape
    cosine, sine = math.cos(math.radians(turn_deg)) / scale, math.sin(math.radians(turn_deg)) / scale
    # Where a place of the result lies in the source: the way back, in units of half the height and width.
    turn = torch.tensor([[cosine, sine * height / width], [-sine * width / height, cosine]])
    offset = -turn @ torch.tensor([2 * shift[1], 2 * shift[0]])
    theta = torch.cat([turn, offset[:, None]], dim=1)[None]
    grid = affine_grid(theta, [1, 1, height, width], align_corners=False)
    moved = grid_sample((slices.float() - fill)[None], grid, padding_mode="zeros", align_corners=False)
    return moved[0] + fill


def _stretch(count: int, share: float, place: float) -> torch.Tensor:
    """Return which of some slices lie in a stretch of them."""
    length = max(1, round(count * share))
    start = min(int(place * (count - length + 1)), count - length)
    numbers = torch.arange(count)
    return (numbers >= start) & (numbers < start + length)


def _changed(slices: torch.Tensor, draw: SliceDraw, fill: int, generator: torch.Generator) -> torch.Tensor:
    """Return slices mirrored, moved and with other values, as int16 again."""
    if draw.is_mirrored:
        slices = slices.flip(-2)
    changed = slices
    if draw.turn_deg or draw.scale != 1 or any(draw.shift):
        changed = move_in_plane(slices, turn_deg=draw.turn_deg, scale=draw.scale, shift=draw.shift, fill=fill)
    if draw.factor != 1 or draw.offset:
        changed = changed * draw.factor + draw.offset
    if draw.noise_std:
        noise = torch.randn(slices.shape, generator=generator)
        changed = changed + noise * draw.noise_std
    if changed.dtype == slices.dtype:
        return changed
    return changed.round().clamp(_INT16.min, _INT16.max).to(torch.int16)
