"""What alerts cost and what they find: episodes found over alerts a patient and day, of alert policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.figures.chart import (
    LINES,
    PAPER,
    LineStyle,
    add_plot,
    chart_webp,
    new_chart,
    title_axes,
    write_legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT = 860, 480
_MARGINS: Final = (72, 20, 268, 60)


@dataclass(frozen=True, eq=False)
class AlertLine:
    """A policy at many thresholds.

    Attributes:
        name: Of the policy.
        per_patient_day: ``(Q,)`` alerts, above zero where the point is drawn.
        found: ``(Q,)`` share of episodes found.
        in_use: Alerts and share at the threshold in use; None for none.
    """

    name: str
    per_patient_day: Array
    found: Array
    in_use: tuple[float, float] | None = None


def draw_alert_curve(lines: Sequence[AlertLine], *, suffix: str = "") -> Figure:
    """Draw the share of episodes found over alerts a patient-day, on a logarithmic axis.

    Args:
        lines: One to six; each has a point with alerts above zero.
        suffix: Tells the figure from others; empty for none.

    Returns:
        ``alerts`` or ``alerts-SUFFIX``.

    Raises:
        ShapeError: There is no line, more than can be told apart, or one has no point to draw.
    """
    drawn = [line.per_patient_day > 0 for line in lines]
    if not 0 < len(lines) <= len(LINES) or not all(points.any() for points in drawn):
        raise ShapeError(
            f"A figure of alerts holds 1 to {len(LINES)} policies, each with alerts",
            found=f"{len(lines)} with {[int(points.sum()) for points in drawn]} points",
        )
    from matplotlib.ticker import LogLocator

    figure = new_chart(height=_HEIGHT, width=_WIDTH)
    axes = add_plot(figure, margins=_MARGINS)
    for line, points, style in zip(lines, drawn, LINES, strict=False):
        _draw_line(axes, line, points, style)
    axes.set(xscale="log", ylim=(0, 1))
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    title_axes(axes, across="alerts a patient and day (logarithmic)", up="share of episodes found")
    write_legend(axes)
    return Figure(
        f"alerts-{suffix}" if suffix else "alerts",
        "Episodes found and alerts",
        "Share of the episodes that an alert foresees over the alerts that a ward gets for it, at many "
        "thresholds; a large mark is the threshold in use. The further up and to the left, the better.",
        chart_webp(figure),
        "Share of episodes found over alerts a patient and day. " + "; ".join(_words(line) for line in lines),
    )


def _draw_line(axes: "Axes", line: AlertLine, points: npt.NDArray[np.bool_], style: LineStyle) -> None:
    axes.plot(
        line.per_patient_day[points],
        line.found[points],
        color=style.colour,
        linewidth=2,
        marker=style.marker,
        markersize=4,
        zorder=3,
        label=line.name,
    )
    if line.in_use is not None and line.in_use[0] > 0:
        axes.plot(
            [line.in_use[0]],
            [line.in_use[1]],
            color=style.colour,
            marker=style.marker,
            markersize=11,
            markeredgecolor=PAPER,
            linewidth=0,
            zorder=4,
            clip_on=False,
        )


def _words(line: AlertLine) -> str:
    if line.in_use is None:
        return f"{line.name}."
    return (
        f"{line.name}: {line.in_use[1]:.2f} found with {line.in_use[0]:.2f} alerts at the threshold in use."
    )
