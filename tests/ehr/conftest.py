"""Builders of raw patients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medpipe.io.records.raw_patient import RawPatient

Row = tuple[float, str, float, str]
"""Hour, code, value and unit."""


def build_patient(rows: list[Row], **statics: Any) -> RawPatient:
    """Return a patient of a list of rows."""
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return RawPatient(
        patient_id="p1",
        time_h=np.array(columns[0], dtype=np.float64),
        codes=np.array(columns[1], dtype=object),
        values=np.array(columns[2], dtype=np.float64),
        units=np.array(columns[3], dtype=object),
        statics=statics,
    )


@pytest.fixture(scope="session")
def patient() -> Callable[..., RawPatient]:
    return build_patient
