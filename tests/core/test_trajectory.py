"""Trajectories: lengths must fit, times must ascend, and what is not known stays so."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from medpipe.core.findings import NOT_FOR_DIAGNOSIS, Maker
from medpipe.core.trajectory import (
    Driver,
    ForecastMaxima,
    KnownOnset,
    MeasuredCourse,
    StayFacts,
    StayTrajectory,
    StepDrivers,
)

NAN = float("nan")
FIELDS: dict[str, Any] = {
    "patient_id": "p-1",
    "start_h": 4.0,
    "horizons_h": (24.0, 48.0),
    "end_h": (10.0, 16.0, 22.0),
    "probs": ((0.1, 0.2), (0.2, 0.4), (0.3, 0.3)),
    "alert_horizon_h": 48.0,
    "threshold": 0.25,
    "alerts": (16.0,),
    "made_by": Maker(name="aki", version="1.0.0"),
}


def trajectory(**changes: Any) -> StayTrajectory:
    return StayTrajectory(**{**FIELDS, **changes})


class TestWhatIsKept:
    def test_arrays_become_numbers_and_nan_becomes_unknown(self) -> None:
        found = trajectory(
            end_h=np.array([10.0, 16.0, 22.0]),
            probs=np.array([[0.125, NAN], [0.25, 0.5], [NAN, NAN]]),
            facts=StayFacts(age_years=NAN),
        )
        assert found.probs == ((0.125, None), (0.25, 0.5), (None, None))
        assert found.end_h == (10.0, 16.0, 22.0)
        assert found.facts.age_years is None

    def test_highest_risk_is_of_the_horizon_of_the_alerts(self) -> None:
        assert trajectory().highest_risk == 0.4
        assert trajectory(alert_horizon_h=24.0).highest_risk == 0.3

    def test_no_known_risk_has_no_highest(self) -> None:
        assert trajectory(probs=np.full((3, 2), NAN)).highest_risk is None

    def test_stay_without_steps_is_allowed(self) -> None:
        empty = trajectory(end_h=(), probs=(), alerts=())
        assert empty.highest_risk is None

    def test_notice_stands_in_the_file(self) -> None:
        assert NOT_FOR_DIAGNOSIS in trajectory().to_json()

    @given(
        st.lists(st.tuples(*[st.none() | st.floats(0, 1)] * 2), min_size=3, max_size=3),
        st.lists(st.floats(-100, 100), unique=True, max_size=5).map(sorted),
    )
    def test_json_is_read_back_equal(self, probs: list[Any], hours: list[float]) -> None:
        course = MeasuredCourse(name="urea", unit="mmol/L", hours=hours, values=[5.0] * len(hours))
        found = trajectory(probs=probs, measured=(course,))
        assert StayTrajectory.model_validate_json(found.to_json()) == found


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"probs": FIELDS["probs"][:2]}, r"probs must be \(3, 2\).*found 2"),
            ({"probs": ((0.1,), (0.2,), (0.3,))}, r"found 3 of \[1\]"),
            ({"low": FIELDS["probs"]}, "high must be"),
            (
                {"forecast": (ForecastMaxima(name="urea", unit="mmol/L", maxima=((1.0, 2.0),)),)},
                "maxima of urea",
            ),
            ({"horizons_h": (48.0, 24.0)}, "horizons.*ascend"),
            ({"horizons_h": (0.0, 48.0)}, "horizons.*ascend"),
            ({"end_h": (10.0, 10.0, 22.0)}, "ends of steps must ascend, found 10 h before 10 h"),
            ({"start_h": 11.0}, "a step ends at 10 h, before the stay begins at 11 h"),
            ({"alert_horizon_h": 36.0}, "36 h, which is none of the horizons"),
            ({"alerts": (17.0,)}, "17 h, where no step ends"),
            ({"alerts": (22.0, 16.0)}, "alerts must ascend"),
            ({"drivers": (StepDrivers(hour=1.0, drivers=()),)}, "1 h, where no step ends"),
            ({"onsets": (KnownOnset(hour=9, stage=1), KnownOnset(hour=8, stage=1))}, "onsets must ascend"),
            ({"measured": (MeasuredCourse(name="urea", unit="mmol/L"),) * 2}, "urea, urea"),
            ({"threshold": 1.5}, "less than or equal to 1"),
            ({"probs": ((0.1, 1.2), (0.2, 0.4), (0.3, 0.3))}, "less than or equal to 1"),
            ({"patient_id": ""}, "at least 1 character"),
            ({"schema_version": "2.0"}, "reads schema"),
            ({"ward": "x"}, "Extra inputs"),
        ],
    )
    def test_what_cannot_be_is_refused(self, changes: dict[str, Any], words: str) -> None:
        with pytest.raises(ValidationError, match=words):
            trajectory(**changes)

    def test_intervals_hold_their_risk(self) -> None:
        probs = FIELDS["probs"]
        trajectory(low=((0.1, None), (0.2, 0.3), (0.2, 0.2)), high=probs)
        with pytest.raises(ValidationError, match=r"0\.45 to 0\.5 at 16 h leaves out its risk 0\.4"):
            trajectory(low=((0.1, 0.1), (0.2, 0.45), (0.2, 0.2)), high=((1, 1), (1, 0.5), (1, 1)))

    def test_float32_bounds_may_miss_by_rounding(self) -> None:
        rounded = np.array(FIELDS["probs"], dtype=np.float32)
        trajectory(low=rounded, high=rounded)

    def test_a_lab_is_measured_and_forecast_in_one_unit(self) -> None:
        with pytest.raises(ValidationError, match="measured in mg/dL and forecast in umol/L"):
            trajectory(
                measured=(MeasuredCourse(name="creatinine", unit="mg/dL"),),
                forecast=(ForecastMaxima(name="creatinine", unit="umol/L", maxima=np.ones((3, 2))),),
            )

    def test_hours_and_values_of_a_lab_are_of_one_length(self) -> None:
        with pytest.raises(ValidationError, match="urea needs a value an hour: 1 for 2 hours"):
            MeasuredCourse(name="urea", unit="mmol/L", hours=(1.0, 2.0), values=(5.0,))

    def test_a_variable_drives_a_step_once(self) -> None:
        with pytest.raises(ValidationError, match="drivers at 3 h"):
            StepDrivers(hour=3.0, drivers=(Driver(variable="urea", log_odds=0.1),) * 2)
