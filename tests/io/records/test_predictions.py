"""Files of predictions: what is written is read, and what cannot be true is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records.predictions import make_predictions, read_predictions, write_predictions

NAN = float("nan")
ROWS: dict[str, list[Any]] = {
    "subject_id": ["b", "b", "a"],
    "time_h": [6.0, 12.0, 6.0],
    "horizon_h": [24, 24, 24],
    "probability": [0.25, 0.5, 1.0],
    "low": [0.125, NAN, NAN],
    "high": [0.375, NAN, NAN],
    "label": [0.0, 1.0, NAN],
}
MORE: dict[str, list[Any]] = {
    "onset_h": [30.0, 30.0, NAN],
    "sex": ["F", "F", None],
    "age": [71.5, 71.5, NAN],
    "unit": ["MICU", "MICU", "ward"],
}


def written(path: Path, rows: dict[str, list[Any]]) -> Path:
    pq.write_table(pa.table(rows), path, row_group_size=2)
    return path


def test_file_is_read_with_patients_as_numbers(tmp_path: Path) -> None:
    found = read_predictions(written(tmp_path / "p.parquet", {**ROWS, **MORE, "other": [1, 2, 3]}))
    assert found.subjects.tolist() == ["b", "a"]
    assert found.patients.tolist() == [0, 0, 1]
    assert found.probs.tolist() == [0.25, 0.5, 1.0]
    assert np.array_equal(found.labels, [0, 1, NAN], equal_nan=True)
    assert np.array_equal(found.low, [0.125, NAN, NAN], equal_nan=True)
    assert found.groups["sex"].tolist() == ["F", "unknown"]
    assert np.array_equal(found.groups["age"], [71.5, NAN], equal_nan=True)
    assert found.outcomes == ((None, 24),)
    patients, hours = found.onsets(None)
    assert (patients.tolist(), hours.tolist()) == ([0], [30.0])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    parts = [
        make_predictions({**ROWS, **MORE}),
        make_predictions(
            {name: values[2:] for name, values in {**ROWS, **MORE, "subject_id": "xyz"}.items()}
        ),
    ]
    path = tmp_path / "p.parquet"
    assert write_predictions(path, parts) == 4
    assert pq.ParquetFile(path).num_row_groups == 2
    found = read_predictions(path)
    assert found.subjects[found.patients].tolist() == ["b", "b", "a", "z"]
    assert found.time_h.tolist() == [6, 12, 6, 6]
    assert found.groups["unit"].tolist() == ["MICU", "ward", "ward"]
    assert found.stages is None


def test_stages_and_horizons_are_outcomes_apart() -> None:
    rows = {name: values * 2 for name, values in ROWS.items()}
    found = make_predictions({**rows, "stage": [1] * 3 + [2] * 3, "onset_h": [30, 30, NAN, 50, 60, NAN]})
    assert found.outcomes == ((1, 24), (2, 24))
    assert found.rows_of(2, 24).tolist() == [3, 4, 5]
    assert [item.tolist() for item in found.onsets(1)] == [[0], [30.0]]
    assert [item.tolist() for item in found.onsets(2)] == [[0, 0], [50.0, 60.0]]


def test_ids_that_are_numbers_become_text() -> None:
    assert make_predictions({**ROWS, "subject_id": [2, 2, 1]}).subjects.tolist() == ["2", "1"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"probability": [0.2, NAN, 0.1]}, "each row has a probability: found probability nan in row 2"),
        ({"probability": [0.2, None, 0.1]}, "each row has a probability: found probability None in row 2"),
        ({"probability": [0.2, 0.5, 1.5]}, "between 0 and 1: found probability 1.5 in row 3"),
        ({"probability": [-0.5, 0.5, 0.5]}, "between 0 and 1: found probability -0.5 in row 1"),
        (
            {"time_h": [6.0, 6.0, 6.0]},
            "stands once at each time and horizon: found one twice at 6 h for 24 h",
        ),
        ({"time_h": [6.0, NAN, 6.0]}, "finite time: found time_h nan in row 2"),
        ({"horizon_h": [24, 0, 24]}, "above zero: found horizon_h 0 in row 2"),
        ({"horizon_h": [24, None, 24]}, "a row without horizon_h"),
        ({"horizon_h": [24.0, 24.5, 24.0]}, "of its type"),
        ({"label": [0, 2, 1]}, "labels are 1, 0 or NaN: found label 2"),
        ({"low": [0.3, NAN, NAN]}, "hold their probability: found low 0.3"),
        ({"high": [0.375, 0.25, NAN]}, "hold their probability: found high 0.25 in row 2"),
        ({"subject_id": ["b", "", "a"]}, "a row without subject_id"),
        ({"subject_id": ["b", None, "a"]}, "a row without subject_id"),
        ({"time_h": ["x", "y", "z"]}, "of its type"),
        ({"sex": ["F", "M", "F"]}, "sex: a subgroup is one value a patient"),
        ({"age": [70.0, 71.0, 3.0]}, "age: a subgroup is one value a patient"),
        ({"stage": [1, None, 1]}, "each row has a stage"),
    ],
)
def test_what_cannot_be_true_is_refused(tmp_path: Path, change: dict[str, list[Any]], match: str) -> None:
    rows = {**ROWS, **change}
    with pytest.raises(SettingsError, match=match) as error:
        read_predictions(written(tmp_path / "p.parquet", rows))
    assert error.value.code == Code.E_DATASET
    with pytest.raises(SettingsError, match=match):
        make_predictions(rows)


@pytest.mark.parametrize("column", list(ROWS))
def test_missing_column_is_named(tmp_path: Path, column: str) -> None:
    rows = {name: values for name, values in ROWS.items() if name != column}
    with pytest.raises(SettingsError, match=rf"p\.parquet: the column '{column}' is missing"):
        read_predictions(written(tmp_path / "p.parquet", rows))


def test_files_without_rows_and_files_of_text_are_refused(tmp_path: Path) -> None:
    empty = make_predictions(ROWS)
    path = tmp_path / "p.parquet"
    write_predictions(path, [empty])
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(SettingsError, match="holds rows: found none"):
        read_predictions(path)
    (tmp_path / "q.parquet").write_text("subject_id,time_h")
    with pytest.raises(SettingsError, match=r"q\.parquet cannot be read"):
        read_predictions(tmp_path / "q.parquet")


def test_parts_are_of_different_patients_and_the_same_columns(tmp_path: Path) -> None:
    part = make_predictions(ROWS)
    with pytest.raises(SettingsError, match="a patient in two"):
        write_predictions(tmp_path / "p.parquet", [part, part])
    other = make_predictions({**ROWS, **MORE, "subject_id": ["c", "c", "d"]})
    with pytest.raises(SettingsError, match="the same columns"):
        write_predictions(tmp_path / "p.parquet", [part, other])
    with pytest.raises(SettingsError, match="at least one part"):
        write_predictions(tmp_path / "p.parquet", [])
    assert not list(tmp_path.iterdir())
