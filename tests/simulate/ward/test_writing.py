"""The data set on disk: valid MEDS, and the same stays in every form."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medpipe.core.errors import ShapeError
from medpipe.simulate.ward.codes import meds_code_of, unit_of
from medpipe.simulate.ward.meds_tables import admitted_at, split_of
from medpipe.simulate.ward.stays import simulated_stay
from medpipe.simulate.ward.writing import write_ward

SEEDS = range(7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ward")
    write_ward(folder, SEEDS, shard_size=3)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


class TestMeds:
    def test_it_is_valid_by_the_official_schema(self, folder: Path) -> None:
        meds = pytest.importorskip("meds")
        for shard in sorted((folder / "meds" / "data").iterdir()):
            meds.DataSchema.validate(pq.read_table(shard))
        metadata = folder / "meds" / "metadata"
        meds.CodeMetadataSchema.validate(pq.read_table(metadata / "codes.parquet"))
        meds.SubjectSplitSchema.validate(pq.read_table(metadata / "subject_splits.parquet"))
        about = json.loads((metadata / "dataset.json").read_text())
        meds.DatasetMetadataSchema.validate(about)
        assert "simulated" in about["dataset_name"]

    def test_columns_have_the_types_of_the_standard(self, folder: Path) -> None:
        schema = pq.read_schema(folder / "meds" / "data" / "00000.parquet")
        assert [(field.name, str(field.type)) for field in schema] == [
            ("subject_id", "int64"),
            ("time", "timestamp[us]"),
            ("code", "string"),
            ("numeric_value", "float"),
            ("text_value", "large_string"),
        ]

    def test_shards_hold_so_many_subjects_each_of_them_once(self, folder: Path) -> None:
        shards = sorted((folder / "meds" / "data").iterdir())
        assert [shard.name for shard in shards] == ["00000.parquet", "00001.parquet", "00002.parquet"]
        ids = [pq.read_table(shard)["subject_id"].unique().to_pylist() for shard in shards]
        assert ids == [[0, 1, 2], [3, 4, 5], [6]]

    def test_each_subject_begins_with_sex_and_birth_and_goes_on_in_order(self, folder: Path) -> None:
        table = pq.read_table(folder / "meds" / "data")
        for seed in SEEDS:
            rows = table.filter(pa.compute.equal(table["subject_id"], seed))
            codes, times = rows["code"].to_pylist(), rows["time"].to_numpy()
            assert codes[0].startswith("SEX//")
            assert np.isnat(times[0])
            assert codes[1] == "MEDS_BIRTH"
            assert (np.diff(times[1:]) >= np.timedelta64(0)).all()

    def test_events_are_those_of_the_record(self, folder: Path) -> None:
        table = pq.read_table(folder / "meds" / "data")
        stay = simulated_stay(4)
        rows = table.filter(pa.compute.equal(table["subject_id"], 4)).slice(2)
        assert rows["code"].to_pylist() == [meds_code_of(code) for code in stay.record.codes]
        values = rows["numeric_value"].to_numpy(zero_copy_only=False)
        np.testing.assert_array_equal(values, stay.record.values.astype(np.float32))
        hours = (rows["time"].to_numpy() - admitted_at(stay)) / np.timedelta64(1, "h")
        np.testing.assert_allclose(hours, stay.record.time_h, atol=1e-6)

    def test_the_birth_gives_the_age(self, folder: Path) -> None:
        table = pq.read_table(folder / "meds" / "data")
        births = table.filter(pa.compute.equal(table["code"], "MEDS_BIRTH"))["time"].to_numpy()
        for seed, birth in zip(SEEDS, births, strict=True):
            stay = simulated_stay(seed)
            years = (admitted_at(stay) - birth) / np.timedelta64(1, "D") / 365.25
            assert years == pytest.approx(stay.plan.patient.age_years, abs=1.01 / 365.25)

    def test_every_code_is_described(self, folder: Path) -> None:
        used = set(pq.read_table(folder / "meds" / "data")["code"].to_pylist())
        described = pq.read_table(folder / "meds" / "metadata" / "codes.parquet").to_pylist()
        assert {row["code"] for row in described} == used
        (words,) = (row["description"] for row in described if row["code"] == "LAB//creatinine//umol/L")
        assert words == "simulated: creatinine in umol/L"

    def test_splits_are_of_about_the_stated_shares(self) -> None:
        splits = [split_of(seed) for seed in range(1000)]
        assert [splits.count(name) for name in ("train", "tuning", "held_out")] == pytest.approx(
            [700, 100, 200], abs=10
        )


class TestTables:
    def test_the_long_table_holds_the_events_with_their_units(self, folder: Path) -> None:
        rows = [row for row in rows_of(folder / "events.csv") if row["patient"] == "ward-000004"]
        record = simulated_stay(4).record
        assert [row["code"] for row in rows] == record.codes.tolist()
        np.testing.assert_allclose([float(row["time"]) for row in rows], record.time_h, atol=5e-5)
        values = [float(row["value"] or "nan") for row in rows]
        np.testing.assert_allclose(values, record.values, rtol=1e-5)
        assert {row["unit"] for row in rows if row["code"] == "creatinine"} == {"umol/L"}
        assert [row["unit"] for row in rows] == [unit_of(code) for code in record.codes]

    def test_the_table_of_stays_tells_the_truth(self, folder: Path) -> None:
        rows = rows_of(folder / "stays.csv")
        assert [int(row["seed"]) for row in rows] == list(SEEDS)
        for row in rows:
            stay = simulated_stay(int(row["seed"]))
            assert int(row["peak_stage"]) == stay.truth.peak_stage
            onset = float(row["onset_h"] or "nan")
            np.testing.assert_equal(onset, stay.truth.onset_h)
            assert row["sex"] == stay.record.statics["sex"]


def test_the_same_seeds_give_the_same_bytes_in_any_order(folder: Path, tmp_path: Path) -> None:
    write_ward(tmp_path, reversed(SEEDS), shard_size=3)
    files = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) == 8
    for path in files:
        assert (tmp_path / path).read_bytes() == (folder / path).read_bytes(), path


def test_no_stays_give_an_empty_data_set(tmp_path: Path) -> None:
    write_ward(tmp_path, [])
    assert rows_of(tmp_path / "stays.csv") == []


@pytest.mark.parametrize(("seeds", "size"), [([1, 1], 10), ([1], 0)])
def test_seeds_given_twice_and_empty_shards_are_refused(tmp_path: Path, seeds: list[int], size: int) -> None:
    with pytest.raises(ShapeError, match="seed of its own"):
        write_ward(tmp_path, seeds, shard_size=size)
