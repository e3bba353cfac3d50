"""Codes of a source beside the variables of a record."""

from collections.abc import Callable

import numpy as np

from medpipe.ehr.coded_events import with_codes
from medpipe.ehr.harmonise import harmonise
from medpipe.ehr.mapping import PLAIN, read_predicates
from medpipe.io.records.raw_patient import RawPatient


def test_drugs_and_diagnoses_are_kept_in_the_order_of_time(patient: Callable[..., RawPatient]) -> None:
    raw = patient(
        [
            (3, "DRUG//vancomycin", np.nan, ""),
            (5, "creatinine", 90, "umol/L"),
            (1, "diagnosis//sepsis", np.nan, ""),
            (2, "note//x", np.nan, ""),
            (np.nan, "drug//undated", np.nan, ""),
        ]
    )
    record = with_codes(harmonise(raw, read_predicates(PLAIN)).record, raw)
    assert record.codes.tolist() == ["diagnosis//sepsis", "drug//vancomycin", "creatinine"]
    assert record.time_h.tolist() == [1, 3, 5]


def test_record_without_codes_is_the_same(patient: Callable[..., RawPatient]) -> None:
    raw = patient([(5, "creatinine", 90, "umol/L")])
    record = harmonise(raw, read_predicates(PLAIN)).record
    assert with_codes(record, raw) is record
