"""Shards of raw records: what is read is what was written."""

from pathlib import Path

import numpy as np
import pytest

from medpipe.core.errors import SettingsError
from medpipe.io.records.raw_patient import Labels, RawPatient
from medpipe.io.records.record_shards import (
    GROUP_EVENTS,
    read_record_shard,
    shard_facts,
    write_record_shard,
)


def raw(patient: str, rows: int, **fields: object) -> RawPatient:
    return RawPatient(
        patient_id=patient,
        time_h=np.arange(rows, dtype=np.float64)[::-1],
        codes=np.array([f"c{row % 3}" for row in range(rows)], dtype=object),
        values=np.where(np.arange(rows) % 2, np.nan, 1.5),
        units=np.array(["mg/dL"] * rows, dtype=object),
        **fields,  # type: ignore[arg-type]
    )


def same(one: RawPatient, other: RawPatient) -> None:
    assert one.patient_id == other.patient_id
    assert dict(one.statics) == dict(other.statics)
    assert one.origin == other.origin
    for name in ("time_h", "values", "codes", "units"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.labels is None) == (other.labels is None)


def test_every_kind_of_record_comes_back(tmp_path: Path) -> None:
    statics = {"age": 61.5, "sex": "F", "icu_h": ((0.0, 5.5), (8.0, 9.0)), "dialysis_in_stay": True}
    labels = Labels(np.array([1.0, 2.0]), np.array([False, True]))
    written = [
        raw("a", 3, statics=statics, origin=np.datetime64("2101-03-04T05:06:07", "s")),
        raw("no rows", 0),
        raw("ü/ä", 2, labels=labels),
    ]
    path = tmp_path / "s.parquet"
    write_record_shard(path, iter(written), facts={"source": "meds"})
    (group,) = read_record_shard(path)
    for one, other in zip(written, group, strict=True):
        same(one, other)
    assert group[2].labels is not None
    np.testing.assert_array_equal(group[2].labels.positive, [False, True])
    assert shard_facts(path) == {"source": "meds"}


def test_long_records_stand_alone_and_are_never_parted(tmp_path: Path) -> None:
    written = [raw("long", GROUP_EVENTS + 1), raw("a", 2), raw("b", 2)]
    path = tmp_path / "s.parquet"
    write_record_shard(path, written, facts={})
    groups = list(read_record_shard(path))
    assert [[record.patient_id for record in group] for group in groups] == [["long"], ["a", "b"]]
    same(groups[0][0], written[0])


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_record_shard(tmp_path / name, [raw("a", 5), raw("b", 1)], facts={"k": "v", "a": "b"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_failing_source_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> object:
        yield raw("a", 1)
        raise SettingsError("E_TIME", "times")  # type: ignore[arg-type]

    with pytest.raises(SettingsError):
        write_record_shard(tmp_path / "s.parquet", broken(), facts={})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_damaged_file_is_told_and_has_no_facts(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    write_record_shard(path, [raw("a", 2000)], facts={"k": "v"})
    path.write_bytes(path.read_bytes()[:-200])
    assert shard_facts(path) == {}
    with pytest.raises(SettingsError, match="cannot be read"):
        list(read_record_shard(path))
