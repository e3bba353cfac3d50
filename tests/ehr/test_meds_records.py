"""From a MEDS folder on the disk to records: readers and rules together."""

from datetime import datetime, timedelta
from pathlib import Path

import meds
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medpipe.core.codes import Code
from medpipe.ehr.harmonise import Harmonised, RefusedPatient, harmonise_each
from medpipe.ehr.mapping import PREDICATES_OF, read_predicates
from medpipe.io.records.open_records import open_records, sniff_records

START = datetime(2150, 1, 1)


def rows_of(
    subject: int, *events: tuple[str, float, float | None], born: datetime
) -> list[dict[str, object]]:
    """Return rows of one subject: code, hour and value."""
    birth: dict[str, object] = {"subject_id": subject, "time": born, "code": meds.birth_code}
    static: dict[str, object] = {"subject_id": subject, "time": None, "code": "GENDER//M"}
    timed = [
        {"subject_id": subject, "time": START + timedelta(hours=hour), "code": code, "numeric_value": value}
        for code, hour, value in events
    ]
    return [static, birth, *timed]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    born = datetime(2080, 1, 1)
    stay = [
        ("HOSPITAL_ADMISSION//EW EMER.//ED", 0.0, None),
        ("LAB//50912//mg/dL", 2.0, 1.5),
        ("LAB//52546//mg/dL", 1.0, 1.0),
        ("LAB//50912//umol/L", 3.0, 100.0),
        ("LAB//50912//mg/dL", 4.0, 138.0),
        ("LAB//50912//stone", 4.0, 1.0),
        ("SUBJECT_FLUID_OUTPUT//226559//mL", 5.0, 200.0),
        ("PROCEDURE//ICD//10//5A1D70Z", 6.0, None),
        ("DIAGNOSIS//ICD//10//N17", 7.0, None),
        ("HOSPITAL_DISCHARGE//HOME", 8.0, None),
    ]
    shards = {
        "0": rows_of(1, *stay, born=born)
        + rows_of(2, ("LAB//51301//K/uL", 0, 8.0), born=datetime(2151, 1, 1)),
        "1": rows_of(3, ("LAB//220045//bpm", 0, 80.0), born=born),
    }
    (tmp_path / "data").mkdir()
    for name, rows in shards.items():
        table = pa.Table.from_pylist(rows, schema=meds.DataSchema.schema())
        meds.DataSchema.validate(table)
        pq.write_table(table, tmp_path / "data" / f"{name}.parquet")
    return tmp_path


def test_folder_becomes_records_and_refusals(folder: Path) -> None:
    predicates = read_predicates(PREDICATES_OF[sniff_records(folder)])
    stay, unborn, without_labs = harmonise_each(open_records(folder), predicates)
    assert isinstance(stay, Harmonised)
    record, counts = stay.record, stay.counts
    assert record.codes.tolist() == [
        "admission",
        "creatinine",
        "creatinine",
        "creatinine",
        "urine",
        "dialysis",
        "discharge",
    ]
    assert record.time_h.tolist() == [0, 1, 2, 3, 5, 6, 8]
    np.testing.assert_allclose(record.values, [np.nan, 88.4, 132.6, 100, 200, np.nan, np.nan])
    assert record.statics["sex"] == "M"
    assert (counts.rows, counts.kept) == (10, 7)
    assert counts.out_of_limits == {"creatinine": 1}
    assert counts.unknown_units == {("creatinine", "stone"): 1}
    assert counts.unknown_codes == {"DIAGNOSIS//ICD//10//N17": 1}
    assert isinstance(unborn, RefusedPatient)
    assert unborn.error.code is Code.E_RECORD
    assert isinstance(without_labs, Harmonised)
    assert [note.code for note in without_labs.notes] == [Code.W_NO_LABS]
