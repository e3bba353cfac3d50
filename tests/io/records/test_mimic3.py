"""MIMIC-III: a record an admission, with history, and nothing from after discharge."""

from pathlib import Path

import numpy as np
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records.mimic3 import MASKED_AGE, read_mimic3

TABLES = {
    "PATIENTS": "SUBJECT_ID,GENDER,DOB\n3,M,2100-01-01 00:00:00\n2,F,1850-01-01 00:00:00\n",
    "admissions": (
        "row_id,subject_id,hadm_id,admittime,dischtime\n"
        "1,3,31,2150-02-01 00:00:00,2150-02-03 00:00:00\n"
        "2,2,20,2150-05-01 00:00:00,2150-05-02 00:00:00\n"
        "3,3,30,2150-01-01 00:00:00,2150-01-05 00:00:00\n"
    ),
    "labevents": (
        "subject_id,hadm_id,itemid,charttime,value,valuenum,valueuom\n"
        "3,30,50912,2150-01-02 12:00:00,1.5,1.5,mg/dL\n"
        "2,,50912,2150-05-01 06:00:00,0.8,0.8,mg/dL\n"
        "3,31,50912,2150-02-01 06:00:00,2.5,2.5,mg/dL\n"
        "3,,50983,2149-12-31 12:00:00,HIGH,,mEq/L\n"
        "3,,50912,2150-03-01 00:00:00,9,9,mg/dL\n"
        "99,,50912,2150-03-01 00:00:00,9,9,mg/dL\n"
    ),
    "outputevents": (
        "subject_id,itemid,charttime,value,valueuom\n3,40055,2150-02-02 00:00:00,100,ml\n3,40055,,50,ml\n"
    ),
    "procedures_icd": "subject_id,hadm_id,icd9_code\n3,30,3995\n3,31,3893\n",
    "ICUSTAYS": (
        "subject_id,hadm_id,intime,outtime\n"
        "3,30,2150-01-04 00:00:00,2150-01-04 12:00:00\n"
        "3,30,2150-01-01 06:00:00,2150-01-02 00:00:00\n"
    ),
    "procedureevents_mv": "subject_id,itemid,starttime\n3,225802,2150-02-02 12:00:00\n",
}


def written(folder: Path, **changes: str) -> Path:
    for name, text in {**TABLES, **changes}.items():
        if text:
            (folder / f"{name}.csv").write_text(text)
    return folder


def test_every_admission_is_a_record_in_the_order_of_patients_and_times(tmp_path: Path) -> None:
    found = [(item.patient_id, item.statics["stay"]) for item in read_mimic3(written(tmp_path))]
    assert found == [("2", "20"), ("3", "30"), ("3", "31")]


def test_record_ends_at_discharge_and_counts_hours_from_admission(tmp_path: Path) -> None:
    _, first, _ = read_mimic3(written(tmp_path))
    timed = ~np.isnan(first.time_h)
    assert list(zip(first.codes[timed], first.time_h[timed], strict=True)) == [
        ("50912", 36.0),
        ("50983", -12.0),
    ]
    np.testing.assert_array_equal(first.values[timed], [1.5, np.nan])
    assert first.units[timed].tolist() == ["mg/dL", "mEq/L"]
    assert first.statics["discharge_h"] == 96.0
    assert first.origin == np.datetime64("2150-01-01")


def test_later_admission_has_the_earlier_as_history(tmp_path: Path) -> None:
    *_, last = read_mimic3(written(tmp_path))
    rows = {(code, hour) for code, hour in zip(last.codes, last.time_h, strict=True) if not np.isnan(hour)}
    assert rows == {
        ("50912", 6.0),
        ("50912", -708.0),  # 2 January, 12:00
        ("50983", -756.0),
        ("40055", 24.0),
        ("225802", 36.0),
        ("ICD9//3995", -648.0),  # dialysis coded at the earlier discharge, 5 January
    }


def test_coded_dialysis_is_a_static_of_its_own_stay(tmp_path: Path) -> None:
    records = list(read_mimic3(written(tmp_path)))
    assert [item.statics["dialysis_in_stay"] for item in records] == [False, True, False]
    assert "ICD9//3995" not in records[1].codes.tolist()


def test_spells_of_intensive_care_are_in_the_order_of_time(tmp_path: Path) -> None:
    found = [item.statics["icu_h"] for item in read_mimic3(written(tmp_path))]
    assert found == [(), ((6.0, 24.0), (72.0, 84.0)), ()]


def test_row_without_a_time_is_kept_to_be_counted(tmp_path: Path) -> None:
    assert [int(np.isnan(item.time_h).sum()) for item in read_mimic3(written(tmp_path))] == [0, 1, 1]


def test_masked_age_is_ninety(tmp_path: Path) -> None:
    ages = [item.statics["age"] for item in read_mimic3(written(tmp_path))]
    assert ages[0] == MASKED_AGE
    assert ages[1] == pytest.approx(50.0, abs=0.01)


def test_birth_after_admission_stays_negative(tmp_path: Path) -> None:
    patients = TABLES["PATIENTS"].replace("2100-01-01", "2151-01-01")
    *_, last = read_mimic3(written(tmp_path, PATIENTS=patients))
    assert last.statics["age"] < 0


def test_passes_over_the_tables_do_not_change_the_records(tmp_path: Path) -> None:
    folder = written(tmp_path)
    for whole, part in zip(read_mimic3(folder), read_mimic3(folder, patients_a_pass=1), strict=True):
        assert whole.statics == part.statics
        assert whole.codes.tolist() == part.codes.tolist()
        np.testing.assert_array_equal(whole.values, part.values)


def test_admission_without_events_is_a_record(tmp_path: Path) -> None:
    labs = "subject_id,itemid,charttime,valuenum,valueuom\n"
    first, *_ = read_mimic3(written(tmp_path, labevents=labs))
    assert first.num_rows == 0


@pytest.mark.parametrize("name", ["outputevents", "procedures_icd", "procedureevents_mv", "ICUSTAYS"])
def test_table_beside_the_laboratory_may_be_absent(tmp_path: Path, name: str) -> None:
    assert len(list(read_mimic3(written(tmp_path, **{name: ""})))) == 3


@pytest.mark.parametrize("name", ["PATIENTS", "admissions"])
def test_missing_table_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"table {name.lower()} of MIMIC-III is missing"):
        list(read_mimic3(written(tmp_path, **{name: ""})))


def test_patient_of_another_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not among the patients"):
        list(read_mimic3(written(tmp_path, PATIENTS="subject_id,gender,dob\n3,M,2100-01-01 00:00:00\n")))


def test_admission_without_a_discharge_is_refused(tmp_path: Path) -> None:
    admissions = TABLES["admissions"].replace("2150-02-03 00:00:00", "")
    with pytest.raises(SettingsError, match="no time of admission or discharge") as caught:
        list(read_mimic3(written(tmp_path, admissions=admissions)))
    assert caught.value.code is Code.E_TIME


def test_cell_that_is_no_number_is_refused_with_the_table(tmp_path: Path) -> None:
    labs = TABLES["labevents"].replace("3,30,50912", "three,30,50912")
    with pytest.raises(SettingsError, match=r"labevents.csv cannot be read") as caught:
        list(read_mimic3(written(tmp_path, labevents=labs)))
    assert caught.value.code is Code.E_DATASET
