"""Patient records: events in the order of time."""

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.core.patient_record import PatientRecord


def record(*time_h: float) -> PatientRecord:
    """Return a record of one event a time."""
    codes = np.array(["LAB//creatinine"] * len(time_h))
    return PatientRecord("pt-1", np.array(time_h), codes, np.full(len(time_h), 80.0), {"sex": "F"})


def test_events_at_one_time_are_in_order() -> None:
    assert record(0.0, 1.5, 1.5).num_events == 3


def test_origin_is_unknown_unless_stated() -> None:
    assert record().origin is None


def test_record_without_events_is_valid() -> None:
    assert record().num_events == 0


@pytest.mark.parametrize("time_h", [(1.0, 0.5), (0.0, np.nan), (np.inf,)])
def test_times_out_of_order_or_unknown_are_refused(time_h: tuple[float, ...]) -> None:
    with pytest.raises(ShapeError, match="order of time"):
        record(*time_h)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ShapeError, match="found 2, 1 and 2"):
        PatientRecord("pt-1", np.zeros(2), np.array(["a"]), np.zeros(2))


def test_statics_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        record(0.0).statics["sex"] = "M"  # type: ignore[index]  # that is the test
