"""Batches out of tables: names in any case, order of the request, and damage."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records.tables import read_header, stream_csv

TYPES = {"b": pa.int64(), "a": pa.string()}


def test_columns_come_by_the_name_and_order_of_the_request(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('A,"B",C\n"x, y",1,9\n,,9\n')
    (batch,) = stream_csv(path, TYPES)
    assert batch.to_pydict() == {"b": [1, None], "a": ["x, y", ""]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiter_is_the_one_of_the_header(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(delimiter.join(["a", "b"]) + "\n")
    assert read_header(path) == (delimiter, ["a", "b"])


def test_damaged_compression_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"x,1\n" * 100_000)[:-20])
    with pytest.raises(SettingsError, match=r"t\.csv\.gz cannot be read") as caught:
        list(stream_csv(path, TYPES))
    assert caught.value.code is Code.E_DATASET


def test_cell_of_another_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\nx,Erika\n")
    with pytest.raises(
        SettingsError, match=r"found In CSV column #1: .*CSV conversion error to int64"
    ) as caught:
        list(stream_csv(path, TYPES))
    assert "Erika" not in str(caught.value)


def test_row_of_another_length_is_refused_without_telling_it(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\nErika,1,2\n")
    with pytest.raises(SettingsError, match="Expected 2 columns, got 3") as caught:
        list(stream_csv(path, TYPES))
    assert "Erika" not in str(caught.value)


def test_table_that_is_absent_is_refused_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"t\.csv cannot be read: found No such file") as caught:
        list(stream_csv(tmp_path / "t.csv", TYPES))
    assert str(tmp_path) not in str(caught.value)


def test_error_of_another_kind_is_not_taken_for_damage(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\nx,1\n")
    batches = stream_csv(path, TYPES)
    next(batches)
    with pytest.raises(KeyError, match="own"):
        batches.throw(KeyError("own"))  # type: ignore[attr-defined]
