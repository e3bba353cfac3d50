"""Raw patients: columns of one length, and hours since a moment."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.io.records.raw_patient import RawPatient, hours_since


def build(num_codes: int) -> RawPatient:
    words = np.full(2, "", dtype=object)
    return RawPatient("p", np.zeros(2), np.full(num_codes, "x", dtype=object), np.zeros(2), words, {"age": 5})


def test_columns_of_one_length_are_rows() -> None:
    assert build(2).num_rows == 2


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(ShapeError, match="one length: found 2, 3, 2, 2"):
        build(3)


def test_patient_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        build(2).patient_id = "q"  # type: ignore[misc]
    with pytest.raises(TypeError):
        build(2).statics["age"] = 6  # type: ignore[index]


def test_hours_are_counted_from_the_origin_and_unknown_stays_unknown() -> None:
    times = np.array(["2150-01-02T12:00", "2149-12-31T23:30", "NaT"], dtype="datetime64[us]")
    np.testing.assert_array_equal(hours_since(times, np.datetime64("2150-01-01")), [36.0, -0.5, np.nan])
