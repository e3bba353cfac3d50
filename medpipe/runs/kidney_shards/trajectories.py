"""Trajectories of a shard: of named stays, and of those that alerted with the highest risk.

Letters: T steps, H horizons, L labs.
"""

import heapq
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.findings import Maker
from medpipe.core.trajectory import (
    Driver,
    ForecastMaxima,
    KnownOnset,
    MeasuredCourse,
    StayFacts,
    StayTrajectory,
    StepDrivers,
)
from medpipe.ehr.kidney_labels import series_of
from medpipe.ehr.variables import VARIABLES
from medpipe.io.records.raw_patient import AGE, SEX, UNIT
from medpipe.runs.kidney_shards.policy import AlertChoice
from medpipe.runs.kidney_shards.stay_forecast import StayForecast

if TYPE_CHECKING:
    from medpipe.inference.kidney import KidneyForecaster

FOLDER: Final = "trajectories"
"""In a unit's folder; a JSON file a stay, and its page beside it."""

INTERVAL: Final = "spread of the networks"

MOST_DRIVERS: Final = 12
"""Drivers of a step that are kept, the strongest."""

MEASURED: Final = ("creatinine", "urine")
"""Shown beside the labs that are forecast."""

HISTORY_H: Final = 365 * 24.0
"""What was measured before a stay is shown as far back."""

_DECIMALS: Final = 6
_DIGITS: Final = 4
_YEAR_H: Final = 365.25 * 24


class TrajectoryChoice:
    """Keeps the stays of a shard that get a trajectory, no more of them in memory than are wanted.

    Args:
        named: Patients all of whose stays are kept.
        most: Further stays that alerted, those of the highest risk.
        choice: What alerts are of.
    """

    def __init__(self, named: Sequence[str], most: int, choice: AlertChoice) -> None:
        self._names = frozenset(named)
        self._most = most
        self._choice = choice
        self._named: list[StayForecast] = []
        self._highest: list[tuple[float, int, StayForecast]] = []
        self._count = 0

    def add(self, item: StayForecast) -> None:
        """Consider a stay."""
        if item.record.patient_id in self._names:
            self._named.append(item)
            return
        if not self._most or not len(item.alerts):
            return
        self._count += 1
        risk = float(item.risks.probs[:, self._choice.column].max())
        # Of equal risks the earlier stay is kept.
        heapq.heappush(self._highest, (risk, -self._count, item))
        if len(self._highest) > self._most:
            heapq.heappop(self._highest)

    def chosen(self) -> list[StayForecast]:
        """Return the named ones, then the others, the highest risk first."""
        return [*self._named, *(item for _, _, item in sorted(self._highest, reverse=True))]


def file_name(patient_id: str, stay: str) -> str:
    """Return the name of the files of a stay, without suffix."""
    return f"{patient_id}-{stay}"


def trajectory_of(
    item: StayForecast, forecaster: "KidneyForecaster", choice: AlertChoice, made_by: Maker
) -> StayTrajectory:
    """Return the trajectory of a stay with what drove its first alert, or else its highest risk."""
    risks, record = item.risks, item.record
    age = float(record.statics.get(AGE, np.nan)) + risks.start_h / _YEAR_H
    stages = item.onset_stages
    return StayTrajectory(
        patient_id=record.patient_id,
        stay=risks.stay_id,
        start_h=risks.start_h,
        facts=StayFacts(
            sex=str(record.statics.get(SEX, "")),
            age_years=round(age, 1),
            unit=str(record.statics.get(UNIT, "")),
        ),
        horizons_h=forecaster.horizons_h,
        end_h=risks.end_h,
        probs=risks.probs.round(_DECIMALS),
        low=risks.low.round(_DECIMALS),
        high=risks.high.round(_DECIMALS),
        interval=INTERVAL,
        alert_horizon_h=choice.horizon_h,
        threshold=choice.policy.threshold,
        alerts=risks.end_h[item.alerts],
        onsets=()
        if stages is None
        else tuple(
            KnownOnset(hour=hour, stage=int(stage))
            for hour, stage in zip(item.onset_h.tolist(), stages.tolist(), strict=True)
        ),
        measured=tuple(_measured(item, forecaster)),
        forecast=tuple(
            ForecastMaxima(name=lab.name, unit=lab.unit, maxima=_shortened(risks.lab_maxima[:, :, number]))
            for number, lab in enumerate(forecaster.labs)
        ),
        drivers=tuple(_drivers(item, forecaster, choice)),
        made_by=made_by,
    )


def _measured(item: StayForecast, forecaster: "KidneyForecaster") -> Iterator[MeasuredCourse]:
    for name in dict.fromkeys((*MEASURED, *(lab.name for lab in forecaster.labs))):
        series = series_of(item.record, name)
        shown = (series.time_h >= item.stay.admission_h - HISTORY_H) & (series.time_h <= item.stay.end_h)
        if shown.any():
            yield MeasuredCourse(
                name=name,
                unit=VARIABLES[name].unit,
                hours=series.time_h[shown],
                values=series.values[shown],
            )


def _drivers(
    item: StayForecast, forecaster: "KidneyForecaster", choice: AlertChoice
) -> Iterator[StepDrivers]:
    risks = item.risks
    if not len(risks.end_h):
        return
    step = int(item.alerts[0]) if len(item.alerts) else int(risks.probs[:, choice.column].argmax())
    found = forecaster.drivers(item.record, risks, step, choice.column)
    strongest = sorted((driver for driver in found if driver.change), key=lambda one: -abs(one.change))
    yield StepDrivers(
        hour=float(risks.end_h[step]),
        drivers=tuple(
            Driver(
                variable=driver.variable,
                log_odds=driver.change,
                value=_last(item, driver.variable, float(risks.end_h[step])),
                unit=VARIABLES[driver.variable].unit if driver.variable in VARIABLES else "",
            )
            for driver in strongest[:MOST_DRIVERS]
        ),
    )


def _last(item: StayForecast, variable: str, hour: float) -> float | None:
    """Return the last value by an hour; None where there is none."""
    series = series_of(item.record, variable)
    known = series.values[series.time_h <= hour]
    return float(known[-1]) if len(known) and np.isfinite(known[-1]) else None


def _shortened(values: Array) -> list[list[float]]:
    """Return numbers of so many digits as a forecast is worth; a page of a stay has thousands."""
    rows: list[list[Any]] = values.tolist()
    return [[float(f"{value:.{_DIGITS}g}") for value in row] for row in rows]
