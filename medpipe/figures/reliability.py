"""Reliability: the share of cases that were positive over the probability that was predicted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from medpipe.core.calibration import ReliabilityBin
from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.figures.chart import (
    INK,
    LINES,
    MUTED,
    TEXT_SIZE,
    LineStyle,
    add_plot,
    chart_webp,
    new_chart,
    title_axes,
    write_legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Bins = Sequence[ReliabilityBin]

_WIDTH, _HEIGHT = 860, 660
_SHARES: Final = (72, 20, 348, 200)
"""Margins; the plot of shares is a square of 440 pixels."""

_COUNTS: Final = (72, 490, 348, 60)
_HEADROOM: Final = 3.0
"""The logarithmic axis of counts ends at this many times the largest, so that its number can be read."""


def draw_reliability(curves: Sequence[tuple[str, Bins]], *, suffix: str = "") -> Figure:
    """Draw what share of the cases of like probability was positive, with intervals and counts.

    Args:
        curves: Name and bins of one to six labels or predictors.
        suffix: Tells the figure from others; empty for none.

    Returns:
        ``reliability`` or ``reliability-SUFFIX``.

    Raises:
        ShapeError: There is no curve, more than can be told apart, or one without bins.
    """
    if not 0 < len(curves) <= len(LINES) or not all(bins for _, bins in curves):
        raise ShapeError(
            f"A reliability figure holds 1 to {len(LINES)} curves, each with bins",
            found=f"{len(curves)} curves with {[len(bins) for _, bins in curves]} bins",
        )
    figure = new_chart(height=_HEIGHT, width=_WIDTH)
    shares, counts = (add_plot(figure, margins=margins) for margins in (_SHARES, _COUNTS))
    shares.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
    for (name, bins), style in zip(curves, LINES, strict=False):
        _draw_shares(shares, name, bins, style)
        _draw_counts(counts, bins, style, is_alone=len(curves) == 1)
    shares.set(xlim=(0, 1), ylim=(0, 1))
    title_axes(shares, across="", up="share that was positive")
    counts.set(xlim=(0, 1), yscale="log")
    counts.set_ylim(0.8, _HEADROOM * max(item.num_cases for _, bins in curves for item in bins))
    counts.yaxis.set_major_formatter("{x:.0f}")
    counts.minorticks_off()
    title_axes(counts, across="predicted probability (mean of each bin)", up="cases")
    write_legend(shares)
    words = "; ".join(_words(*curve) for curve in curves)
    return Figure(
        f"reliability-{suffix}" if suffix else "reliability",
        "Reliability",
        "Share of the cases that were positive over the probability predicted of them, with the interval of "
        "each share; on the dotted line they are equal. Below, how many cases each point is of (logarithmic "
        "axis).",
        chart_webp(figure),
        f"Predicted probability and share that was positive. {words}.",
    )


def _draw_shares(axes: "Axes", name: str, bins: Bins, style: LineStyle) -> None:
    shares = [item.share for item in bins]
    axes.errorbar(
        [item.probability for item in bins],
        shares,
        yerr=[
            [item.share - item.low for item in bins],
            [item.high - item.share for item in bins],
        ],
        color=style.colour,
        linewidth=1.6,
        elinewidth=1.2,
        capsize=3,
        marker=style.marker,
        markersize=7,
        label=name,
        clip_on=False,
        zorder=3,
    )


def _draw_counts(axes: "Axes", bins: Bins, style: LineStyle, *, is_alone: bool) -> None:
    """Draw a stem a bin; numbers stand above those of a curve that is alone."""
    places, counts = [item.probability for item in bins], [item.num_cases for item in bins]
    axes.vlines(places, 0.8, counts, color=style.colour, linewidth=1.2)
    axes.plot(
        places, counts, color=style.colour, marker=style.marker, markersize=5, linewidth=0, clip_on=False
    )
    if not is_alone:
        return
    for place, count in zip(places, counts, strict=True):
        axes.annotate(
            f"{count}",
            (place, count),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            color=INK,
            fontsize=TEXT_SIZE - 1,
        )


def _words(name: str, bins: Bins) -> str:
    parts = ", ".join(
        f"{item.probability:.2f} and {item.share:.2f} of {item.num_cases} cases" for item in bins
    )
    return f"{name}: {parts}"
