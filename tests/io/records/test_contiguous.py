"""Patients out of batches: whole, in order, and once."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records.contiguous import Contiguous


def batches(*parts: list[str]) -> list[pa.RecordBatch]:
    return [
        pa.RecordBatch.from_pydict({"id": part}, schema=pa.schema([("id", pa.string())])) for part in parts
    ]


def test_patient_across_batches_comes_whole() -> None:
    found = Contiguous("id").patients(batches(["a", "a", "b"], [], ["b"], ["b", "c"]), place="x")
    assert [(patient, len(rows)) for patient, rows in found] == [("a", 2), ("b", 3), ("c", 1)]


@given(st.lists(st.integers(1, 4), max_size=6), st.integers(1, 5))
def test_cuts_into_batches_do_not_matter(sizes: list[int], batch_rows: int) -> None:
    ids = [f"p{number}" for number, size in enumerate(sizes) for _ in range(size)]
    cut = [ids[start : start + batch_rows] for start in range(0, len(ids), batch_rows)]
    found = Contiguous("id").patients(batches(*cut), place="x")
    assert [(patient, len(rows)) for patient, rows in found] == [
        (f"p{number}", size) for number, size in enumerate(sizes)
    ]


def test_patient_who_comes_back_is_refused() -> None:
    with pytest.raises(SettingsError, match="Rows of one patient stand apart: found x") as caught:
        list(Contiguous("id").patients(batches(["a", "b", "a"]), place="x"))
    assert caught.value.code is Code.E_DATASET


def test_patient_of_two_files_is_refused_with_both() -> None:
    files = Contiguous("id")
    list(files.patients(batches(["a"]), place="x"))
    with pytest.raises(SettingsError, match="stand in two files: found x and y"):
        list(files.patients(batches(["a"]), place="y"))


def test_message_names_no_patient() -> None:
    with pytest.raises(SettingsError) as caught:
        list(Contiguous("id").patients(batches(["Erika", "b", "Erika"]), place="x"))
    assert "Erika" not in str(caught.value)
