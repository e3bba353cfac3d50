"""Buckets: what a step knows, worked out by hand, and nothing of what comes later."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import ShapeError
from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.bucketing import MEASURED, StaySteps, bucket_record, step_ends

nan, inf = np.nan, np.inf
VARIABLES = ("creatinine", "urine", "dialysis")


def record_of(*events: tuple[float, str, float]) -> PatientRecord:
    ordered = sorted(events, key=lambda event: event[0])
    return PatientRecord(
        "p",
        np.array([event[0] for event in ordered], dtype=float),
        np.array([event[1] for event in ordered], dtype=str),
        np.array([event[2] for event in ordered], dtype=float),
    )


def steps_of(*events: tuple[float, str, float], ends: tuple[float, ...] = (6, 12, 18)) -> StaySteps:
    return bucket_record(record_of(*events), np.array(ends), start_h=0.0, variables=VARIABLES)


def test_last_least_and_greatest_of_a_level() -> None:
    steps = steps_of((1, "creatinine", 90), (5, "creatinine", 70), (14, "creatinine", 120))
    assert steps.carried[:, 0].tolist() == [70, 70, 120]
    assert steps.least[:, 0].tolist() == [70, 70, 70]
    assert steps.greatest[:, 0].tolist() == [90, 90, 120]
    assert steps.since_h[:, 0].tolist() == [0, 7, 0]
    assert steps.counts[:, 0].tolist() == [1, 1, 2]


def test_end_of_a_bucket_belongs_to_it() -> None:
    steps = steps_of((6, "creatinine", 90), (6.01, "creatinine", 95))
    assert steps.carried[:, 0].tolist() == [90, 95, 95]


def test_amounts_of_a_bucket_add_up() -> None:
    steps = steps_of((1, "urine", 100), (2, "urine", 50), (13, "urine", 30))
    assert steps.carried[:, 1].tolist() == [150, 150, 30]
    assert steps.least[:, 1].tolist() == [150, 150, 30]


def test_event_has_the_value_one() -> None:
    steps = steps_of((7, "dialysis", nan))
    np.testing.assert_array_equal(steps.carried[:, 2], [nan, 1, 1])
    assert steps.since_h[:, 2].tolist() == [inf, 0, 11]


def test_history_is_carried_but_counts_in_no_step() -> None:
    steps = steps_of((-30, "creatinine", 60), (8, "creatinine", 80))
    assert steps.carried[:, 0].tolist() == [60, 80, 80]
    assert steps.since_h[:, 0].tolist() == [36, 0, 10]
    np.testing.assert_array_equal(steps.least[:, 0], [nan, 80, 80])
    assert steps.counts[:, 0].tolist() == [0, 1, 1]


def test_codes_stand_once_in_their_step_those_of_history_in_the_first() -> None:
    record = record_of((-5, "drug//b", nan), (1, "drug//a", nan), (2, "drug//a", nan), (13, "drug//b", nan))
    steps = bucket_record(
        record, np.array([6.0, 12.0, 18.0]), start_h=0.0, vocabulary={"drug//a": 0, "drug//b": 1}
    )
    assert steps.codes.tolist() == [0, 1, 1]
    assert steps.code_counts.tolist() == [2, 0, 1]


def test_only_whole_buckets_have_a_step() -> None:
    assert step_ends(2.0, 14.9, 6.0).tolist() == [8.0, 14.0]
    assert step_ends(0.0, 5.9, 6.0).tolist() == []
    with pytest.raises(ShapeError, match="0 h"):
        step_ends(0.0, 5.9, 0.0)


def test_how_a_stay_ends_is_no_variable() -> None:
    assert not {"discharge", "death", "admission"} & set(MEASURED)


def test_ends_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ShapeError, match="ascend"):
        steps_of(ends=(6, 6))


@given(
    st.lists(
        st.tuples(st.floats(-50, 30), st.sampled_from([*VARIABLES, "drug//a"]), st.floats(1, 500)),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from([6.0, 12.0, 18.0, 24.0]),
)
def test_steps_do_not_depend_on_what_comes_later(
    events: list[tuple[float, str, float]], moment_h: float
) -> None:
    ends, vocabulary = np.array([6.0, 12.0, 18.0, 24.0, 30.0]), {"drug//a": 0}
    changed = [(h, code, value if h <= moment_h else 900.0) for h, code, value in events]
    changed.append((moment_h + 0.5, "creatinine", 999.0))
    known = int(moment_h // 6)
    whole, other = (
        bucket_record(record_of(*rows), ends, start_h=0.0, variables=VARIABLES, vocabulary=vocabulary)
        for rows in (events, changed)
    )
    for field in fields(StaySteps):
        if field.name != "codes":
            before, after = (getattr(steps, field.name)[:known] for steps in (whole, other))
            np.testing.assert_array_equal(before, after)
    num_codes = int(whole.code_counts[:known].sum())
    assert whole.codes[:num_codes].tolist() == other.codes[:num_codes].tolist()
