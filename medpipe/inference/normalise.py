"""Normalisation: intensities of a channel as the network expects them, without copies at double width."""

from collections.abc import Iterator, Sequence
from math import fsum
from typing import Final

import numpy as np
import torch

from medpipe.core.preprocessing import (
    Channel,
    FixedScale,
    Intensity,
    NormaliseOn,
    PercentileScale,
    Preprocessing,
    Region,
    WindowScale,
    ZScore,
)

_CHUNK: Final = 2**22
"""Voxels that exist in float64 at a time."""


def normalise(image: torch.Tensor, rule: Intensity, region: torch.Tensor | None = None) -> torch.Tensor:
    """Normalise one channel.

    Args:
        image: Values of any shape; HU for a window.
        rule: What to do; see :mod:`medpipe.core.preprocessing`.
        region: The voxels inside all channels, bool of the same shape, for rules over them.
    """
    if isinstance(rule, WindowScale):
        return (image.clamp(rule.low_hu, rule.high_hu) - rule.low_hu) / (rule.high_hu - rule.low_hu)
    if isinstance(rule, FixedScale):
        clipped = image if rule.clip is None else image.clamp(*rule.clip)
        return (clipped - rule.mean) / rule.std
    inside = _inside(image, rule.region, region)
    values = image.flatten() if inside is None else image[inside]
    if not len(values):
        return torch.zeros_like(image)
    if isinstance(rule, ZScore):
        scaled = _standardised(image, values)
        return scaled if inside is None else torch.where(inside, scaled, torch.zeros_like(image))
    return _between_percentiles(image, values, rule)


def _inside(image: torch.Tensor, region: Region, given: torch.Tensor | None) -> torch.Tensor | None:
    if region is Region.ALL:
        return None
    return image != 0 if region is Region.NONZERO else given


def can_stay_in_hu(channel: Channel, spec: Preprocessing) -> bool:
    """Whether a channel is windowed last, so that what works in Hounsfield units may come before."""
    return isinstance(channel.intensity, WindowScale) and spec.normalise_on is NormaliseOn.NETWORK


def apply_windows(images: torch.Tensor, spec: Preprocessing) -> torch.Tensor:
    """Window the channels ``(C, P, Q, R)`` that ``keep_hu`` left in Hounsfield units."""
    return torch.stack(
        [
            normalise(image, channel.intensity) if can_stay_in_hu(channel, spec) else image
            for image, channel in zip(images, spec.channels, strict=True)
        ]
    )


def _standardised(image: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    # In float64: intensities run from 112 to 1.7 million between scanners.
    mean = fsum(float(part.sum()) for part in _doubles(values)) / len(values)
    squares = fsum(float((part - mean).square().sum()) for part in _doubles(values))
    spread = (squares / len(values)) ** 0.5 or 1.0
    parts = [((part - mean) / spread).to(image.dtype) for part in _doubles(image.flatten())]
    return torch.cat(parts).view(image.shape)


def _doubles(values: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield a flat tensor in float64, piece by piece."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK].double()


def _between_percentiles(image: torch.Tensor, values: torch.Tensor, rule: PercentileScale) -> torch.Tensor:
    low, high = percentiles(values, (rule.low, rule.high))
    if low >= high:
        return torch.zeros_like(image)
    return ((image.clamp(low, high) - low) / (high - low)).to(image.dtype)


def percentiles(values: torch.Tensor, percents: Sequence[float]) -> list[float]:
    """Return percentiles of ``(N,)`` values, linear between order statistics.

    ``torch.quantile`` refuses more than 16 million values, and sorting them all is slow on a CPU.
    """
    places = [(len(values) - 1) * percent / 100.0 for percent in percents]
    lower = [int(place) for place in places]
    upper = [min(rank + 1, len(values) - 1) for rank in lower]
    ranks = sorted({*lower, *upper})
    if values.device.type == "cpu":
        ordered = np.partition(values.numpy(), ranks)
        at = {rank: float(ordered[rank]) for rank in ranks}
    else:
        chosen = values.sort().values[ranks]
        at = dict(zip(ranks, chosen.double().tolist(), strict=True))
    return [
        at[low] + (at[high] - at[low]) * (place - low)
        for place, low, high in zip(places, lower, upper, strict=True)
    ]
