"""Identity: ids that tell nothing, are safe as names and stay the same."""

import csv
import io
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import MachineError, SettingsError
from medpipe.io.series import Study
from medpipe.runs.identity import Identity, Names, load_key, mapping_csv, write_secret

KEY = b"k" * 64
ANY_TEXT = st.text(st.characters(), max_size=40)
HOSTILE = (
    "../../etc/passwd",
    "/abs",
    "a\0b",
    "x" * 10_000,
    "\u202egnp.exe",
    "😀",
    "CON",
    "..",
    "<script>alert(1)</script>",
    "\ud800",
    "",
)


def study(uid: str = "1.2.3", *, patient: str = "", name: str = "", path: str = "a/b.dcm") -> Study:
    return Study(uid=uid, series=(), paths=(path,), patient=patient, name=name)


class TestIds:
    def test_equal_keys_give_equal_ids_and_others_give_others(self) -> None:
        first = Identity(KEY).study_id(study())
        assert first == Identity(bytes(KEY)).study_id(study())
        assert first != Identity(b"j" * 64).study_id(study())
        assert first != Identity(KEY).study_id(study("1.2.4"))

    def test_study_and_patient_of_one_name_get_different_ids(self) -> None:
        identity = Identity(KEY)
        assert identity.patient_id("7")[3:] != identity.study_id(study("7"))[3:]

    def test_a_header_without_patient_gives_no_patient_id(self) -> None:
        assert Identity(KEY).patient_id("") == ""

    def test_fingerprint_tells_keys_apart_without_telling_the_key(self) -> None:
        assert Identity(KEY).fingerprint != Identity(b"j" * 64).fingerprint
        assert KEY.decode() not in Identity(KEY).fingerprint

    @given(ANY_TEXT)
    def test_hashed_ids_are_safe_whatever_the_header_says(self, text: str) -> None:
        assert re.fullmatch(r"st-[0-9a-f]{20}", Identity(KEY).study_id(study(text, patient=text, name=text)))

    @given(ANY_TEXT)
    def test_original_names_are_safe_whatever_they_were(self, text: str) -> None:
        self._check_original(text)

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_hostile_names_become_safe(self, text: str) -> None:
        assert re.fullmatch(r"st-[0-9a-f]{20}", Identity(KEY).study_id(study(text)))
        self._check_original(text)

    def test_original_name_stays_readable_and_unique(self) -> None:
        identity = Identity(KEY, Names.ORIGINAL)
        first = identity.study_id(study("1", name="sub-01_ses-2"))
        assert re.fullmatch(r"sub-01_ses-2-[0-9a-f]{8}", first)
        assert first != identity.study_id(study("2", name="sub-01_ses-2"))

    def test_original_name_is_the_file_name_where_there_is_no_other(self) -> None:
        named = Identity(KEY, Names.ORIGINAL).study_id(study(path="scans/knee left.nii.gz"))
        assert re.fullmatch(r"knee-left-[0-9a-f]{8}", named)

    @staticmethod
    def _check_original(text: str) -> None:
        named = Identity(KEY, Names.ORIGINAL).study_id(study(text, name=text))
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}", named)
        assert Path("/run", named).resolve().parent == Path("/run")


class TestKey:
    @pytest.fixture(autouse=True)
    def configuration(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def test_is_made_once_and_only_its_owner_reads_it(self, tmp_path: Path) -> None:
        key = load_key()
        assert load_key() == key
        assert len(key) == 64
        path = tmp_path / "medpipe" / "key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [item.name for item in path.parent.iterdir()] == ["key"]

    def test_processes_that_race_get_one_key(self, tmp_path: Path) -> None:
        command = "from medpipe.runs.identity import load_key; print(load_key().decode())"
        racers = [
            subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        keys = {racer.communicate()[0].strip() for racer in racers}
        assert keys == {load_key().decode()}

    def test_named_file_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "mine").write_text("0123456789" * 4 + "\n")
        assert load_key(tmp_path / "mine") == b"0123456789" * 4

    def test_short_key_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "mine").write_text("secret")
        with pytest.raises(SettingsError, match="found 6 characters, at least 32"):
            load_key(tmp_path / "mine")

    def test_missing_file_is_refused_and_not_made(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="found No such file"):
            load_key(tmp_path / "mine")
        assert not (tmp_path / "mine").exists()

    def test_file_that_is_no_text_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "mine").write_bytes(b"\xff" * 64)
        with pytest.raises(SettingsError, match="found bytes that are no text"):
            load_key(tmp_path / "mine")

    def test_folder_that_cannot_be_written_is_the_machines_fault(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
        with pytest.raises(MachineError, match="found Not a directory"):
            load_key()


class TestMapping:
    def test_leads_from_ids_back_to_identifiers(self) -> None:
        identity = Identity(KEY)
        text = mapping_csv([("st-1", study("1.2.3", patient="P7"))], identity)
        row = next(csv.DictReader(io.StringIO(text)))
        assert row == {
            "study_id": "st-1",
            "patient_id": identity.patient_id("P7"),
            "study_uid": "1.2.3",
            "patient": "P7",
            "num_files": "1",
            "first_path": "a/b.dcm",
        }

    @pytest.mark.parametrize(
        "text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\0=1"]
    )
    def test_formulas_are_made_harmless(self, text: str) -> None:
        rows = list(csv.reader(io.StringIO(mapping_csv([("st-1", study(patient=text))], Identity(KEY)))))
        assert rows[1][3].startswith("'")

    @given(ANY_TEXT)
    def test_no_header_field_adds_rows_or_cells(self, text: str) -> None:
        table = mapping_csv([("st-1", study(text, patient=text, path=text))], Identity(KEY))
        assert len(table.splitlines()) <= 2 + sum(table.count(char) for char in "\x85\u2028\u2029")
        rows = list(csv.reader(io.StringIO(table, newline="")))
        assert [len(row) for row in rows] == [6, 6]
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in rows[1])

    def test_secret_file_is_never_readable_by_others(self, tmp_path: Path) -> None:
        path = tmp_path / "mapping.csv"
        for text in ("first", "second \ud800"):
            write_secret(path, text)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == "second ?"
