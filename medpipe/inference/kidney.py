"""The forecaster of kidney injury: a harmonised record in, risks at every step of its hospital stays out.

Letters: T steps, H horizons, L labs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from medpipe.core.affine import Array
from medpipe.core.forecast_labs import ForecastLab
from medpipe.core.patient_record import PatientRecord

if TYPE_CHECKING:
    from medpipe.zoo.package import Package


@dataclass(frozen=True, eq=False)
class StayRisks:
    """What is forecast of one stay.

    Attributes:
        stay_id: Id of the stay within its record.
        start_h: Hour of the record at which it begins.
        end_h: ``(T,)`` hours of the record at which the steps end: what is known by then was used.
        probs: ``(T, H)`` calibrated risk of the event within each horizon; it never falls with it.
        low: ``(T, H)`` lower bound by the spread of the networks.
        high: ``(T, H)`` upper bound.
        scores: ``(T, H)`` mean merged log-odds before calibration: without the ties of the curves.
        lab_maxima: ``(T, H, L)`` the largest value of each lab within each horizon, in its unit; L may be 0.
    """

    stay_id: str
    start_h: float
    end_h: Array
    probs: Array
    low: Array
    high: Array
    scores: Array
    lab_maxima: Array


class Driver(NamedTuple):
    """What a variable did to a risk.

    Attributes:
        variable: Its name.
        change: Log-odds that it adds: the score as it is minus the score with the variable unmeasured in the
            whole stay so far. Above 0 it raised the risk.
    """

    variable: str
    change: float


@dataclass(frozen=True, eq=False)
class KidneyForecaster:
    """An ensemble with what it expects of a record.

    Attributes:
        horizons_h: H hours, ascending.
        labs: L labs whose maxima are forecast; may be none.
        variables: Names of the variables that it looks at.
        thresholds: H probabilities from which an alert is worth its trouble; None where there is none.
        device: ``"cpu"`` or ``"cuda:N"``.
    """

    horizons_h: tuple[float, ...]
    labs: tuple[ForecastLab, ...]
    variables: tuple[str, ...]
    thresholds: tuple[float | None, ...]
    device: str = "cpu"

    def forecast(self, record: PatientRecord) -> tuple[StayRisks, ...]:
        """Forecast at every step of the hospital stays of a record; stays shorter than a step are left out.

        Args:
            record: Harmonised: canonical codes and units.
        """
        return self.forecast_many([record])[0]

    def forecast_many(self, records: Sequence[PatientRecord]) -> list[tuple[StayRisks, ...]]:
        """Forecast for several records at once: what :meth:`forecast` gives of each, sooner."""
        raise NotImplementedError

    def drivers(self, record: PatientRecord, stay: StayRisks, step: int, horizon: int) -> tuple[Driver, ...]:
        """Return what drove a risk, the largest change first.

        Args:
            record: Whose stay it is.
            stay: What :meth:`forecast` gave of the stay.
            step: Number of the step, from 0.
            horizon: Number of the horizon, from 0.
        """
        raise NotImplementedError


def load_forecaster(package: "Package", device: str) -> KidneyForecaster:
    """Load the networks and trees of a package.

    Raises:
        SettingsError: The package does something else, or its weights do not fit.
        MachineError: The weights are damaged.
    """
    raise NotImplementedError
