"""What is drawn of a lab over a stay: measured values, forecast maxima, and the maxima that came."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.core.trajectory import ForecastMaxima, MeasuredCourse, StayTrajectory
from medpipe.figures.stay_axis import StayClock, numbers, stay_clock


@dataclass(frozen=True, eq=False)
class LabPanel:
    """One variable of a stay, ready to be drawn.

    Attributes:
        name: For people.
        unit: As people write it.
        measured: Values; None where there is none.
        forecast: Maxima that are forecast; None where it is not forecast.
        is_amount: Whether values are amounts, which are drawn as bars.
    """

    name: str
    unit: str
    measured: MeasuredCourse | None = None
    forecast: ForecastMaxima | None = None
    is_amount: bool = False


@dataclass(frozen=True, eq=False)
class LabSeries:
    """What is drawn of a variable, on the clock of the stay; maxima are those of the alert horizon.

    Attributes:
        hours: ``(N,)`` of measured values within the stay.
        values: ``(N,)``.
        ends: ``(T,)`` ends of steps.
        forecast: ``(T,)`` NaN where none.
        came: ``(T,)`` largest value measured within the horizon; NaN where none was.
    """

    hours: Array
    values: Array
    ends: Array
    forecast: Array
    came: Array

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be drawn."""
        return not len(self.values) and not np.isfinite(self.forecast).any()


def has_values(panel: LabPanel, trajectory: StayTrajectory) -> bool:
    """Return whether there is anything to draw of a lab within the stay."""
    return bool(trajectory.end_h) and not _series(panel, trajectory, stay_clock(trajectory)).is_empty


def lab_series(panels: Sequence[LabPanel], trajectory: StayTrajectory) -> tuple[StayClock, list[LabSeries]]:
    """Return the clock of a stay and what is drawn of each lab.

    Raises:
        ShapeError: There is no step, no lab, or nothing to draw of one.
    """
    if not panels or not trajectory.end_h:
        raise ShapeError(
            "A chart of labs needs a lab and a step", found=f"{len(panels)} and {len(trajectory.end_h)}"
        )
    clock = stay_clock(trajectory)
    series = [_series(panel, trajectory, clock) for panel in panels]
    empty = [panel.name for panel, drawn in zip(panels, series, strict=True) if drawn.is_empty]
    if empty:
        raise ShapeError("There is nothing to draw of a lab", found=", ".join(empty))
    return clock, series


def _series(panel: LabPanel, trajectory: StayTrajectory, clock: StayClock) -> LabSeries:
    ends = clock.since_start(trajectory.end_h)
    hours, values = np.zeros(0), np.zeros(0)
    if panel.measured is not None:
        hours, values = clock.since_start(panel.measured.hours), np.asarray(panel.measured.values)
        is_within = hours >= 0
        hours, values = hours[is_within], values[is_within]
    forecast = np.full(len(ends), np.nan)
    if panel.forecast is not None:
        forecast = numbers([row[trajectory.alert_column] for row in panel.forecast.maxima])
    return LabSeries(
        hours, values, ends, forecast, _largest_after(ends, hours, values, trajectory.alert_horizon_h)
    )


def _largest_after(ends: Array, hours: Array, values: Array, horizon_h: float) -> Array:
    """Return the largest value in ``(end, end + horizon_h]`` of each end; NaN where there is none."""
    firsts = np.searchsorted(hours, ends, side="right")
    stops = np.searchsorted(hours, ends + horizon_h, side="right")
    return np.array(
        [
            values[first:stop].max() if stop > first else np.nan
            for first, stop in zip(firsts, stops, strict=True)
        ]
    )
