"""The risk over a stay: its interval, threshold, alerts and known injuries, and all horizons below."""

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.core.trajectory import StayTrajectory
from medpipe.figures.chart import GRID, INK, LINES, MUTED, PAPER, TEXT_SIZE, add_plot, chart_webp, new_chart
from medpipe.figures.stay_axis import (
    StayClock,
    axis_title,
    held,
    numbers,
    onsets_within,
    set_stay_axis,
    stay_clock,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Chart

ALERT: Final = "#b3202c"
ONSET: Final = LINES[3].colour
_RISK: Final = LINES[0].colour
_BAND: Final = "#c9d8f8"
_IN_TIME: Final = "#f4eaf7"
_UNKNOWN: Final = "#e9edf1"
_DARKEST: Final = "#0c2a6b"

_LEFT, _RIGHT = 88, 188
_ABOVE: Final = (40, 64)
"""Above the plot, without and with a lane of known injuries."""

_PLOT_HEIGHT: Final = 300
_GAP, _BOTTOM = 20, 58
_ROW_HEIGHT: Final = 17
_TOPS: Final = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Where the axis of risk may end."""

_MAX_DOTS: Final = 80
"""More steps than this are drawn without a dot each."""

_NAMED_LEFT: Final = 0.8
"""Injuries later than this share of the axis have their name at the left."""

_NAME_ROOM: Final = 0.16
"""What a name takes of the axis across."""

_LANE: Final = (1.055, 1.145)
"""Heights of alerts and of onsets above the plot, in its own height."""


class _Course(NamedTuple):
    """The risk at the alert horizon: hours since the start, probabilities and bounds, ``(T,)`` each."""

    ends: Array
    probs: Array
    low: Array
    high: Array


def draw_risk_course(trajectory: StayTrajectory) -> Figure:
    """Draw the risk at the horizon of the alerts over a stay, and below it the risk at each horizon.

    Args:
        trajectory: With at least one step; risks may be missing.

    Returns:
        ``risk_course``.

    Raises:
        ShapeError: There is no step.
    """
    if not trajectory.end_h:
        raise ShapeError("A course of risk needs a step", found="none")
    clock, course = stay_clock(trajectory), _course(trajectory)
    above = _ABOVE[bool(onsets_within(trajectory))]
    strip_height = _ROW_HEIGHT * len(trajectory.horizons_h)
    height = above + _PLOT_HEIGHT + _GAP + strip_height + _BOTTOM
    chart = new_chart(height=height)
    top = _axis_top(course, trajectory.threshold)
    below = _GAP + strip_height + _BOTTOM
    axes = add_plot(chart, margins=(_LEFT, above, _RIGHT, below))
    _set_axes(axes, clock, top, trajectory)
    _draw_onsets(axes, clock, trajectory)
    _draw_risk(axes, clock, course)
    _draw_threshold(axes, clock, trajectory.threshold)
    _draw_alerts(axes, clock, course, trajectory)
    strip = add_plot(chart, margins=(_LEFT, above + _PLOT_HEIGHT + _GAP, _RIGHT, _BOTTOM))
    _draw_strip(chart, strip, clock, trajectory, top)
    return Figure(
        "risk_course",
        "Risk over the stay",
        _caption(trajectory, course),
        chart_webp(chart),
        _alt(trajectory, course),
    )


def _course(trajectory: StayTrajectory) -> _Course:
    column, num_steps = trajectory.alert_column, len(trajectory.end_h)
    nothing = np.full(num_steps, np.nan)
    low, high = (
        numbers([row[column] for row in table]) if table else nothing
        for table in (trajectory.low, trajectory.high)
    )
    ends = np.asarray(trajectory.end_h) - trajectory.start_h
    return _Course(ends, numbers([row[column] for row in trajectory.probs]), low, high)


def _axis_top(course: _Course, threshold: float) -> float:
    shown = np.concatenate((course.probs, course.high, [threshold]))
    highest = float(shown[np.isfinite(shown)].max())
    return next((top for top in _TOPS if highest <= 0.94 * top), 1.0)


def _set_axes(axes: "Axes", clock: StayClock, top: float, trajectory: StayTrajectory) -> None:
    set_stay_axis(axes, clock, has_labels=False)
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0.0, top)
    ticks = np.linspace(0.0, top, 5 if top < 0.5 else round(top * 5) + 1)
    axes.set_yticks(ticks, [f"{100 * tick:.3g} %" for tick in ticks])
    axes.set_ylabel(
        f"risk within {trajectory.alert_horizon_h:g} h", color=INK, fontsize=TEXT_SIZE, labelpad=8
    )


def _draw_risk(axes: "Axes", clock: StayClock, course: _Course) -> None:
    hours, low = held(course.ends, course.low, clock.step_h)
    _, high = held(course.ends, course.high, clock.step_h)
    axes.fill_between(hours, low, high, step="post", color=_BAND, linewidth=0, zorder=2)
    hours, probs = held(course.ends, course.probs, clock.step_h)
    axes.plot(hours, probs, drawstyle="steps-post", color=_RISK, linewidth=2, zorder=4)
    if len(course.ends) <= _MAX_DOTS:
        axes.plot(course.ends, course.probs, "o", color=_RISK, markersize=4, zorder=4, clip_on=False)


def _draw_threshold(axes: "Axes", clock: StayClock, threshold: float) -> None:
    axes.axhline(threshold, color=INK, linewidth=1.2, linestyle=(0, (6, 4)), zorder=3)
    _write_beside(axes, clock.end_h, threshold, f"threshold {100 * threshold:.3g} %")


def _draw_alerts(axes: "Axes", clock: StayClock, course: _Course, trajectory: StayTrajectory) -> None:
    alerts = clock.since_start(trajectory.alerts)
    at = np.isin(course.ends, alerts)
    if len(alerts) <= _MAX_DOTS:
        axes.vlines(course.ends[at], 0.0, course.probs[at], color=ALERT, linewidth=1, alpha=0.6, zorder=3)
    axes.plot(
        course.ends[at],
        course.probs[at],
        "o",
        color=ALERT,
        markeredgecolor=PAPER,
        markersize=9 if len(alerts) <= _MAX_DOTS else 5,
        zorder=5,
        clip_on=False,
    )
    lane = axes.get_xaxis_transform()
    axes.plot(
        alerts,
        np.full(len(alerts), _LANE[0]),
        "v",
        color=ALERT,
        markersize=9 if len(alerts) <= _MAX_DOTS else 5,
        transform=lane,
        clip_on=False,
    )
    _write_lane(axes, _LANE[0], f"▼ {len(alerts)} alert{'' if len(alerts) == 1 else 's'}", ALERT)


def _draw_onsets(axes: "Axes", clock: StayClock, trajectory: StayTrajectory) -> None:
    """Mark known injuries, and shade the time in which an alert foresees one."""
    drawn = onsets_within(trajectory)
    for at, _ in drawn:
        axes.axvspan(max(at - trajectory.alert_horizon_h, 0.0), at, color=_IN_TIME, linewidth=0, zorder=0.5)
        axes.axvline(at, color=ONSET, linewidth=1.8, zorder=3)
    lane = axes.get_xaxis_transform()
    axes.plot(
        [at for at, _ in drawn],
        [_LANE[1]] * len(drawn),
        "D",
        color=ONSET,
        markersize=7,
        transform=lane,
        clip_on=False,
    )
    for number, (at, stage) in enumerate(drawn):
        is_left = at > _NAMED_LEFT * clock.end_h
        neighbour = drawn[number - 1 : number] if is_left else drawn[number + 1 : number + 2]
        if neighbour and abs(neighbour[0][0] - at) < _NAME_ROOM * clock.end_h:
            continue  # its name would lie upon its neighbour; the facts above the chart state both
        axes.annotate(
            f"injury, stage {stage}",
            (at, _LANE[1]),
            xycoords=lane,
            xytext=(-8 if is_left else 8, 0),
            textcoords="offset points",
            ha="right" if is_left else "left",
            va="center",
            color=ONSET,
            fontsize=TEXT_SIZE,
            annotation_clip=False,
        )
    if drawn:
        noun = "injury" if len(drawn) == 1 else "injuries"
        _write_lane(axes, _LANE[1], f"◆ {len(drawn)} known {noun}", ONSET)


def _write_lane(axes: "Axes", height: float, text: str, colour: str) -> None:
    axes.annotate(
        text,
        (1.0, height),
        xycoords="axes fraction",
        xytext=(16, 0),
        textcoords="offset points",
        va="center",
        color=colour,
        fontsize=TEXT_SIZE,
        annotation_clip=False,
    )


def _write_beside(axes: "Axes", across: float, up: float, text: str, *, colour: str = INK) -> None:
    """Write text to the right of a plot at the height of a value."""
    axes.annotate(
        text,
        (across, up),
        xytext=(16, 0),
        textcoords="offset points",
        va="center",
        color=colour,
        fontsize=TEXT_SIZE,
        annotation_clip=False,
        parse_math=False,
    )


def _draw_strip(
    chart: "Chart", axes: "Axes", clock: StayClock, trajectory: StayTrajectory, top: float
) -> None:
    """Draw a row of colour a horizon, the shortest at the bottom."""
    from matplotlib.colors import LinearSegmentedColormap

    table = np.stack([numbers(row) for row in trajectory.probs])
    hours, _ = held(clock.since_start(trajectory.end_h), table[:, 0], clock.step_h)
    rows = np.arange(len(trajectory.horizons_h) + 1)
    colours = LinearSegmentedColormap.from_list("risk", [PAPER, "#a9c1f3", _RISK, _DARKEST])
    axes.set_facecolor(_UNKNOWN)
    mesh = axes.pcolormesh(hours, rows, np.ma.masked_invalid(table.T), cmap=colours, vmin=0.0, vmax=top)
    axes.grid(visible=False)
    set_stay_axis(axes, clock)
    axes.set_ylim(0, len(trajectory.horizons_h))
    axes.set_yticks(rows[:-1] + 0.5, [f"{horizon:g} h" for horizon in trajectory.horizons_h])
    axes.tick_params(axis="y", length=0, labelsize=TEXT_SIZE - 1)
    axes.set_xlabel(axis_title(clock), color=INK, fontsize=TEXT_SIZE, labelpad=8)
    for label, horizon in zip(axes.get_yticklabels(), trajectory.horizons_h, strict=True):
        label.set_fontweight("bold" if horizon == trajectory.alert_horizon_h else "normal")
    for at, _ in onsets_within(trajectory):
        axes.axvline(at, color=ONSET, linewidth=1.8)
    place = axes.get_position()
    bar_axes = chart.add_axes((place.x1 + 0.012, place.y0, 0.011, place.height))
    bar = chart.colorbar(mesh, cax=bar_axes, ticks=[0.0, top / 2, top])
    bar.ax.set_yticklabels([f"{100 * tick:.3g} %" for tick in (0.0, top / 2, top)])
    bar.ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=TEXT_SIZE - 1, length=3)
    bar.outline.set_edgecolor(GRID)


def _caption(trajectory: StayTrajectory, course: _Course) -> str:
    sentences = [
        f"Risk of an injury that begins within {trajectory.alert_horizon_h:g} h, at the end of each step and "
        "until the next."
    ]
    if np.isfinite(course.low).any():
        kind = f" ({trajectory.interval})" if trajectory.interval else ""
        sentences.append(f"The band is its interval{kind}.")
    sentences.append("Triangles and red dots are alerts.")
    if onsets_within(trajectory):
        sentences.append(
            "Diamonds and upright lines are known injuries; alerts in the tinted time before one are in time."
        )
    sentences.append("Below: the same at every horizon, the darker the higher; grey is not known.")
    return " ".join(sentences)


def _alt(trajectory: StayTrajectory, course: _Course) -> str:
    highest = trajectory.highest_risk
    parts = [f"Risk within {trajectory.alert_horizon_h:g} h over {_counted(len(course.ends), 'step')}"]
    if highest is not None:
        at = course.ends[int(np.nanargmax(course.probs))]
        parts.append(f"highest {highest:.2f} at {at:g} h")
    parts.append(f"threshold {trajectory.threshold:.2f}")
    alerts = ", ".join(f"{hour - trajectory.start_h:g}" for hour in trajectory.alerts)
    parts.append(f"alerts at {alerts} h" if alerts else "no alerts")
    parts += [f"injury of stage {stage} at {at:g} h" for at, stage in onsets_within(trajectory)]
    return "; ".join(parts) + "."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
