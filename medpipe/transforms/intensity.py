"""Intensity steps: what scanners and their settings change, on the image alone."""

from dataclasses import dataclass
from typing import Final

import torch
from torch.nn.functional import interpolate

from medpipe.transforms.draws import Axes, Box, Draw, SplineDraw
from medpipe.transforms.recipe import Recipe
from medpipe.transforms.spline import Spline

_RANGE: Final = (0.005, 0.995)
"""Quantiles that count as the range of an image: beyond them lie metal, vessels and artefacts."""

_SAMPLE_VOXELS: Final = 1 << 20
_TINY: Final = 1e-6


@dataclass(frozen=True, eq=False)
class _Levels:
    """Intensities before any step, each ``(C, 1, 1, 1)``.

    Attributes:
        low: Start of the range.
        width: Of the range; above 0.
        lowest: Smallest value.
        highest: Largest value.
        mean: Of all voxels.
        zero: What no signal looks like: 0, or the smallest value where that is negative.
    """

    low: torch.Tensor
    width: torch.Tensor
    lowest: torch.Tensor
    highest: torch.Tensor
    mean: torch.Tensor
    zero: torch.Tensor

    @classmethod
    def of(cls, image: torch.Tensor) -> "_Levels":
        flat = image.flatten(1)
        sample = flat[:, :: max(1, flat.shape[1] // _SAMPLE_VOXELS)]
        low, high = torch.quantile(sample, torch.tensor(_RANGE, device=image.device), dim=1)
        lowest, highest = flat.min(dim=1).values, flat.max(dim=1).values
        # A blank image has no width, a sparse one none between its quantiles.
        width = torch.where(high > low, high - low, highest - lowest).clamp_min(_TINY)
        levels = (low, width, lowest, highest, flat.mean(dim=1), lowest.clamp_max(0.0))
        return cls(*(level[:, None, None, None] for level in levels))


def change_intensities(image: torch.Tensor, draw: Draw, recipe: Recipe) -> torch.Tensor:
    """Apply the drawn steps in the order of their physics: coil, display, noise, resolution, holes.

    Args:
        image: ``(C, I, J, K)`` float32; not changed.
        draw: What was drawn.
        recipe: States units, the value that contrast keeps, the kind of noise, and the clipping.

    Returns:
        ``(C, I, J, K)``; the very image where no step was drawn.
    """
    levels = _Levels.of(image)
    unit = levels.width if recipe.units == "range" else torch.ones_like(levels.width)
    changed = image
    if draw.bias_field is not None:
        changed = _with_bias_field(changed, draw.bias_field, levels.zero)
    if draw.gamma is not None:
        scaled = (changed - levels.low) / levels.width
        changed = scaled.sign() * scaled.abs() ** draw.gamma * levels.width + levels.low
    if draw.contrast is not None:
        about = recipe.contrast.about if recipe.contrast is not None else None
        pivot = levels.mean if about is None else about
        changed = (changed - pivot) * draw.contrast + pivot
    if draw.brightness is not None:
        changed = changed + draw.brightness * unit
    if draw.noise is not None:
        is_rician = recipe.noise is not None and recipe.noise.kind == "rician"
        changed = _with_noise(
            changed, draw.noise.seed, draw.noise.std * unit, zero=levels.zero if is_rician else None
        )
    if draw.low_resolution is not None:
        changed = _coarsened(changed, draw.low_resolution)
    if draw.dropout:
        changed = _with_holes(changed, draw.dropout)
    if changed is image or recipe.clip == "none":
        return changed
    return torch.clamp(changed, levels.lowest, levels.highest if recipe.clip == "both" else None)


def _with_bias_field(image: torch.Tensor, draw: SplineDraw, zero: torch.Tensor) -> torch.Tensor:
    size_i, size_j, size_k = image.shape[1:]
    field = Spline.drawn(draw, (size_i, size_j, size_k), components=1)
    return (image - zero) * field.on_voxels(slice(None), image.device).exp() + zero


def _with_noise(
    image: torch.Tensor, seed: int, std: torch.Tensor, *, zero: torch.Tensor | None
) -> torch.Tensor:
    """Add Gaussian noise; where ``zero`` is given, to both parts of a complex signal of that magnitude."""
    generator = torch.Generator(image.device).manual_seed(seed)

    def noise() -> torch.Tensor:
        return std * torch.randn(image.shape, generator=generator, device=image.device)

    if zero is None:
        return image + noise()
    return torch.hypot(image - zero + noise(), noise()) + zero


def _coarsened(image: torch.Tensor, factors: Axes) -> torch.Tensor:
    """Average over the voxels of a coarser grid with the same field of view, and interpolate back."""
    shape = image.shape[1:]
    coarse = [max(1, round(size / factor)) for size, factor in zip(shape, factors, strict=True)]
    averaged = interpolate(image[None], size=coarse, mode="area")
    return interpolate(averaged, size=tuple(shape), mode="trilinear", align_corners=False)[0]


def _with_holes(image: torch.Tensor, boxes: tuple[Box, ...]) -> torch.Tensor:
    holed = image.clone()
    for i0, j0, k0, i1, j1, k1 in boxes:
        hole = holed[:, i0:i1, j0:j1, k0:k1]
        hole[:] = hole.mean(dim=(1, 2, 3), keepdim=True)
    return holed
