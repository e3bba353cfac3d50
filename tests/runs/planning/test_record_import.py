"""Import of records into a run folder: once, whole, under the names of the run."""

import csv
import os
import stat
from pathlib import Path

import pytest

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.io.records.record_shards import read_record_shard
from medpipe.runs.folder.run_folder import RunFolder
from medpipe.runs.identity import Identity, Names
from medpipe.runs.planning import record_import
from medpipe.runs.planning.record_import import RecordIndex, import_records, read_index, shard_path

IDENTITY = Identity(b"k" * 32)


def write_csv(path: Path, patients: int = 5, rows: int = 2) -> Path:
    lines = [f"person-{p},{h},creatinine,{80 + h},umol/L" for p in range(patients) for h in range(rows)]
    path.write_text("\n".join(["patient,time,code,value,unit", *lines]) + "\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "out" / "state").mkdir(parents=True)
    return RunFolder(tmp_path / "out")


def take_in(source: Path, folder: RunFolder, identity: Identity = IDENTITY, size: int = 2) -> RecordIndex:
    return import_records(source, folder, identity, shard_patients=size)


def stamps(folder: RunFolder) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (folder.path / "records").glob("shard-*")}


def test_every_patient_is_in_one_shard(tmp_path: Path, folder: RunFolder) -> None:
    index = take_in(write_csv(tmp_path / "r.csv"), folder)
    assert [(shard.id, shard.patients, shard.rows) for shard in index.shards] == [
        ("shard-00000", 2, 4),
        ("shard-00001", 2, 4),
        ("shard-00002", 1, 2),
    ]
    assert index.num_patients == 5
    assert read_index(folder) == index


def test_no_identifier_is_in_a_shard_and_the_mapping_leads_back(tmp_path: Path, folder: RunFolder) -> None:
    index = take_in(write_csv(tmp_path / "r.csv"), folder)
    for shard in index.shards:
        assert b"person" not in shard_path(folder, shard.id).read_bytes()
    mapping = folder.path / "mapping.csv"
    assert stat.S_IMODE(mapping.stat().st_mode) == 0o600
    with mapping.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["patient"] for row in rows] == [f"person-{number}" for number in range(5)]
    ((first, _),) = read_record_shard(shard_path(folder, "shard-00000"))
    assert first.patient_id == rows[0]["patient_id"] == IDENTITY.record_id("person-0")


def test_original_names_stay_where_they_are_safe() -> None:
    identity = Identity(b"k" * 32, Names.ORIGINAL)
    assert identity.record_id("10006") == "10006"
    assert identity.record_id("../etc").startswith("etc-")
    assert identity.record_id("a b") != identity.record_id("a/b")


def test_second_import_reads_nothing(
    tmp_path: Path, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_csv(tmp_path / "r.csv")
    index = take_in(source, folder)
    monkeypatch.setattr(record_import, "open_records", lambda path: pytest.fail("it was read again"))
    assert take_in(source, folder) == index


def test_killed_import_keeps_its_shards(tmp_path: Path, folder: RunFolder) -> None:
    source = write_csv(tmp_path / "r.csv")
    whole = take_in(source, folder)
    before = stamps(folder)
    shard_path(folder, "shard-00002").unlink()
    (folder.path / "records" / "index.json").unlink()
    (folder.path / "records" / ".tmp-1234").write_text("half a shard")
    assert take_in(source, folder) == whole
    after = stamps(folder)
    assert {name: after[name] for name in ("shard-00000.parquet", "shard-00001.parquet")} == {
        name: before[name] for name in ("shard-00000.parquet", "shard-00001.parquet")
    }
    assert not list((folder.path / "records").glob(".tmp-*"))


def test_changed_source_is_taken_in_again_and_stale_shards_go(tmp_path: Path, folder: RunFolder) -> None:
    source = write_csv(tmp_path / "r.csv")
    first = take_in(source, folder)
    write_csv(source, patients=2)
    os.utime(source, (1, 1))
    second = take_in(source, folder)
    assert len(second.shards) == 1
    assert second.shards[0] == first.shards[0]  # the same patients: the same bytes
    assert second.key != first.key
    assert [path.name for path in (folder.path / "records").glob("shard-*")] == ["shard-00000.parquet"]


def test_shard_that_was_cut_is_made_anew(tmp_path: Path, folder: RunFolder) -> None:
    source = write_csv(tmp_path / "r.csv")
    index = take_in(source, folder)
    path = shard_path(folder, "shard-00001")
    path.write_bytes(path.read_bytes()[:-10])
    assert read_index(folder) is None
    assert take_in(source, folder) == index


def test_malformed_source_leaves_no_index(tmp_path: Path, folder: RunFolder) -> None:
    source = write_csv(tmp_path / "r.csv")
    source.write_text(source.read_text() + "person-0,7,creatinine,80,umol/L\n")
    with pytest.raises(SettingsError, match="stand apart"):
        take_in(source, folder)
    assert read_index(folder) is None
    assert not (folder.path / "mapping.csv").exists()
    assert not list((folder.path / "state").glob("*.lease"))


def test_folder_without_records_is_told(tmp_path: Path, folder: RunFolder) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(NoInputError, match="no form of health records"):
        take_in(tmp_path / "nothing", folder)
