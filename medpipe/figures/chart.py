"""The light chart that curves are drawn on: colours, type and encoding."""

from io import BytesIO
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image

from medpipe.figures.canvas import WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#17212d"
MUTED: Final = "#4d5b69"
GRID: Final = "#dfe5ea"
PAPER: Final = "#ffffff"

TEXT_SIZE: Final = 10.5
"""Points; 15 pixels at the resolution of the charts."""

_DPI: Final = 100
_METHOD: Final = 1
"""Of Pillow's 0 to 6: those above take half as long again for no fewer bytes."""


class LineStyle(NamedTuple):
    """What tells a curve from the others: a colour, and a marker for those who see no colours."""

    colour: str
    marker: str


LINES: Final = (
    LineStyle("#3b6fe0", "o"),
    LineStyle("#c25500", "s"),
    LineStyle("#00573f", "^"),
    LineStyle("#8e3a9e", "D"),
    LineStyle("#17212d", "v"),
    LineStyle("#6b7785", "P"),
)
"""Chosen to differ for the three kinds of colour blindness, and to hold a contrast of 4.5 : 1 on white."""


def new_chart(*, height: int, width: int = WIDTH) -> "Figure":
    """Return an empty chart of so many pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def add_plot(figure: "Figure", *, margins: tuple[int, int, int, int]) -> "Axes":
    """Add empty axes to a chart; margins are left, top, right and bottom, in pixels."""
    width, height = (size * _DPI for size in figure.get_size_inches())
    left, top, right, bottom = margins
    axes = figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    )
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=TEXT_SIZE)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    return axes


def title_axes(axes: "Axes", *, across: str, up: str) -> None:
    """Write what the two axes are."""
    axes.set_xlabel(across, color=INK, fontsize=TEXT_SIZE, labelpad=8)
    axes.set_ylabel(up, color=INK, fontsize=TEXT_SIZE, labelpad=8)


def mark_in_use(axes: "Axes", place: tuple[float, float] | None, style: LineStyle, *, label: str) -> None:
    """Mark where on a curve the threshold in use lies, if one is; its entry in the legend is the curve's.

    Drawn by itself, so that one entry of the legend shows the line with its mark.
    """
    across, up = ([], []) if place is None else ([place[0]], [place[1]])
    axes.plot(
        across,
        up,
        color=style.colour,
        linewidth=2,
        marker=style.marker,
        markersize=10,
        markeredgecolor=PAPER,
        zorder=4,
        clip_on=False,
        label=label,
    )


def write_legend(axes: "Axes") -> None:
    """Write the names of the curves to the right of the plot."""
    legend = axes.legend(
        loc="center left",
        bbox_to_anchor=(1.03, 0.5),
        frameon=False,
        fontsize=TEXT_SIZE,
        labelcolor=INK,
        labelspacing=1.0,
        handlelength=2.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def chart_webp(figure: "Figure") -> bytes:
    """Encode a chart without loss: flat colours take little room, and text stays crisp."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)  # by new_chart
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = BytesIO()
    pixels.save(buffer, "WEBP", lossless=True, method=_METHOD)
    return buffer.getvalue()
