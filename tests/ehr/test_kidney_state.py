"""Urine for the weight of the body and the rise of creatinine, worked out by hand."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.kidney_state import ASSUMED_WEIGHT_KG, KIDNEY_STATE, kidney_state
from medpipe.io.records.raw_patient import WEIGHT_KG

nan = np.nan
Event = tuple[float, str, float]


def record_of(*events: Event, weight_kg: float = nan) -> PatientRecord:
    ordered = sorted(events, key=lambda event: event[0])
    return PatientRecord(
        "p",
        np.array([event[0] for event in ordered], dtype=float),
        np.array([event[1] for event in ordered], dtype=str),
        np.array([event[2] for event in ordered], dtype=float),
        statics={WEIGHT_KG: weight_kg} if np.isfinite(weight_kg) else {},
    )


def state_of(*events: Event, hours: int, weight_kg: float = 50.0) -> dict[str, npt.NDArray[np.float32]]:
    """Return the columns by name, steps of an hour."""
    found = kidney_state(record_of(*events, weight_kg=weight_kg), np.arange(1.0, hours + 1), start_h=0.0)
    assert found.shape == (hours, len(KIDNEY_STATE))
    return dict(zip(KIDNEY_STATE, found.T, strict=True))


def test_rate_is_volume_by_hours_and_weight() -> None:
    state = state_of((1, "urine", 100), (3, "urine", 50), hours=6)
    np.testing.assert_allclose(state["urine_rate_1h"], [2, nan, 1, nan, nan, nan])
    np.testing.assert_allclose(state["urine_rate_3h"], [2, 1, 1, 1 / 3, 1 / 3, nan], rtol=1e-6)
    np.testing.assert_allclose(state["urine_rate_6h"][-1], 150 / 6 / 50)
    np.testing.assert_allclose(state["urine_recorded_3h"], [1, 0.5, 2 / 3, 1 / 3, 1 / 3, 0], rtol=1e-6)


def test_weight_that_is_entered_counts_from_then_on() -> None:
    state = state_of((1, "urine", 100), (2, "urine", 100), (2, "weight", 100), hours=2)
    assert state["urine_rate_1h"].tolist() == [2, 1]


def test_unknown_weight_is_assumed() -> None:
    state = state_of((1, "urine", 2 * ASSUMED_WEIGHT_KG), hours=1, weight_kg=nan)
    assert state["urine_rate_1h"].tolist() == [2]


def test_too_little_urine_for_six_hours_is_a_sign_and_remains_one() -> None:
    little = [(hour, "urine", 20.0) for hour in range(1, 7)]  # 0.4 mL/kg/h
    much = [(hour, "urine", 200.0) for hour in range(7, 20)]
    state = state_of(*little, *much, hours=19)
    assert state["urine_below_0.5_6h_now"].tolist() == [0] * 5 + [1] + [0] * 13
    assert state["urine_below_0.5_6h_recent"].tolist() == [0] * 5 + [1] * 7 + [0] * 7
    assert state["urine_below_0.5_6h_ever"].tolist() == [0] * 5 + [1] * 14
    assert state["urine_below_0.5_6h_share"][-1] == pytest.approx(1 / 19)
    assert state["urine_6h_least"][-1] == pytest.approx(0.4)
    assert np.isnan(state["urine_6h_least"][4])


def test_creatinine_that_rose_within_two_days() -> None:
    state = state_of((1, "creatinine", 80), (60, "creatinine", 100), (70, "creatinine", 125), hours=72)
    assert np.isnan(state_of((2, "creatinine", 80), hours=2)["creatinine_ratio"][0])
    assert state["creatinine_ratio"][[0, 59, 69]].tolist() == pytest.approx([1, 1.25, 1.5625])
    assert state["creatinine_rise_umol_l"][[0, 59, 69]].tolist() == [0, 0, 25]
    assert state["creatinine_1.5_times_now"][[68, 69]].tolist() == [0, 1]
    assert state["creatinine_rise_now"][-1] == 0  # 26.5 umol/L are a rise


def test_what_was_never_measured_is_not_known_and_shows_no_sign() -> None:
    state = state_of(hours=8)
    assert np.isnan(state["urine_rate_6h"]).all()
    assert np.isnan(state["creatinine_ratio"]).all()
    assert not state["urine_below_0.5_6h_ever"].any()


def test_history_does_not_count() -> None:
    state = state_of((-5, "urine", 500), (-5, "creatinine", 40), (1, "creatinine", 80), hours=1)
    assert np.isnan(state["urine_rate_24h"][0])
    assert state["creatinine_ratio"].tolist() == [1]


events = st.lists(
    st.tuples(
        st.integers(0, 30).map(float), st.sampled_from(["urine", "creatinine", "weight"]), st.floats(20, 300)
    ),
    max_size=12,
)


@given(events, events, st.integers(1, 29))
def test_no_step_knows_what_comes_after_it(before: list[Event], after: list[Event], now: int) -> None:
    ends = np.arange(1.0, 31.0)
    known = [event for event in before if event[0] <= now]
    later = [event for event in after if event[0] > now]
    told = kidney_state(record_of(*known), ends, start_h=0.0)
    more = kidney_state(record_of(*known, *later), ends, start_h=0.0)
    np.testing.assert_array_equal(told[:now], more[:now])
