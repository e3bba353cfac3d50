"""The histogram of an image's intensities, with the ranges that fractions were counted in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from medpipe.core.case import Figure
from medpipe.figures.canvas import (
    MUTED,
    OUTLINES,
    RULE,
    TEXT,
    WIDTH,
    Colour,
    blank,
    text_width,
    to_webp,
    write,
)
from medpipe.figures.windows import widened

_HEIGHT: Final = 300
_PLOT: Final = (64, 44, WIDTH - 24, _HEIGHT - 48)
"""Left, top, right and bottom edge of the plot in pixels."""

_BAR: Final[Colour] = (86, 128, 168)
_NUM_BINS: Final = 256
_LARGEST_WHOLE: Final = 1e9
"""Intensities beyond this range are not pixel values that happen to be whole."""

_RANGE_PERCENTILES: Final = (0.05, 99.95)
_MAX_SAMPLES: Final = 2_000_000
_NUM_TICKS: Final = 8
_DECADES: Final = 5
"""The logarithmic axis spans this many powers of ten below its highest bar."""

_ROUND: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Band:
    """A range of values that a fraction was counted in.

    Attributes:
        label: Such as ``"bone"``.
        low: Lower bound; minus infinity for none.
        high: Upper bound; infinity for none.
        fraction: Share in [0, 1] of what the fraction is of.
    """

    label: str
    low: float
    high: float
    fraction: float


@dataclass(frozen=True)
class Threshold:
    """A value that a measurement was split at."""

    label: str
    value: float


def draw_histogram(
    values: npt.NDArray[Any],
    *,
    unit: str,
    bands: Sequence[Band] = (),
    thresholds: Sequence[Threshold] = (),
) -> Figure:
    """Draw how often each intensity occurs, on a logarithmic axis.

    Args:
        values: Intensities of any shape; those that are not finite are left out. Above two million,
            every n-th is counted.
        unit: Unit of the values, such as ``"HU"``; empty for arbitrary intensities.
        bands: Ranges that are shaded, with their fractions.
        thresholds: Values that are marked by a line.
    """
    flat = values.reshape(-1)[:: max(1, values.size // _MAX_SAMPLES)]
    flat = flat[np.isfinite(flat)]
    low, high = _range(flat, [threshold.value for threshold in thresholds])
    edges = _bin_edges(flat, low, high)
    low, high = float(edges[0]), float(edges[-1])
    counts, _ = np.histogram(flat, bins=edges)

    canvas = blank(WIDTH, _HEIGHT)
    _draw_bands(canvas, bands, low, high)
    _draw_bars(canvas, counts / max(1, flat.size))
    for number, threshold in enumerate(thresholds):
        _draw_threshold(canvas, threshold, low, high, row=number)
    _draw_axes(canvas, low, high, f"Intensity in {unit}" if unit else "Intensity (arbitrary units)")

    marked = [f"{band.label} {band.fraction:.1%} ({_bounds_text(band, unit)})" for band in bands]
    marked += [f"{threshold.label} at {_amount(threshold.value, unit)}" for threshold in thresholds]
    caption = (
        f"Share of voxels by intensity, logarithmic axis, {len(counts)} bins from {low:.4g} to "
        f"{_amount(high, unit)}." + (f" Marked: {'; '.join(marked)}." if marked else "")
    )
    alt = "Histogram of intensities" + (f": {'; '.join(marked)}." if marked else ".")
    return Figure("histogram", "Intensity histogram", caption, to_webp(canvas), alt)


def _range(values: npt.NDArray[Any], shown: list[float]) -> tuple[float, float]:
    low, high = np.percentile(values, _RANGE_PERCENTILES) if values.size else (0.0, 1.0)
    return widened(min(float(low), *shown, float(high)), max(float(high), *shown, float(low)))


def _bin_edges(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.float64]:
    """Return equal bins; of whole numbers each holds equally many, else the picture looks like a comb."""
    step = float(np.ceil((high - low) / _NUM_BINS))
    if step * _NUM_BINS < _LARGEST_WHOLE and np.array_equal(values, np.round(values)):
        first = np.floor(low) - 0.5
        return np.asarray(first + step * np.arange(np.ceil((high + 1 - first) / step) + 1), dtype=np.float64)
    return np.linspace(low, high, _NUM_BINS + 1)


def _x(value: float, low: float, high: float) -> float:
    left, _, right, _ = _PLOT
    return left + (min(max(value, low), high) - low) / (high - low) * (right - left)


def _draw_bands(canvas: Image.Image, bands: Sequence[Band], low: float, high: float) -> None:
    _, top, _, bottom = _PLOT
    draw = ImageDraw.Draw(canvas)
    for number, band in enumerate(bands):
        colour = OUTLINES[number % len(OUTLINES)][1]
        start, end = _x(band.low, low, high), _x(band.high, low, high)
        if end <= start:
            continue
        draw.rectangle((start, top, end, bottom), fill=_shade(colour))
        draw.line([(start, top), (end, top)], fill=colour, width=3)
        text = f"{band.label} {band.fraction:.1%}"
        at_right = start + text_width(text) > WIDTH - 8
        write(
            canvas,
            (end if at_right else start, top - 20),
            text,
            fill=colour,
            anchor="ra" if at_right else "la",
        )


def _shade(colour: Colour) -> Colour:
    red, green, blue = (channel // 6 + 10 for channel in colour)
    return red, green, blue


def _draw_bars(canvas: Image.Image, shares: npt.NDArray[np.float64]) -> None:
    left, top, right, bottom = _PLOT
    if not shares.any():
        return
    highest = np.ceil(np.log10(shares.max()))
    with np.errstate(divide="ignore"):
        heights = 1 + (np.log10(shares) - highest) / _DECADES
    draw = ImageDraw.Draw(canvas)
    edges = np.linspace(left, right, len(shares) + 1)
    for start, end, height in zip(edges[:-1], edges[1:], heights.clip(0, 1), strict=True):
        if height > 0:
            draw.rectangle((start, bottom - height * (bottom - top), end - 1, bottom), fill=_BAR)
    for decade in range(_DECADES + 1):
        y = bottom - (1 - decade / _DECADES) * (bottom - top)
        draw.line([(left - 4, y), (left, y)], fill=RULE)
        write(canvas, (left - 8, y), f"{100 * 10 ** (highest - decade):.6g} %", fill=MUTED, anchor="rm")


def _draw_threshold(canvas: Image.Image, threshold: Threshold, low: float, high: float, *, row: int) -> None:
    _, top, right, bottom = _PLOT
    x = _x(threshold.value, low, high)
    ImageDraw.Draw(canvas).line([(x, top), (x, bottom)], fill=TEXT, width=2)
    text = f"{threshold.label} {threshold.value:.4g}"
    fits = x + 6 + text_width(text) <= right
    write(
        canvas, (x + 6 if fits else x - 6, top + 6 + 16 * row), text, fill=TEXT, anchor="la" if fits else "ra"
    )


def _draw_axes(canvas: Image.Image, low: float, high: float, title: str) -> None:
    left, top, right, bottom = _PLOT
    draw = ImageDraw.Draw(canvas)
    draw.line([(left, top), (left, bottom), (right, bottom)], fill=RULE)
    step = _round_step((high - low) / _NUM_TICKS)
    for number in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1):
        x = _x(number * step, low, high)
        draw.line([(x, bottom), (x, bottom + 4)], fill=RULE)
        write(canvas, (x, bottom + 8), f"{number * step:.6g}", fill=MUTED, anchor="ma")
    write(canvas, ((left + right) / 2, _HEIGHT - 6), title, fill=TEXT, anchor="md")
    write(canvas, (8, 8), "share of voxels", fill=MUTED)


def _round_step(step: float) -> float:
    power = 10.0 ** np.floor(np.log10(step))
    return float(next(factor * power for factor in _ROUND if factor * power >= step * (1 - 1e-9)))


def _bounds_text(band: Band, unit: str) -> str:
    if np.isneginf(band.low):
        return f"below {_amount(band.high, unit)}"
    if np.isposinf(band.high):
        return f"above {_amount(band.low, unit)}"
    return f"{band.low:.4g} to {_amount(band.high, unit)}"


def _amount(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}".rstrip()
