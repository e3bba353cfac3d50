"""Tables of one's own: columns, units, times, and rows that stand apart."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records import tables
from medpipe.io.records.long_csv import read_long_csv

TABLE = """patient,time,code,value,unit
a,2026-03-01T10:00:00+01:00,creatinine,0.9,mg/dL
a,2026-03-01T08:00:00+00:00,sodium,140,mmol/L
b,2026-03-05T00:00:00Z,creatinine,<0.2,
"""


def written(folder: Path, text: str, name: str = "own.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_come_by_patient_with_hours_since_the_first(tmp_path: Path) -> None:
    first, second = read_long_csv(written(tmp_path, TABLE))
    assert (first.patient_id, second.patient_id) == ("a", "b")
    assert first.time_h.tolist() == [1.0, 0.0]  # 09:00 and 08:00 UTC
    assert first.origin == np.datetime64("2026-03-01T08:00")
    assert first.codes.tolist() == ["creatinine", "sodium"]
    assert first.values.tolist() == [0.9, 140.0]
    assert first.units.tolist() == ["mg/dL", "mmol/L"]


def test_value_that_is_no_number_is_nan(tmp_path: Path) -> None:
    _, second = read_long_csv(written(tmp_path, TABLE))
    assert np.isnan(second.values).tolist() == [True]
    assert second.units.tolist() == [""]


def test_hours_stay_hours(tmp_path: Path) -> None:
    (only,) = read_long_csv(written(tmp_path, "patient,time,code,value\na,-2.5,x,1\na,,x,2\n"))
    np.testing.assert_array_equal(only.time_h, [-2.5, np.nan])
    assert only.origin is None


def test_patient_ids_stay_text(tmp_path: Path) -> None:
    (only,) = read_long_csv(written(tmp_path, "patient,time,code,value\n007,0,x,1\n"))
    assert only.patient_id == "007"


def test_columns_may_stand_in_any_order_and_case_with_others_between(tmp_path: Path) -> None:
    text = "\ufeffVALUE;Note;Time;Code;Patient\n3;hello;1;x;a\n"
    (only,) = read_long_csv(written(tmp_path, text))
    assert (only.values.tolist(), only.codes.tolist()) == ([3.0], ["x"])


def test_compressed_table_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "own.csv.gz"
    path.write_bytes(gzip.compress(TABLE.encode()))
    assert [item.num_rows for item in read_long_csv(path)] == [2, 1]


def test_table_without_rows_has_no_patients(tmp_path: Path) -> None:
    assert list(read_long_csv(written(tmp_path, "patient,time,code,value\n"))) == []


def test_missing_column_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"own.csv: the column 'time' is missing. Did you mean 'times'"):
        list(read_long_csv(written(tmp_path, "patient,times,code,value\na,1,x,1\n")))


def test_column_of_units_by_another_name_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("patient,time,code,value,units\na,0,creatinine,1.0,mg/dL\n")
    with pytest.raises(SettingsError, match="called 'unit': found 'units'"):
        list(read_long_csv(path))


def test_row_without_a_patient_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"own\.csv: a row names no patient"):
        list(read_long_csv(written(tmp_path, "patient,time,code,value\na,1,x,1\n ,1,x,1\n")))


def test_rows_that_stand_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="stand apart"):
        list(read_long_csv(written(tmp_path, "patient,time,code,value\na,1,x,1\nb,1,x,1\na,2,x,1\n")))


def test_mixed_time_zones_are_refused(tmp_path: Path) -> None:
    text = TABLE.replace("2026-03-01T08:00:00+00:00", "2026-03-01T08:00:00")
    with pytest.raises(SettingsError, match=r"own\.csv: times are of two forms") as caught:
        list(read_long_csv(written(tmp_path, text)))
    assert caught.value.code is Code.E_TIME


@pytest.mark.parametrize("text", ["patient,time,code,value\na,1,x\n", "patient,time,code,value\na,1,x,1,2\n"])
def test_row_of_another_length_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"own\.csv cannot be read") as caught:
        list(read_long_csv(written(tmp_path, text)))
    assert caught.value.code is Code.E_DATASET


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(b"patient,time,code,value\na,1,\xff\xfe,1\n")
    with pytest.raises(SettingsError, match="cannot be read"):
        list(read_long_csv(path))


def test_long_table_comes_patient_by_patient_before_its_end_is_read(tmp_path: Path) -> None:
    rows = "".join(f"p{number},{hour},x,1\n" for number in range(3000) for hour in range(200))
    path = written(tmp_path, f"patient,time,code,value\n{rows}p0,1,x,1\n")
    assert path.stat().st_size > tables.BLOCK_BYTES
    patients = read_long_csv(path)
    assert next(patients).num_rows == 200
    with pytest.raises(SettingsError, match="stand apart"):
        list(patients)
