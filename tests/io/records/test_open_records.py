"""Which source a path is, and what is said where it is none."""

import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError
from medpipe.io.records.open_records import RecordSource, open_records, sniff_records


def parquet(path: Path, *columns: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({column: [1] for column in columns}), path)
    return path


def test_meds_folder_and_shard(tmp_path: Path) -> None:
    shard = parquet(tmp_path / "data" / "train" / "0.parquet", "subject_id", "time", "code")
    assert sniff_records(tmp_path) is RecordSource.MEDS
    assert sniff_records(shard) is RecordSource.MEDS


def test_yaib_folder(tmp_path: Path) -> None:
    parquet(tmp_path / "dyn.parquet", "stay_id")
    parquet(tmp_path / "sta.parquet", "stay_id")
    assert sniff_records(tmp_path) is RecordSource.YAIB


@pytest.mark.parametrize(
    "names", [("LABEVENTS.csv.gz", "ADMISSIONS.csv.gz"), ("labevents.csv", "admissions.csv")]
)
def test_mimic3_folder(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert sniff_records(tmp_path) is RecordSource.MIMIC3


def test_physionet_archive_and_folders(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set-b.zip", "w") as archive:
        archive.writestr("set-b/1.txt", "")
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "1.txt").write_text("Time,Parameter,Value\n")
    for path in (tmp_path, tmp_path / "set-b.zip", texts):
        assert sniff_records(path) is RecordSource.PHYSIONET2012


def test_long_csv(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("patient\ttime\tcode\tvalue\np\t0\turea\t5\n")
    assert sniff_records(path) is RecordSource.LONG_CSV
    assert [item.patient_id for item in open_records(path)] == ["p"]


def test_nothing_there_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="There is no"):
        sniff_records(tmp_path / "absent")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.csv", b"id,when\n1,2\n", "a file .csv without the columns patient, time, code, value"),
        ("b.csv", b"patient_id,time,code,value\n", "a file .csv without the column patient"),
        ("a.zip", b"PK\x03\x04damaged", "a file .zip"),
        ("a.parquet", b"PAR1", "a file .parquet"),
        ("a", b"\xff\xd8\xff", "a file without suffix"),
        ("empty.csv", b"", "a file .csv without the columns patient, time, code, value"),
    ],
)
def test_other_file_is_refused_with_what_it_is_and_what_is_known(
    tmp_path: Path, name: str, content: bytes, found: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        NoInputError, match=rf"found {found}\. Known are a MEDS folder.*YAIB.*MIMIC-III"
    ) as caught:
        sniff_records(tmp_path / name)
    assert caught.value.code is Code.E_NO_INPUT


def test_other_folder_is_refused_with_its_content(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="found an empty folder"):
        sniff_records(tmp_path)
    for number in range(8):
        (tmp_path / f"{number}.dcm").touch()
    with pytest.raises(NoInputError, match=r"found 0.dcm, .*5.dcm and 2 more"):
        sniff_records(tmp_path)
