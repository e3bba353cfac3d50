"""Stays of a record: with and without admissions, ends known and unknown."""

from typing import Any

import numpy as np

from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.hospital_stays import HospitalStay, hospital_stays


def record_of(*events: tuple[float, str], **statics: Any) -> PatientRecord:
    return PatientRecord(
        "p",
        np.array([event[0] for event in events], dtype=float),
        np.array([event[1] for event in events], dtype=str),
        np.full(len(events), 1.0),
        statics,
    )


def test_record_without_admissions_is_one_stay_from_hour_0_to_its_last_event() -> None:
    assert hospital_stays(record_of((-9, "urea"), (40, "urea"))) == (HospitalStay("1", 0.0, 40.0),)


def test_stated_discharge_ends_it() -> None:
    record = record_of((1, "urea"), discharge_h=72.5, stay="h7")
    assert hospital_stays(record) == (HospitalStay("h7", 0.0, 72.5),)


def test_each_admission_begins_a_stay_that_ends_before_the_next() -> None:
    record = record_of((5, "admission"), (50, "discharge"), (80, "urea"), (100, "admission"), (130, "urea"))
    assert hospital_stays(record) == (HospitalStay("1", 5.0, 50.0), HospitalStay("2", 100.0, 130.0))


def test_death_before_discharge_ends_a_stay() -> None:
    record = record_of((0, "admission"), (20, "death"), (24, "discharge"))
    assert hospital_stays(record) == (HospitalStay("1", 0.0, 20.0),)
