"""How many stays reached which highest risk, those with and without a known injury apart."""

from typing import TYPE_CHECKING, Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.figures.chart import (
    INK,
    LINES,
    MUTED,
    PAPER,
    TEXT_SIZE,
    add_plot,
    chart_webp,
    new_chart,
    title_axes,
)
from medpipe.figures.risk_course import ONSET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT: Final = 330
_MARGINS: Final = (88, 34, 188, 58)
_NUM_BINS: Final = 25
_COUNT_SIZE: Final = 8.5
_WITHOUT: Final = LINES[0].colour


def draw_risk_histogram(without: Array, with_injury: Array, *, horizon_h: float, threshold: float) -> Figure:
    """Draw the highest risks of stays as bars, four percent of risk each.

    Args:
        without: ``(N,)`` highest risks in 0 to 1 of stays without a known injury.
        with_injury: ``(M,)`` those of stays with one.
        horizon_h: Of the risks.
        threshold: Of the alerts.

    Returns:
        ``highest_risks``.

    Raises:
        ShapeError: There is no stay.
    """
    if not len(without) + len(with_injury):
        raise ShapeError("A histogram of risks needs a stay", found="none")
    edges = np.linspace(0.0, 1.0, _NUM_BINS + 1)
    heights = [np.histogram(values, bins=edges)[0] for values in (without, with_injury)]
    chart = new_chart(height=_HEIGHT)
    axes = add_plot(chart, margins=_MARGINS)
    axes.grid(visible=False, axis="x")
    bottoms = np.zeros(_NUM_BINS)
    names = ("no known injury", "known injury")
    for counts, colour, name in zip(heights, (_WITHOUT, ONSET), names, strict=True):
        if counts.any():
            axes.bar(
                edges[:-1],
                counts,
                width=1 / _NUM_BINS,
                bottom=bottoms,
                align="edge",
                color=colour,
                edgecolor=PAPER,
                linewidth=1,
                label=f"{name}\n({counts.sum()})",
            )
        bottoms += counts
    _write_counts(axes, edges, bottoms)
    _finish(axes, threshold, horizon_h)
    above = [int((values >= threshold).sum()) for values in (without, with_injury)]
    count = len(without) + len(with_injury)
    return Figure(
        "highest_risks",
        "Highest risk of each stay",
        f"Stays by the highest risk within {horizon_h:g} h that they reached, with the number of stays "
        "above each bar; the dashed line is the threshold.",
        chart_webp(chart),
        f"Histogram of the highest risk of {count} stays: {sum(above)} reach the threshold of "
        f"{threshold:.2f}, {above[1]} of them with a known injury.",
    )


def _write_counts(axes: "Axes", edges: Array, counts: Array) -> None:
    """Write the number of stays above each bar: most bars are low beside the lowest risks'."""
    for left, count in zip(edges[:-1], counts, strict=True):
        if count:
            axes.annotate(
                f"{count:.0f}",
                (left + 0.5 / _NUM_BINS, count),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                color=MUTED,
                fontsize=_COUNT_SIZE,
            )
    axes.set_ylim(0, 1.12 * counts.max())


def _finish(axes: "Axes", threshold: float, horizon_h: float) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0.0, 1.0)
    axes.set_xticks(np.linspace(0, 1, 11), [f"{tick} %" for tick in range(0, 101, 10)])
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    title_axes(axes, across=f"highest risk within {horizon_h:g} h", up="stays")
    axes.axvline(threshold, color=INK, linewidth=1.2, linestyle=(0, (6, 4)))
    axes.annotate(
        f"threshold {100 * threshold:.3g} %",
        (threshold, 1.0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, 6),
        textcoords="offset points",
        ha="left" if threshold < 0.1 else "center",
        va="bottom",
        color=INK,
        fontsize=TEXT_SIZE,
        annotation_clip=False,
    )
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        fontsize=TEXT_SIZE,
        labelcolor=INK,
        labelspacing=0.9,
        handlelength=1.2,
    )
