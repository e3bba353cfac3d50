"""Stays in hospital: when each one of a record begins and ends."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.patient_record import PatientRecord
from medpipe.io.records.raw_patient import DISCHARGE_H, STAY

ADMISSION, DISCHARGE, DEATH, DIALYSIS = "admission", "discharge", "death", "dialysis"
"""Codes of events that shape a stay."""


@dataclass(frozen=True)
class HospitalStay:
    """One stay, on the clock of its record.

    Attributes:
        id: Of the source, or the stay's number in the record, from 1.
        admission_h: When it begins.
        end_h: Discharge, death or the last that is known: for labels and for where steps end, never an input.
    """

    id: str
    admission_h: float
    end_h: float


def hospital_stays(record: PatientRecord) -> tuple[HospitalStay, ...]:
    """Return the stays of a record in the order of time.

    Admissions begin them, the first discharge or death before the next admission ends them. A record without
    admissions is one stay from hour 0. Without an end the last event before the next admission is the end.
    """
    return tuple(_stays(record))


def _stays(record: PatientRecord) -> Iterator[HospitalStay]:
    begins = _times(record, ADMISSION)
    if not len(begins):
        begins = np.zeros(1)
    ends = np.sort(np.concatenate([_times(record, DISCHARGE), _times(record, DEATH)]))
    only = len(begins) == 1
    for number, begin in enumerate(begins.tolist(), start=1):
        until = begins[number] if number < len(begins) else np.inf
        inside = ends[(ends > begin) & (ends <= until)]
        events = record.time_h[(record.time_h >= begin) & (record.time_h < until)]
        end = float(inside[0]) if len(inside) else float(events.max(initial=begin))
        if only:
            end = float(record.statics.get(DISCHARGE_H, end))
        yield HospitalStay(str(record.statics.get(STAY, number)) if only else str(number), begin, end)


def _times(record: PatientRecord, code: str) -> Array:
    return np.unique(record.time_h[record.codes == code])
