"""The trajectory of a stay: its risks, alerts and labs over time, as one frozen value.

All hours are on one clock, that of the patient's record. Letters: T steps, H horizons.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, model_validator

from medpipe.core.findings import NOT_FOR_DIAGNOSIS, SCHEMA_VERSION, Maker, Probability, SchemaVersion, Value


def _as_plain(values: Any) -> Any:
    """Return arrays as tuples, and None for each NaN, which JSON cannot hold."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, float):
        return None if math.isnan(values) else values
    if isinstance(values, list | tuple):
        return tuple(_as_plain(value) for value in values)
    return values


Hours = Annotated[tuple[float, ...], BeforeValidator(_as_plain)]
"""``(T,)`` hours; arrays are taken."""

ProbabilityTable = Annotated[tuple[tuple[Probability | None, ...], ...], BeforeValidator(_as_plain)]
"""``(T, H)`` probabilities; arrays are taken, and NaN becomes None: not known."""

NumberTable = Annotated[tuple[tuple[float | None, ...], ...], BeforeValidator(_as_plain)]
"""``(T, H)`` numbers; arrays are taken, and NaN becomes None: not known."""

_Number = Annotated[float | None, BeforeValidator(_as_plain)]

ROUNDING: Final = 1e-6
"""An interval may miss its probability by this much: float32 rounds."""


class StayFacts(Value):
    """What does not change during a stay; empty or None where not known.

    Attributes:
        sex: Such as ``"female"``.
        age_years: At the start of the stay.
        unit: Where the patient lies, such as ``"MICU"``.
    """

    sex: str = ""
    age_years: _Number = None
    unit: str = ""


class KnownOnset(Value):
    """When an injury began, as the record tells.

    Attributes:
        hour: Of its beginning.
        stage: KDIGO stage that it begins with.
    """

    hour: float
    stage: int = Field(ge=1, le=3)


class MeasuredCourse(Value):
    """A variable as it was measured, before the stay too where that is known.

    Attributes:
        name: Such as ``"creatinine"``.
        unit: Such as ``"umol/L"``.
        hours: ``(N,)`` ascending.
        values: ``(N,)``.
    """

    name: str = Field(min_length=1)
    unit: str
    hours: Hours = ()
    values: Hours = ()

    @model_validator(mode="after")
    def _check(self) -> "MeasuredCourse":
        if len(self.hours) != len(self.values):
            raise ValueError(
                f"{self.name} needs a value an hour: {len(self.values)} for {len(self.hours)} hours"
            )
        _check_order(self.hours, f"hours of {self.name}", may_repeat=True)
        return self


class ForecastMaxima(Value):
    """The largest value of a lab that is expected within each horizon after each step.

    Attributes:
        name: As of the measured lab.
        unit: As of the measured lab.
        maxima: ``(T, H)``; None where there is no forecast.
    """

    name: str = Field(min_length=1)
    unit: str
    maxima: NumberTable


class Driver(Value):
    """What one variable adds to a risk.

    Attributes:
        variable: Such as ``"creatinine"``.
        log_odds: Change in the logarithm of the odds; above 0 it raises the risk.
        value: Last value measured by then; None where none or not told.
        unit: Of the value.
    """

    variable: str = Field(min_length=1)
    log_odds: float
    value: _Number = None
    unit: str = ""


class StepDrivers(Value):
    """What drove the risk at one step, of an alert or of a rise.

    Attributes:
        hour: End of the step.
        drivers: In any order; no variable twice.
    """

    hour: float
    drivers: tuple[Driver, ...]

    @model_validator(mode="after")
    def _check(self) -> "StepDrivers":
        _check_once([driver.variable for driver in self.drivers], f"drivers at {self.hour:g} h")
        return self


