"""MEDS: folders that its own schema accepts, and folders that it would not."""

from datetime import datetime
from pathlib import Path
from typing import Any

import meds
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.io.records.meds import read_dataset_name, read_meds, read_subject_splits

SCHEMA = meds.DataSchema.schema()
DAY = datetime(2150, 1, 1)


def event(subject: int, time: datetime | None, code: str, value: float | None = None) -> dict[str, Any]:
    return {"subject_id": subject, "time": time, "code": code, "numeric_value": value, "text_value": None}


ONE = [
    event(1, None, "GENDER//F"),
    event(1, None, "RACE//X"),
    event(1, datetime(2100, 1, 1), meds.birth_code),
    event(1, DAY.replace(hour=6), "HOSPITAL_ADMISSION//EW"),
    event(1, DAY.replace(hour=8), "LAB//50912//mg/dL", 0.75),
    event(1, DAY.replace(hour=7), "LAB//52546//mg/dL", None),
    event(1, DAY.replace(day=2), meds.death_code),
]
TWO = [event(2, DAY, "LAB//50912//mg/dL", 2.0)]


def written(folder: Path, **shards: list[dict[str, Any]]) -> Path:
    for name, rows in shards.items():
        path = folder / "data" / "train" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        meds.DataSchema.validate(table)
        pq.write_table(table, path)
    return folder


def test_subjects_come_with_events_statics_and_age(tmp_path: Path) -> None:
    one, two = read_meds(written(tmp_path, a=ONE, b=TWO))
    assert (one.patient_id, two.patient_id) == ("1", "2")
    assert one.codes.tolist() == [row["code"] for row in ONE[3:]]
    assert one.time_h.tolist() == [0.0, 2.0, 1.0, 18.0]
    np.testing.assert_array_equal(one.values, [np.nan, 0.75, np.nan, np.nan])
    assert one.origin == np.datetime64("2150-01-01T06:00")
    assert one.statics["static_codes"] == ("GENDER//F", "RACE//X")
    assert one.statics["age"] == pytest.approx(50.0, abs=0.01)
    assert "age" not in two.statics


def test_shards_are_read_in_the_order_of_their_names_at_any_depth(tmp_path: Path) -> None:
    written(tmp_path, b=TWO)
    (tmp_path / "data" / "held_out").mkdir()
    pq.write_table(pa.Table.from_pylist(ONE, schema=SCHEMA), tmp_path / "data" / "held_out" / "0.parquet")
    assert [item.patient_id for item in read_meds(tmp_path)] == ["1", "2"]


def test_one_shard_reads_alone(tmp_path: Path) -> None:
    written(tmp_path, a=ONE)
    (only,) = read_meds(tmp_path / "data" / "train" / "a.parquet")
    assert only.num_rows == 4


def test_subject_without_events_has_no_rows(tmp_path: Path) -> None:
    (only,) = read_meds(written(tmp_path, a=ONE[:3]))
    assert (only.num_rows, only.origin) == (0, None)
    assert "age" not in only.statics


def test_birth_after_the_first_event_is_a_negative_age(tmp_path: Path) -> None:
    (only,) = read_meds(written(tmp_path, a=[event(1, datetime(2151, 1, 1), meds.birth_code), *ONE[3:]]))
    assert only.statics["age"] == pytest.approx(-1.0, abs=0.01)


def test_subject_of_two_shards_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, a=TWO, b=TWO)
    with pytest.raises(
        SettingsError, match=r"in two files: found data/train/a.parquet and data/train/b.parquet"
    ) as caught:
        list(read_meds(folder))
    assert caught.value.code is Code.E_DATASET


def test_subject_whose_rows_stand_apart_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="stand apart"):
        list(read_meds(written(tmp_path, a=[*TWO, *ONE, *TWO])))


def test_table_without_numbers_reads_as_nan(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    table = pa.Table.from_pylist(TWO, schema=SCHEMA).drop_columns(["numeric_value", "text_value"])
    pq.write_table(table, tmp_path / "data" / "0.parquet")
    (only,) = read_meds(tmp_path)
    assert np.isnan(only.values).all()


def test_row_without_a_code_has_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = [{**TWO[0], "code": None}]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / "data" / "0.parquet")
    (only,) = read_meds(tmp_path)
    assert only.codes.tolist() == [""]


def test_row_without_a_subject_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = [{**TWO[0], "subject_id": None}]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / "data" / "0.parquet")
    with pytest.raises(SettingsError, match=r"data/0\.parquet: a row names no patient"):
        list(read_meds(tmp_path))


def test_old_meds_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    table = pa.Table.from_pylist(TWO, schema=SCHEMA).rename_columns(
        ["patient_id", "time", "code", "numeric_value", "text_value"]
    )
    pq.write_table(table, tmp_path / "data" / "0.parquet")
    with pytest.raises(SettingsError, match=r"MEDS of before version 0.3: found a column patient_id"):
        list(read_meds(tmp_path))


def test_time_with_a_zone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    table = pa.Table.from_pylist(TWO, schema=SCHEMA)
    zoned = table.set_column(1, "time", table["time"].cast(pa.timestamp("us", "UTC")))
    pq.write_table(zoned, tmp_path / "data" / "0.parquet")
    with pytest.raises(SettingsError, match=r"without a time zone: found timestamp\[us, tz=UTC\]") as caught:
        list(read_meds(tmp_path))
    assert caught.value.code is Code.E_TIME


def test_damaged_shard_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, a=ONE)
    path = folder / "data" / "train" / "a.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(SettingsError, match=r"a\.parquet cannot be read"):
        list(read_meds(folder))


def test_folder_without_shards_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="holds no events"):
        list(read_meds(tmp_path))


def test_splits_and_name_of_the_data_are_read(tmp_path: Path) -> None:
    assert read_subject_splits(tmp_path) == {}
    assert read_dataset_name(tmp_path) == ""
    folder = tmp_path / "metadata"
    folder.mkdir()
    pq.write_table(
        pa.table({"subject_id": [1, 2], "split": ["train", "held_out"]}), folder / "subject_splits.parquet"
    )
    (folder / "dataset.json").write_text('{"dataset_name": "ward"}')
    assert read_subject_splits(tmp_path) == {"1": "train", "2": "held_out"}
    assert read_dataset_name(tmp_path) == "ward"
    pq.write_table(pa.table({"subject_id": [1]}), folder / "subject_splits.parquet")
    with pytest.raises(SettingsError, match="split"):
        read_subject_splits(tmp_path)
