"""From a record to the network's risks: nothing that comes later changes what was said before."""

import numpy as np
import pytest
import torch

from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.bucketing import MEASURED, bucket_record
from medpipe.ehr.hospital_stays import hospital_stays
from medpipe.ehr.stay_encoding import StayEncoding
from medpipe.ehr.stay_scales import StayScales, fit_scale
from medpipe.ehr.stay_statics import STATICS, static_numbers
from medpipe.ehr.stay_tensors import as_batch
from medpipe.models.registry import build_network

NAMES = ("creatinine", "urea", "urine", "heart_rate", "dialysis")
CODES = ("drug//a", "drug//b")
ENDS = np.arange(6.0, 49.0, 6.0)


def record_of(rng: np.random.Generator, num_events: int = 80) -> PatientRecord:
    codes = rng.choice([*NAMES, *CODES], num_events)
    return PatientRecord(
        "p",
        np.sort(rng.uniform(-20, 48, num_events)),
        codes,
        np.where(np.isin(codes, ("dialysis", *CODES)), np.nan, rng.uniform(20, 200, num_events)),
        {"age": 60.0, "sex": "F", "discharge_h": 48.0},
    )


def risks_of(record: PatientRecord, encoding: StayEncoding, network: torch.nn.Module) -> torch.Tensor:
    """Return ``(T, H)`` logits, the whole way from a record."""
    (stay,) = hospital_stays(record)
    steps = bucket_record(
        record,
        ENDS,
        start_h=stay.admission_h,
        variables=encoding.variables,
        vocabulary={code: number for number, code in enumerate(encoding.codes)},
    )
    encoded = encoding.encode(steps, static_numbers(record, stay), start_h=stay.admission_h)
    with torch.no_grad():
        logits: torch.Tensor = network(as_batch(encoded)).risk_logits[0]
    return logits


@pytest.mark.parametrize("cell", ["gru", "sru", "lstm", "ugrnn"])
@pytest.mark.parametrize("known", [1, 4, 7])
def test_what_comes_after_a_step_does_not_change_it(cell: str, known: int) -> None:
    rng = np.random.default_rng(known)
    encoding = StayEncoding(
        scales=StayScales(
            variables=tuple(fit_scale(name, rng.normal(100, 40, 200)) for name in NAMES),
            statics=tuple(fit_scale(name, rng.normal(60, 10, 200)) for name in STATICS),
        ),
        codes=CODES,
    )
    torch.manual_seed(0)
    network = build_network(
        "aki-rnn",
        {
            **encoding.network_arguments(),
            "cell": cell,
            "embedding": 8,
            "hidden": 8,
            "layers": 2,
            "num_labs": 1,
        },
    ).eval()
    record = record_of(rng)
    later = record.time_h > ENDS[known - 1]
    changed = PatientRecord(
        "p",
        record.time_h,
        np.where(later, "creatinine", record.codes),
        np.where(later, 999.0, record.values),
        {**record.statics, "discharge_h": 300.0, "dialysis_in_stay": True},
    )
    before, after = (risks_of(each, encoding, network) for each in (record, changed))
    assert torch.equal(before[:known], after[:known])
    assert not torch.equal(before[known:], after[known:])


def test_no_variable_tells_how_a_stay_ends() -> None:
    assert set(NAMES) <= set(MEASURED)
    assert not {"discharge_h", "dialysis_in_stay"} & set(STATICS)