class StayTrajectory(Value):
    """All that is forecast of one stay, and what came.

    Attributes:
        schema_version: Version of this format.
        patient_id: Keyed hash, never an identifier of the patient.
        stay: Which stay of the patient; empty where there is one only.
        start_h: When the stay begins.
        facts: What does not change.
        horizons_h: ``(H,)`` ascending, above 0.
        end_h: ``(T,)`` ascending, at or after ``start_h``: the end of what each step may use.
        probs: ``(T, H)`` risk of an injury that begins within each horizon; None where not known.
        low: ``(T, H)`` lower bound of the risk; empty where there is no interval at all.
        high: ``(T, H)`` upper bound.
        interval: What the interval is, such as ``"95 % over networks"``; may be empty.
        alert_horizon_h: The horizon that alerts are of; one of ``horizons_h``.
        threshold: Risk from which an alert is raised.
        alerts: Hours, of ``end_h``, at which the policy alerted, ascending.
        onsets: Known injuries in the order of time.
        measured: Labs, and urine where there is any.
        forecast: Labs that are forecast.
        drivers: Of alerts and of the largest rises of risk, in the order of time.
        made_by: Model package.
    """

    schema_version: SchemaVersion = SCHEMA_VERSION
    notice: str = NOT_FOR_DIAGNOSIS
    patient_id: str = Field(min_length=1)
    stay: str = ""
    start_h: float = 0.0
    facts: StayFacts = StayFacts()
    horizons_h: Annotated[Hours, Field(min_length=1)]
    end_h: Hours
    probs: ProbabilityTable
    low: ProbabilityTable = ()
    high: ProbabilityTable = ()
    interval: str = ""
    alert_horizon_h: float
    threshold: Probability
    alerts: Hours = ()
    onsets: tuple[KnownOnset, ...] = ()
    measured: tuple[MeasuredCourse, ...] = ()
    forecast: tuple[ForecastMaxima, ...] = ()
    drivers: tuple[StepDrivers, ...] = ()
    made_by: Maker

    @model_validator(mode="after")
    def _check_times(self) -> "StayTrajectory":
        _check_order((0.0, *self.horizons_h), "horizons, from above 0 h,")
        _check_order(self.end_h, "ends of steps")
        if self.end_h and self.end_h[0] < self.start_h:
            raise ValueError(
                f"a step ends at {self.end_h[0]:g} h, before the stay begins at {self.start_h:g} h"
            )
        if self.alert_horizon_h not in self.horizons_h:
            raise ValueError(f"alerts are of {self.alert_horizon_h:g} h, which is none of the horizons")
        _check_order(self.alerts, "alerts")
        _check_order([onset.hour for onset in self.onsets], "onsets")
        _check_order([step.hour for step in self.drivers], "steps with drivers")
        steps = set(self.end_h)
        for hour in (*self.alerts, *(step.hour for step in self.drivers)):
            if hour not in steps:
                raise ValueError(f"an alert or drivers at {hour:g} h, where no step ends")
        return self

    @model_validator(mode="after")
    def _check_tables(self) -> "StayTrajectory":
        _check_once([course.name for course in self.measured], "measured variables")
        _check_once([lab.name for lab in self.forecast], "forecast labs")
        units = {course.name: course.unit for course in self.measured}
        for lab in self.forecast:
            if lab.unit != units.get(lab.name, lab.unit):
                raise ValueError(f"{lab.name} is measured in {units[lab.name]} and forecast in {lab.unit}")
            self._check_shape(lab.maxima, f"maxima of {lab.name}")
        self._check_shape(self.probs, "probs")
        if self.low or self.high:
            self._check_shape(self.low, "low")
            self._check_shape(self.high, "high")
            self._check_intervals()
        return self

    def _check_shape(self, table: Sequence[Sequence[object]], name: str) -> None:
        expected = (len(self.end_h), len(self.horizons_h))
        widths = sorted({len(row) for row in table})
        if len(table) != expected[0] or (table and widths != [expected[1]]):
            raise ValueError(f"{name} must be {expected} steps and horizons, found {len(table)} of {widths}")

    def _check_intervals(self) -> None:
        for hour, *rows in zip(self.end_h, self.probs, self.low, self.high, strict=True):
            for prob, low, high in zip(*rows, strict=True):
                if prob is None:
                    continue
                if (low is not None and low > prob + ROUNDING) or (
                    high is not None and high < prob - ROUNDING
                ):
                    raise ValueError(f"the interval {low} to {high} at {hour:g} h leaves out its risk {prob}")

    @property
    def alert_column(self) -> int:
        """Index of the horizon that alerts are of."""
        return self.horizons_h.index(self.alert_horizon_h)

    @property
    def highest_risk(self) -> float | None:
        """Highest known risk at the alert horizon; None where none is known."""
        known = [row[self.alert_column] for row in self.probs]
        return max((risk for risk in known if risk is not None), default=None)

    def to_json(self) -> str:
        """Return compact JSON, equal for equal trajectories."""
        return self.model_dump_json() + "\n"


def _check_order(hours: Sequence[float], name: str, *, may_repeat: bool = False) -> None:
    for earlier, later in pairwise(hours):
        if later < earlier or (later == earlier and not may_repeat):
            raise ValueError(f"{name} must ascend, found {earlier:g} h before {later:g} h")


def _check_once(names: Sequence[str], what: str) -> None:
    if len(set(names)) < len(names):
        raise ValueError(f"{what} are not each there once: {', '.join(names)}")
