"""What does not change in a stay, as numbers: age, sex, weight, height."""

from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.hospital_stays import HospitalStay
from medpipe.io.records.raw_patient import AGE, HEIGHT_CM, SEX, WEIGHT_KG

STATICS: Final = ("age", "is_female", "weight_kg", "height_cm")
"""Names of the numbers; what is known of a stay only when it is over is not among them."""

_YEAR_H: Final = 365.25 * 24
_SEXES: Final = {"F": 1.0, "M": 0.0}


def static_numbers(record: PatientRecord, stay: HospitalStay) -> npt.NDArray[np.float32]:
    """Return ``(D,)`` the numbers of :data:`STATICS` at admission; NaN where not known."""
    statics = record.statics
    age = statics.get(AGE, np.nan) + stay.admission_h / _YEAR_H
    numbers = (
        age,
        _SEXES.get(str(statics.get(SEX)), np.nan),
        statics.get(WEIGHT_KG, np.nan),
        statics.get(HEIGHT_CM, np.nan),
    )
    return np.array(numbers, dtype=np.float32)
