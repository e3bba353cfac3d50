"""Encoded steps: what stands where, and nothing that is not a number."""

from dataclasses import replace

import numpy as np

from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.bucketing import StaySteps, bucket_record
from medpipe.ehr.kidney_state import KIDNEY_STATE
from medpipe.ehr.stay_encoding import StayEncoding
from medpipe.ehr.stay_scales import Scale, StayScales
from medpipe.ehr.stay_table import table_columns, table_rows

SCALES = StayScales(
    variables=(Scale(name="sodium", centre=140, spread=10), Scale(name="ph", centre=7, spread=1)),
    statics=(Scale(name="age", centre=60, spread=10), Scale(name="weight_kg", centre=80, spread=20)),
)
STATICS = np.array([70.0, np.nan], dtype=np.float32)


def steps_of() -> StaySteps:
    record = PatientRecord(
        "p", np.array([2.0, 8.0]), np.array(["sodium", "sodium"]), np.array([130.0, 160.0])
    )
    return bucket_record(record, np.array([6.0, 12.0, 18.0]), start_h=0.0, variables=("sodium", "ph"))


def test_values_stand_where_something_was_measured() -> None:
    encoded = StayEncoding(scales=SCALES).encode(steps_of(), STATICS, start_h=0.0)
    assert encoded.presence[:, 0].tolist() == [True, True, False]
    assert encoded.values[:, 0].tolist() == [-1, 2, 0]
    assert not encoded.presence[:, 1].any()


def test_course_is_last_least_greatest_count_and_time() -> None:
    encoding = StayEncoding(scales=SCALES)
    course = encoding.encode(steps_of(), STATICS, start_h=0.0).course
    assert course is not None
    assert course.shape == (3, encoding.network_arguments()["num_extremes"]) == (3, 10)
    assert course[2, :6].tolist() == [2, 0, -1, 0, 2, 0]
    np.testing.assert_allclose(course[2, 6:8], [np.log(3) / 3, 0])
    np.testing.assert_allclose(course[2, 8:], [np.log1p(18 / 24), 18 / 168])


def test_state_is_told_with_what_is_known_of_it() -> None:
    scales = SCALES.model_copy(
        update={"state": tuple(Scale(name=name, centre=0, spread=2) for name in KIDNEY_STATE)}
    )
    encoding = StayEncoding(scales=scales, has_course=False)
    steps = replace(steps_of(), state=np.full((3, len(KIDNEY_STATE)), np.nan, dtype=np.float32))
    steps.state[1, 0] = 4
    course = encoding.encode(steps, STATICS, start_h=0.0).course
    assert course is not None
    assert course.shape[1] == encoding.network_arguments()["num_extremes"] == 2 * len(KIDNEY_STATE) + 2
    values, is_known = np.split(course[:, :-2], 2, axis=1)
    assert values[1, 0] == 2
    assert is_known.nonzero() == (1, 0)


def test_statics_say_whether_they_are_known() -> None:
    encoded = StayEncoding(scales=SCALES, has_course=False).encode(steps_of(), STATICS, start_h=0.0)
    assert encoded.statics.tolist() == [1, 0, 1, 0]
    assert encoded.course is None
    assert encoded.codes is None


def test_table_has_a_name_for_every_column() -> None:
    statics = np.array([70.0, 1.0, np.nan, np.nan], dtype=np.float32)
    rows = table_rows(steps_of(), statics, start_h=0.0)
    columns = table_columns(("sodium", "ph"))
    assert rows.shape == (3, len(columns))
    found = dict(zip(columns, rows[2].tolist(), strict=True))
    assert (found["sodium_last"], found["sodium_least"], found["sodium_hours_since"]) == (160, 130, 10)
    assert (found["age"], found["hours"]) == (70, 18)
    assert np.isnan(found["ph_hours_since"])
