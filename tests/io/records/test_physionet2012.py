"""PhysioNet 2012: stays out of archives and folders, and files that are none."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, RefusedError, SettingsError
from medpipe.io.records.physionet2012 import HEADER, MAX_FILE_BYTES, read_physionet2012

STAY = f"""{HEADER}
00:00,RecordID,132539
00:00,Age,54
00:00,Gender,0
00:00,Height,-1
00:00,ICUType,4
00:00,Weight,-1
00:07,HR,73
47:30,Creatinine,0.8
47:31,Weight,80.6
"""


def archive(folder: Path, *stays: str, name: str = "set-a.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w") as file:
        for number, text in enumerate(stays):
            file.writestr(f"set-a/{number}.txt", text)
    return folder / name


def test_stay_has_hours_values_and_statics(tmp_path: Path) -> None:
    (only,) = read_physionet2012(archive(tmp_path, STAY))
    assert only.patient_id == "132539"
    assert only.codes.tolist() == ["Weight", "HR", "Creatinine", "Weight"]
    assert only.time_h.tolist() == pytest.approx([0.0, 7 / 60, 47.5, 47 + 31 / 60])
    np.testing.assert_array_equal(only.values, [np.nan, 73.0, 0.8, 80.6])
    assert dict(only.statics) == {"age": 54.0, "sex": "F"}


def test_folder_of_texts_and_of_archives_read_the_same(tmp_path: Path) -> None:
    archive(tmp_path, STAY)
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "132539.txt").write_text(STAY)
    (texts / "Outcomes-a.txt").write_text("RecordID,SAPS-I\n132539,6\n")
    for path in (tmp_path, texts):
        assert [item.patient_id for item in read_physionet2012(path)] == ["132539"]


def test_sex_that_is_missing_is_left_out(tmp_path: Path) -> None:
    (only,) = read_physionet2012(archive(tmp_path, STAY.replace("Gender,0", "Gender,-1")))
    assert "sex" not in only.statics


def test_stay_of_two_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the stay is in two files"):
        list(read_physionet2012(archive(tmp_path, STAY, STAY)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STAY.replace("00:07,HR,73", "00:07,HR"), "0.txt, line 8: no time, parameter and value"),
        (STAY.replace("00:07", "seven"), "line 8"),
        (STAY.replace("HR,73", "HR,high"), "line 8"),
        (STAY.replace("RecordID", "Record"), "RecordID is missing"),
        (STAY.replace("132539", "inf"), "RecordID is missing"),
        ("a,b\n1,2\n", "first line is not that of the challenge"),
        (HEADER + "\n" * MAX_FILE_BYTES, "too large for a stay"),
    ],
    ids=["two cells", "no time", "no number", "no id", "endless id", "no header", "too large"],
)
def test_file_that_is_no_stay_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        list(read_physionet2012(archive(tmp_path, text)))


def test_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, STAY)
    content = bytearray(path.read_bytes())
    content[content.index(b"132539")] ^= 1  # a stored member: its checksum no longer fits
    path.write_bytes(content)
    with pytest.raises(RefusedError, match=r"archive set-a\.zip cannot be read") as caught:
        list(read_physionet2012(path))
    assert caught.value.code is Code.E_CHECKSUM


def test_archive_without_stays_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="holds no stays"):
        list(read_physionet2012(archive(tmp_path)))
