"""Codes of a source that are no variables, such as drugs and diagnoses, kept as events without a number."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from medpipe.core.patient_record import PatientRecord
from medpipe.io.records.raw_patient import RawPatient

CODE_PREFIXES: Final = ("drug//", "medication//", "diagnosis//", "procedure//")
"""How such codes begin, in lower case, in MEDS and in tables of one's own."""


def with_codes(
    record: PatientRecord, raw: RawPatient, prefixes: Sequence[str] = CODE_PREFIXES
) -> PatientRecord:
    """Return a record with the source's own codes that begin in one of some ways, in lower case.

    Rows without a time are left out. What such a code is the mapping may know too: then it stands twice, as
    a variable and as a code.

    Args:
        record: Of the same patient.
        raw: Rows of the source, on the record's clock.
        prefixes: In lower case.
    """
    codes = np.array([str(code).lower() for code in raw.codes], dtype=object)
    kept = np.array([code.startswith(tuple(prefixes)) for code in codes], dtype=bool)
    kept &= np.isfinite(raw.time_h)
    if not kept.any():
        return record
    time_h = np.concatenate([record.time_h, raw.time_h[kept]])
    order = np.argsort(time_h, kind="stable")
    return PatientRecord(
        patient_id=record.patient_id,
        time_h=time_h[order],
        codes=np.concatenate([record.codes, codes[kept].astype(str)])[order],
        values=np.concatenate([record.values, np.full(int(kept.sum()), np.nan)])[order],
        statics=record.statics,
        origin=record.origin,
    )
