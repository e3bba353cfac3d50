"""Curves of probability over the slices of a study, one for each label."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.core.findings import Label
from medpipe.figures.canvas import shortened
from medpipe.figures.chart import (
    INK,
    LINES,
    MUTED,
    PAPER,
    TEXT_SIZE,
    LineStyle,
    add_plot,
    chart_webp,
    new_chart,
    title_axes,
)
from medpipe.figures.stack import StackPlaces, stack_places

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT: Final = 470
_MARGINS: Final = (72, 62, 356, 62)
_MAX_CURVES: Final = len(LINES)
_MAX_TICKS: Final = 14
_LONGEST_NAME: Final = 36
_DETAIL_SIZE: Final = 9.5
_NAME_GAP: Final = 0.13
"""Least distance of names one above the other, in probability: two lines of text."""

_MARK_GAP: Final = 0.04
"""Marks of thresholds nearer than this would lie upon each other."""

_LOWEST: Final = {
    "axial": ("lowest", "towards the head"),
    "coronal": ("rearmost", "towards the front"),
    "sagittal": ("leftmost", "towards the right"),
}


class _Peak(NamedTuple):
    """The key slice of a label: its number from 1, its place, its probability."""

    number: int
    height_mm: float
    probability: float


def draw_slice_curves(
    labels: Sequence[Label], in_plane_mm: Array, positions_mm: Array, *, suffix: str = ""
) -> Figure:
    """Draw how likely each label is in each slice.

    Args:
        labels: With a probability for each slice. Of more than six those above threshold come first, then
            those of the highest peaks; the caption names the others.
        in_plane_mm: ``(3, 2)`` RAS mm: the step to the next voxel along I, and along J.
        positions_mm: ``(S, 3)`` RAS mm: the centre of voxel (0, 0) of each slice.
        suffix: Tells the figure from those of other images or models; empty for none.

    Returns:
        ``slice_curve`` or ``slice_curve-SUFFIX``. Slices bear their number in the order of the stack, from 1.

    Raises:
        ShapeError: There is no label, or one has not a probability for each slice.
    """
    for label in labels:
        if len(label.slice_probabilities) != len(positions_mm):
            raise ShapeError(
                f"The label {label.id!r} needs a probability for each slice",
                found=f"{len(label.slice_probabilities)} for {len(positions_mm)} slices",
            )
    if not labels:
        raise ShapeError("A curve over slices needs a label", found="none")
    places = stack_places(in_plane_mm, positions_mm)
    shown = _chosen(labels)
    figure = new_chart(height=_HEIGHT)
    axes = add_plot(figure, margins=_MARGINS)
    _set_axes(axes, places)
    _draw_thresholds(axes, shown)
    for label, style in zip(shown, LINES, strict=False):
        _draw_curve(axes, label, style, places)
    _write_names(axes, shown, places)
    name = f"slice_curve-{suffix}" if suffix else "slice_curve"
    left_out = [label.code.meaning for label in labels if label not in shown]
    return Figure(
        name,
        "Probability by slice",
        _caption(len(positions_mm), places, left_out),
        chart_webp(figure),
        _alt(shown, places),
    )


def _chosen(labels: Sequence[Label]) -> list[Label]:
    """Return the labels that are drawn, in the order in which they were given."""
    ranked = sorted(labels, key=lambda label: (not label.is_positive, -max(label.slice_probabilities)))
    return [label for label in labels if label in ranked[:_MAX_CURVES]]


def _set_axes(axes: "Axes", places: StackPlaces) -> None:
    heights = places.heights_mm
    length = float(heights.max())
    axes.set_xlim(-0.03 * length, 1.02 * length) if length else axes.set_xlim(-1.0, 1.0)
    if not length:
        axes.set_xticks([0.0])
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks(np.linspace(0.0, 1.0, 6))
    lowest, direction = _LOWEST[places.plane.name]
    title_axes(axes, across=f"mm from the {lowest} slice, {direction}", up="probability")
    # Numbers of slices stand above the plot; the first and every n-th from it are written.
    step = -(-len(heights) // _MAX_TICKS)
    numbers = [index for index in range(len(heights)) if index % step == 0]
    upper = axes.secondary_xaxis("top")
    upper.set_xticks([float(heights[index]) for index in numbers], [str(index + 1) for index in numbers])
    upper.tick_params(colors=MUTED, labelcolor=INK, labelsize=TEXT_SIZE)
    upper.spines["top"].set_visible(False)
    upper.set_xlabel("slice number", color=INK, fontsize=TEXT_SIZE, labelpad=8)


def _draw_thresholds(axes: "Axes", labels: Sequence[Label]) -> None:
    """Draw one line where all labels share a threshold, else one in the colour of each, with its mark."""
    left, right = axes.get_xlim()
    if _shared_threshold(labels) is not None:
        value = labels[0].threshold
        axes.axhline(value, color=INK, linewidth=1.2, linestyle=(0, (6, 4)))
        _write(axes, left, value, f"threshold {value:.2f}", va="bottom", offset=(4, 2))
        return
    marked: list[float] = []
    for label, style in zip(labels, LINES, strict=False):
        near = sum(abs(label.threshold - other) < _MARK_GAP for other in marked)
        marked.append(label.threshold)
        axes.axhline(label.threshold, color=style.colour, linewidth=0.9, linestyle=(0, (6, 4)))
        axes.plot(
            [left + 0.02 * near * (right - left)],
            [label.threshold],
            marker=style.marker,
            color=style.colour,
            markeredgecolor=PAPER,
            markersize=8,
            clip_on=False,
            zorder=4,
        )


def _shared_threshold(labels: Sequence[Label]) -> float | None:
    values = {label.threshold for label in labels}
    return values.pop() if len(values) == 1 else None


def _draw_curve(axes: "Axes", label: Label, style: LineStyle, places: StackPlaces) -> None:
    """Draw a curve with a dot at each slice; the key slice of a label above threshold stands on a line."""
    heights, probs = places.heights_mm[places.order], np.array(label.slice_probabilities)[places.order]
    axes.plot(
        heights,
        probs,
        color=style.colour,
        linewidth=2.2 if label.is_positive else 1.2,
        marker=style.marker,
        markersize=4 if label.is_positive else 2.5,
        clip_on=False,
        zorder=3,
    )
    _, x, y = _peak(label, places)
    if label.is_positive:
        axes.vlines(x, 0.0, y, color=style.colour, linewidth=1.2, linestyle=(0, (1, 2)), zorder=2)
    axes.plot(
        [x],
        [y],
        marker=style.marker,
        markersize=11 if label.is_positive else 7,
        markerfacecolor=style.colour if label.is_positive else PAPER,
        markeredgecolor=PAPER if label.is_positive else style.colour,
        markeredgewidth=1.5,
        clip_on=False,
        zorder=5,
    )


def _write_names(axes: "Axes", labels: Sequence[Label], places: StackPlaces) -> None:
    """Write each label beside the plot at the height of its peak, and lead a thin line to it."""
    peaks = [_peak(label, places) for label in labels]
    right = axes.get_xlim()[1]
    reach = right - axes.get_xlim()[0]
    beside = right + 0.035 * reach
    heights = _spread([peak.probability for peak in peaks], _NAME_GAP)
    for label, style, (number, x, y), at in zip(labels, LINES, peaks, heights, strict=False):
        axes.plot([x, right, beside], [y, y, at], color=style.colour, linewidth=0.8, alpha=0.7, clip_on=False)
        axes.plot(
            [beside + 0.012 * reach],
            [at],
            marker=style.marker,
            color=style.colour,
            markersize=8,
            clip_on=False,
        )
        weight = "bold" if label.is_positive else "normal"
        _write(
            axes,
            beside,
            at,
            shortened(label.code.meaning, _LONGEST_NAME),
            va="baseline",
            offset=(18, 3),
            weight=weight,
        )
        detail = f"{y:.2f} in slice {number} ({x:.1f} mm)"
        if _shared_threshold(labels) is None:
            detail += f", threshold {label.threshold:.2f}"
        _write(axes, beside, at, detail, va="top", offset=(18, -1), size=_DETAIL_SIZE)


def _write(
    axes: "Axes",
    x: float,
    y: float,
    text: str,
    *,
    va: str,
    offset: tuple[int, int],
    weight: str = "normal",
    size: float = TEXT_SIZE,
) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=offset,
        textcoords="offset points",
        va=va,
        color=INK,
        fontsize=size,
        fontweight=weight,
        annotation_clip=False,
        parse_math=False,
        zorder=6,
    )


def _peak(label: Label, places: StackPlaces) -> _Peak:
    index = label.key_slice or 0  # every label here has a curve
    return _Peak(index + 1, float(places.heights_mm[index]), label.slice_probabilities[index])


def _spread(values: Sequence[float], gap: float) -> list[float]:
    """Move values apart until neighbours keep a gap, as little as may be, within 0 to 1."""
    order = np.argsort(values, kind="stable")
    placed = np.array(values, dtype=float)[order]
    for number in range(1, len(placed)):
        placed[number] = max(placed[number], placed[number - 1] + gap)
    placed = np.minimum(placed, 1.0 - gap * np.arange(len(placed))[::-1])
    spread = np.empty_like(placed)
    spread[order] = placed
    return [float(value) for value in spread]


def _caption(num_slices: int, places: StackPlaces, left_out: Sequence[str]) -> str:
    sentences = [
        f"Probability of each label in each of {num_slices} slices, placed where the slices lie.",
        "Dashed lines are thresholds, each with the mark of its label where they differ. The large mark on "
        "each curve is its highest slice; it is filled, and the "
        "name bold, where the study as a whole is above threshold.",
    ]
    if places.order[0] > places.order[-1]:
        sentences.append("The slices are numbered from the other end.")
    if left_out:
        sentences.append(f"Not drawn: {', '.join(left_out)}.")
    return " ".join(sentences)


def _alt(labels: Sequence[Label], places: StackPlaces) -> str:
    parts = []
    for label in labels:
        number, height_mm, highest = _peak(label, places)
        reached = sum(value >= label.threshold for value in label.slice_probabilities)
        parts.append(
            f"{label.code.meaning}: highest {highest:.2f} in slice {number} at {height_mm:.1f} mm, "
            f"threshold {label.threshold:.2f} reached in {reached} slices"
        )
    return f"Curves of probability over {len(places.places_mm)} slices. {'; '.join(parts)}."
