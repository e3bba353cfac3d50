"""YAIB's three tables: cells to rows, labels beside them, tables that do not go together."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records.yaib import read_yaib

STAYS = [7, 7, 9]
HOURS = [timedelta(hours=hour) for hour in (0, 1, 0)]


def written(folder: Path, **changes: dict[str, Any]) -> Path:
    tables: dict[str, dict[str, Any]] = {
        "dyn": {"stay_id": STAYS, "time": HOURS, "crea": [0.9, None, 1.1], "hr": [80.0, 81.0, None]},
        "outc": {"stay_id": STAYS, "time": HOURS, "label": [False, True, False]},
        "sta": {
            "stay_id": [9, 7],
            "age": [50.0, 60.0],
            "sex": [None, "Female"],
            "height": [170.0, None],
            "weight": [80.0, 70.0],
        },
    }
    for name, columns in {**tables, **changes}.items():
        if columns:
            pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def test_filled_cells_are_rows_by_hour_and_column(tmp_path: Path) -> None:
    first, second = read_yaib(written(tmp_path))
    assert (first.patient_id, second.patient_id) == ("7", "9")
    assert list(zip(first.time_h, first.codes, first.values, strict=True)) == [
        (0.0, "crea", 0.9),
        (0.0, "hr", 80.0),
        (1.0, "hr", 81.0),
    ]
    assert second.codes.tolist() == ["crea"]


def test_statics_are_found_by_stay_and_empty_ones_left_out(tmp_path: Path) -> None:
    first, second = read_yaib(written(tmp_path))
    assert dict(first.statics) == {"age": 60.0, "weight_kg": 70.0, "sex": "F", "discharge_h": 1.0}
    assert dict(second.statics) == {"age": 50.0, "height_cm": 170.0, "weight_kg": 80.0, "discharge_h": 0.0}


def test_labels_stand_beside_with_their_own_hours(tmp_path: Path) -> None:
    first, _ = read_yaib(written(tmp_path))
    assert first.labels is not None
    assert first.labels.time_h.tolist() == [0.0, 1.0]
    assert first.labels.positive.tolist() == [False, True]


def test_stay_without_measurements_has_no_rows(tmp_path: Path) -> None:
    empty = {"stay_id": STAYS, "time": HOURS, "crea": pa.array([None] * 3, pa.float64())}
    assert [item.num_rows for item in read_yaib(written(tmp_path, dyn=empty))] == [0, 0]


def test_table_of_labels_may_be_absent(tmp_path: Path) -> None:
    assert [item.labels for item in read_yaib(written(tmp_path, outc={}))] == [None, None]


def test_labels_of_other_stays_are_refused(tmp_path: Path) -> None:
    other = {"stay_id": [7, 8, 9], "time": HOURS, "label": [False] * 3}
    with pytest.raises(
        SettingsError, match=r"outc.parquet does not go with dyn.parquet: found another order"
    ):
        list(read_yaib(written(tmp_path, outc=other)))


def test_labels_of_more_stays_are_refused(tmp_path: Path) -> None:
    more = {"stay_id": [*STAYS, 11], "time": [*HOURS, HOURS[0]], "label": [False] * 4}
    with pytest.raises(SettingsError, match="found labels of further stays"):
        list(read_yaib(written(tmp_path, outc=more)))


def test_labels_of_fewer_stays_are_refused(tmp_path: Path) -> None:
    fewer = {"stay_id": [7], "time": HOURS[:1], "label": [False]}
    with pytest.raises(SettingsError, match="does not go with"):
        list(read_yaib(written(tmp_path, outc=fewer)))


def test_stay_without_statics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"sta.parquet does not go with") as caught:
        list(read_yaib(written(tmp_path, sta={"stay_id": [7], "age": [60.0]})))
    assert caught.value.code is Code.E_DATASET


def test_times_that_are_no_durations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="takes durations since admission: found double") as caught:
        list(read_yaib(written(tmp_path, dyn={"stay_id": STAYS, "time": [0.0, 1.0, 0.0], "crea": [1.0] * 3})))
    assert caught.value.code is Code.E_TIME


def test_hour_without_a_label_is_refused(tmp_path: Path) -> None:
    unknown = {"stay_id": STAYS, "time": HOURS, "label": [False, None, True]}
    with pytest.raises(SettingsError, match="an hour without a label"):
        list(read_yaib(written(tmp_path, outc=unknown)))


def test_column_of_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="column 'crea' takes numbers: found string"):
        list(read_yaib(written(tmp_path, dyn={"stay_id": STAYS, "time": HOURS, "crea": ["high"] * 3})))


def test_whole_numbers_and_fine_durations_are_read(tmp_path: Path) -> None:
    nanoseconds = pa.array([0, 3_600_000_000_001, 0], pa.duration("ns"))
    first, _ = read_yaib(written(tmp_path, dyn={"stay_id": STAYS, "time": nanoseconds, "hr": [80, 81, 82]}))
    assert (first.time_h.tolist(), first.values.tolist()) == ([0.0, 1.0], [80.0, 81.0])


def test_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"sta.parquet cannot be read"):
        list(read_yaib(written(tmp_path, sta={})))


def test_every_stay_has_its_own_values(tmp_path: Path) -> None:
    first, second = read_yaib(written(tmp_path))
    assert not np.isin(second.values, first.values).any()
