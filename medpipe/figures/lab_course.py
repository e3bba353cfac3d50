"""Labs over a stay: measured values, the largest that was forecast, and the largest that came."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from medpipe.core.case import Figure
from medpipe.core.trajectory import StayTrajectory
from medpipe.figures.chart import INK, LINES, MUTED, PAPER, TEXT_SIZE, add_plot, chart_webp, new_chart
from medpipe.figures.lab_series import LabPanel, LabSeries, lab_series
from medpipe.figures.risk_course import ALERT, ONSET
from medpipe.figures.stay_axis import StayClock, axis_title, held, onsets_within, set_stay_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Chart

_MEASURED: Final = INK
_FORECAST: Final = LINES[1].colour
_CAME: Final = LINES[2].colour
_HIGHER, _LOWER = "#fbe3d2", "#d3ebe2"
_WIDTH: Final = 1160
_LARGE_HEIGHT: Final = 380
_LARGE_MARGINS: Final = (88, 24, 188, 58)
"""Left and right as of the course of risk, so that hours stand below each other."""

_CELL_HEIGHT: Final = 208
_FEW_COLUMNS: Final = 3
_CELL_MARGINS: Final = (58, 34, 14, 28)
_LEGEND_HEIGHT: Final = 58
_MANY: Final = 150
"""More values than this are drawn with smaller dots."""

_Entry = tuple[dict[str, Any], str]
"""How an entry of a legend is drawn, and its words."""

_ROOM: Final = 0.08
"""Above and below the values, of their range."""


def draw_lab(panel: LabPanel, trajectory: StayTrajectory) -> Figure:
    """Draw one lab large, with forecast and truth side by side.

    Args:
        panel: The lab.
        trajectory: Its stay, with at least one step.

    Returns:
        ``lab_NAME``.

    Raises:
        ShapeError: There is no step, or nothing to draw.
    """
    clock, series = lab_series([panel], trajectory)
    chart = new_chart(height=_LARGE_HEIGHT, width=_WIDTH)
    axes = add_plot(chart, margins=_LARGE_MARGINS)
    _draw(axes, panel, series[0], clock, trajectory, is_large=True)
    set_stay_axis(axes, clock)
    axes.set_xlabel(axis_title(clock), color=INK, fontsize=TEXT_SIZE, labelpad=8)
    axes.set_ylabel(_title(panel), color=INK, fontsize=TEXT_SIZE, labelpad=8)
    _write_large_legend(axes, _entries(trajectory, series, has_alerts=True))
    return Figure(
        f"lab_{panel.name.lower().replace(' ', '_')}",
        panel.name,
        _caption(trajectory),
        chart_webp(chart),
        _words(panel, series[0], trajectory),
    )


def draw_lab_grid(panels: Sequence[LabPanel], trajectory: StayTrajectory) -> Figure:
    """Draw several labs, each in a small chart of its own scale.

    Args:
        panels: At least one; in this order, row by row.
        trajectory: Their stay, with at least one step.

    Returns:
        ``labs``.

    Raises:
        ShapeError: There is no step, no lab, or nothing to draw of one.
    """
    clock, series = lab_series(panels, trajectory)
    num_columns = _num_columns(len(panels))
    num_rows = -(-len(panels) // num_columns)
    cell_width, height = _WIDTH // num_columns, num_rows * _CELL_HEIGHT + _LEGEND_HEIGHT
    chart = new_chart(height=height, width=_WIDTH)
    left, top, right, bottom = _CELL_MARGINS
    for number, (panel, drawn) in enumerate(zip(panels, series, strict=True)):
        row, column = divmod(number, num_columns)
        axes = add_plot(
            chart,
            margins=(
                column * cell_width + left,
                row * _CELL_HEIGHT + top,
                _WIDTH - (column + 1) * cell_width + right,
                height - (row + 1) * _CELL_HEIGHT + bottom,
            ),
        )
        _draw(axes, panel, drawn, clock, trajectory, is_large=False)
        set_stay_axis(axes, clock, num_ticks=max(5, cell_width // 60))
        axes.tick_params(labelsize=TEXT_SIZE - 1)
        axes.set_title(
            _title(panel), loc="left", color=INK, fontsize=TEXT_SIZE, fontweight="bold", parse_math=False
        )
    _write_grid_legend(chart, _entries(trajectory, series, has_alerts=False), clock)
    return Figure(
        "labs",
        "Other labs",
        "Each lab on a scale of its own; limits of the scale are no normal ranges.",
        chart_webp(chart),
        " ".join(_words(panel, drawn, trajectory) for panel, drawn in zip(panels, series, strict=True)),
    )


def _draw(
    axes: "Axes",
    panel: LabPanel,
    series: LabSeries,
    clock: StayClock,
    trajectory: StayTrajectory,
    *,
    is_large: bool,
) -> None:
    _set_range(axes, series, is_amount=panel.is_amount)
    for at, _ in onsets_within(trajectory):
        axes.axvline(at, color=ONSET, linewidth=1.8 if is_large else 1.2, zorder=2)
    if is_large:
        _mark_alerts(axes, clock, trajectory)
    if np.isfinite(series.forecast).any():
        _draw_maxima(axes, series, clock, width=2.0 if is_large else 1.5)
    size = (6.0 if is_large else 3.6) if len(series.values) <= _MANY else (3.0 if is_large else 1.8)
    if panel.is_amount:
        axes.vlines(series.hours, 0.0, series.values, color=_MEASURED, linewidth=1.6, zorder=4)
        return
    axes.plot(series.hours, series.values, color=MUTED, linewidth=0.7, zorder=3)
    axes.plot(
        series.hours,
        series.values,
        "o",
        color=_MEASURED,
        markersize=size,
        markeredgecolor=PAPER,
        markeredgewidth=0.5,
        zorder=5,
        clip_on=False,
    )


def _draw_maxima(axes: "Axes", series: LabSeries, clock: StayClock, *, width: float) -> None:
    hours, forecast = held(series.ends, series.forecast, clock.step_h)
    _, came = held(series.ends, series.came, clock.step_h)
    # Corners of the steps, so that each stretch is filled to its ends.
    corners, upper, lower = np.repeat(hours, 2)[1:-1], np.repeat(forecast[:-1], 2), np.repeat(came[:-1], 2)
    for is_shown, colour in ((upper >= lower, _HIGHER), (upper < lower, _LOWER)):
        axes.fill_between(corners, lower, upper, where=is_shown, color=colour, linewidth=0, zorder=1)
    axes.plot(hours, came, drawstyle="steps-post", color=_CAME, linewidth=0.7 * width, zorder=3)
    axes.plot(hours, forecast, drawstyle="steps-post", color=_FORECAST, linewidth=width, zorder=4)


def _mark_alerts(axes: "Axes", clock: StayClock, trajectory: StayTrajectory) -> None:
    alerts = clock.since_start(trajectory.alerts)
    axes.plot(
        alerts,
        np.full(len(alerts), 1.03),
        "v",
        color=ALERT,
        markersize=7,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
    )


def _set_range(axes: "Axes", series: LabSeries, *, is_amount: bool) -> None:
    shown = np.concatenate((series.values, series.forecast, [0.0] if is_amount else []))
    shown = shown[np.isfinite(shown)]
    low, high = float(shown.min()), float(shown.max())
    room = _ROOM * (high - low) or 0.1 * abs(high) or 1.0
    axes.set_ylim(0.0 if is_amount or low - room < 0 else low - room, high + room)


def _write_large_legend(axes: "Axes", entries: Sequence[_Entry]) -> None:
    for handle, label in entries:
        axes.plot([], [], label=label, **handle)
    legend = axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        fontsize=TEXT_SIZE - 1,
        labelcolor=INK,
        labelspacing=1.1,
        handlelength=1.8,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _entries(trajectory: StayTrajectory, series: Sequence[LabSeries], *, has_alerts: bool) -> list[_Entry]:
    """Return the entries of a legend, of what is drawn only."""
    horizon = f"{trajectory.alert_horizon_h:g} h"
    entries: list[_Entry] = []
    if any(len(drawn.values) for drawn in series):
        entries.append(({"color": _MEASURED, "marker": "o", "linewidth": 0.7}, "measured"))
    if any(np.isfinite(drawn.forecast).any() for drawn in series):
        entries.append(({"color": _FORECAST, "linewidth": 2}, f"forecast largest\nvalue in {horizon}"))
    if any((np.isfinite(drawn.forecast) & np.isfinite(drawn.came)).any() for drawn in series):
        entries.append(({"color": _CAME, "linewidth": 1.4}, f"largest value that\ncame in {horizon}"))
    if has_alerts and trajectory.alerts:
        entries.append(({"color": ALERT, "marker": "v", "linewidth": 0, "markersize": 7}, "alert"))
    if onsets_within(trajectory):
        entries.append(({"color": ONSET, "linewidth": 1.8}, "known injury"))
    return entries


def _write_grid_legend(chart: "Chart", entries: Sequence[_Entry], clock: StayClock) -> None:
    """Write one legend for all charts, below them."""
    from matplotlib.lines import Line2D

    chart.text(
        1 - _CELL_MARGINS[2] / _WIDTH,
        14 / (chart.get_figheight() * chart.dpi),
        f"across: {axis_title(clock)}",
        ha="right",
        color=MUTED,
        fontsize=TEXT_SIZE - 1,
    )
    chart.legend(
        [Line2D([], [], **handle) for handle, _ in entries],
        [label.replace("\n", " ") for _, label in entries],
        loc="lower left",
        bbox_to_anchor=(_CELL_MARGINS[0] / _WIDTH, 0.0),
        ncols=len(entries),
        frameon=False,
        fontsize=TEXT_SIZE - 1,
        labelcolor=INK,
        handlelength=1.8,
        columnspacing=2.4,
    )


def _num_columns(num_panels: int) -> int:
    """Return how many charts stand side by side, so that the last row is as full as may be."""
    if num_panels <= _FEW_COLUMNS or num_panels % _FEW_COLUMNS == 0 or num_panels == 5:
        return min(num_panels, _FEW_COLUMNS)
    return _FEW_COLUMNS + 1


def _title(panel: LabPanel) -> str:
    return f"{panel.name} ({panel.unit})" if panel.unit else panel.name


def _caption(trajectory: StayTrajectory) -> str:
    horizon = f"{trajectory.alert_horizon_h:g} h"
    return (
        f"Dots are measured values. The orange line is the largest value that the model expects within "
        f"{horizon}, as of the end of each step; the green line is the largest that was then measured within "
        f"{horizon}, or until the record ends. Between them, orange is forecast too high, green too low."
    )


def _words(panel: LabPanel, series: LabSeries, trajectory: StayTrajectory) -> str:
    unit = f" {panel.unit}" if panel.unit else ""
    parts = []
    if len(series.values):
        parts.append(
            f"{len(series.values)} measured, {series.values.min():.4g} to {series.values.max():.4g}{unit}"
        )
    known = np.isfinite(series.forecast) & np.isfinite(series.came)
    if known.any():
        error = float(np.median(np.abs(series.forecast[known] - series.came[known])))
        parts.append(
            f"the largest within {trajectory.alert_horizon_h:g} h is forecast with a median error of "
            f"{error:.2g}{unit}"
        )
    elif np.isfinite(series.forecast).any():
        parts.append("forecast, nothing measured to set it against")
    return f"{panel.name}: {', '.join(parts)}."
