"""The time axis of a stay: hours or days since its start, and the steps on it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.trajectory import StayTrajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DAY_H: Final = 24.0
_LONGEST_IN_HOURS: Final = 96.0
"""Longer stays have an axis in days."""

_TICKS_H: Final = (1.0, 2.0, 3.0, 6.0, 12.0, 24.0, 48.0, 96.0, 168.0, 336.0, 672.0, 1344.0, 2688.0, 8760.0)
_DEFAULT_STEP_H: Final = 6.0


class StayClock(NamedTuple):
    """The stay on its own clock, hours since its start; all charts of a stay share it.

    Attributes:
        start_h: Hour 0 on the clock of the record.
        end_h: End of the axis, hours since the start.
        step_h: Median length of a step.
    """

    start_h: float
    end_h: float
    step_h: float

    @property
    def in_days(self) -> bool:
        """Whether the axis is in days."""
        return self.end_h > _LONGEST_IN_HOURS

    def since_start(self, hours: Sequence[float]) -> Array:
        """Return hours of the record as hours since the start of the stay."""
        return np.asarray(hours, dtype=np.float64) - self.start_h


def stay_clock(trajectory: StayTrajectory) -> StayClock:
    """Return the clock of a stay, long enough for its steps, onsets and measurements."""
    ends = np.asarray(trajectory.end_h, dtype=np.float64)
    gaps = np.diff(ends)
    step_h = float(np.median(gaps)) if len(gaps) else _DEFAULT_STEP_H
    lasts = [
        *([ends[-1] + step_h] if len(ends) else []),
        *(onset.hour for onset in trajectory.onsets),
        *(course.hours[-1] for course in trajectory.measured if course.hours),
    ]
    length_h = max(lasts, default=0.0) - trajectory.start_h
    return StayClock(trajectory.start_h, max(length_h, step_h), step_h)


def set_stay_axis(axes: "Axes", clock: StayClock, *, num_ticks: int = 12, has_labels: bool = True) -> None:
    """Set limits and ticks of the axis across; whole hours or days only.

    Args:
        axes: Of the chart.
        clock: Of the stay.
        num_ticks: Most ticks.
        has_labels: Whether numbers stand at the ticks.
    """
    axes.set_xlim(0.0, clock.end_h)
    least = DAY_H if clock.in_days else 0.0
    spans = [span for span in _TICKS_H if span >= least]
    span = next((span for span in spans if clock.end_h / span <= num_ticks), spans[-1])
    ticks = np.arange(0.0, clock.end_h + 1e-6, span)
    unit = DAY_H if clock.in_days else 1.0
    axes.set_xticks(ticks, [f"{tick / unit:g}" for tick in ticks] if has_labels else [""] * len(ticks))


def axis_title(clock: StayClock) -> str:
    """Return what the axis across is."""
    return "days since the stay began" if clock.in_days else "hours since the stay began"


def numbers(values: Sequence[float | None]) -> Array:
    """Return float64 numbers, NaN for those that are not known."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def held(ends: Array, values: Array, step_h: float) -> tuple[Array, Array]:
    """Return a course in which each value holds until the next step, the last one for ``step_h`` more.

    Args:
        ends: ``(T,)`` hours, at least one.
        values: ``(T,)``.
        step_h: Length of the last step.

    Returns:
        ``(T + 1,)`` hours and values, to be drawn as steps.
    """
    return np.append(ends, ends[-1] + step_h), np.append(values, values[-1])


def onsets_within(trajectory: StayTrajectory) -> list[tuple[float, int]]:
    """Return hours since the start, and stages, of the injuries that begin within the stay."""
    since_start = [(onset.hour - trajectory.start_h, onset.stage) for onset in trajectory.onsets]
    return [(hour, stage) for hour, stage in since_start if hour >= 0]
