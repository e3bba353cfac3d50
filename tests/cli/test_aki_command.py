"""The command aki: options, exit codes, data on standard output, words on standard error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medpipe.core.codes import Code

Medpipe = Callable[..., Any]


@pytest.fixture
def run(medpipe: Medpipe, small_ward: Path, kidney_package: Path, tmp_path: Path) -> Medpipe:
    """Return a caller of aki over the small ward."""

    def call(*arguments: object) -> Any:
        chosen = ("-o", tmp_path / "out", "--package", kidney_package, "--device", "cpu")
        return medpipe(
            *("aki", small_ward / "meds", *chosen),
            *("--predicates", "ward", "--shard-patients", 5, "--pages", 0, *arguments),
        )

    return call


def test_run_status_and_evaluation(run: Medpipe, medpipe: Medpipe, tmp_path: Path) -> None:
    said = run()
    assert said.code == 0
    assert "stays\t12" in said.out
    assert "12 patients in 3 shards from" in said.err
    assert "risk of 0.5 or more within 48 h, none for 24 h after one" in said.err
    again = medpipe("status", tmp_path / "out", "--json").data
    assert [shard["id"] for shard in again["shards"]] == ["shard-00000", "shard-00001", "shard-00002"]
    assert again["kidney"]["stays"] == 12
    assert again["kidney"]["alerts_of"] == {"horizon_h": 48.0, "threshold": 0.5}
    scores = medpipe("evaluate", "aki", tmp_path / "out", "-o", tmp_path / "scores", "--resamples", 5)
    assert scores.code == 0
    assert "24 h\t12\t" in scores.out


def test_json_has_the_totals(run: Medpipe) -> None:
    data = run("--json", "--threshold", 1, "--horizon", 24, "--patient", "3").data
    assert data["kidney"]["alerts_of"] == {"horizon_h": 24.0, "threshold": 1.0}
    assert data["counts"]["done"] + data["counts"]["flagged"] == 3


def test_dry_run_counts_and_writes_nothing(run: Medpipe, tmp_path: Path) -> None:
    said = run("--dry-run")
    assert said.code == 0
    assert "shard-00002\t2 patients" in said.out
    assert "12 patients in 3 shards" in said.err
    assert not (tmp_path / "out").exists()


def test_folder_of_images_and_package_of_another_task(
    medpipe: Medpipe, kidney_package: Path, small_ward: Path, tmp_path: Path
) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.dcm").write_bytes(bytes(200))
    said = medpipe("aki", tmp_path / "scans", "-o", tmp_path / "out", "--package", kidney_package)
    assert (said.code, Code.E_NO_INPUT.value in said.err) == (3, True)
    said = medpipe("aki", small_ward / "meds", "-o", tmp_path / "out", "--package", "head-ct")
    assert (said.code, Code.E_PACKAGE.value in said.err) == (2, True)
    said = medpipe("segment", small_ward / "meds", "-o", tmp_path / "out", "--package", kidney_package)
    assert (said.code, "segments nothing: it forecasts kidney injury" in said.err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_records_given_to_a_pipeline_of_images(medpipe: Medpipe, small_ward: Path, tmp_path: Path) -> None:
    said = medpipe("run", "measure", small_ward / "meds", "-o", tmp_path / "out", "--device", "cpu")
    assert said.code == 3
    assert "Health records go to 'medpipe aki'" in said.err


def test_table_without_a_row_holds_no_patient(medpipe: Medpipe, kidney_package: Path, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("patient,time,code,value,unit\n")
    said = medpipe("aki", tmp_path / "events.csv", "-o", tmp_path / "out", "--package", kidney_package)
    assert said.code == 3
    assert "hold no patient" in said.err


def test_refused_patients_are_named_and_the_exit_is_0(
    medpipe: Medpipe, kidney_package: Path, tmp_path: Path
) -> None:
    records = tmp_path / "set"
    records.mkdir()
    for number, age in ((1, 60), (2, 300)):
        lines = (f"00:00,RecordID,{number}", f"00:00,Age,{age}", "01:00,Creatinine,1.0", "20:00,HR,80")
        (records / f"{number}.txt").write_text("\n".join(("Time,Parameter,Value", *lines)) + "\n")
    said = medpipe(
        *("aki", records, "-o", tmp_path / "out", "--package", kidney_package, "--names", "original")
    )
    assert said.code == 0
    assert "refused: 2: E_RECORD: The age at admission is no human's" in said.err
    assert "refused records\t1" in said.out


def test_codes_that_the_predicates_do_not_know_are_told_with_the_flags(
    medpipe: Medpipe, kidney_package: Path, small_ward: Path, tmp_path: Path
) -> None:
    said = medpipe("aki", small_ward / "meds", "-o", tmp_path / "out", "--package", kidney_package)
    assert said.code == 0
    assert "flagged: shard-00000: W_NO_LABS: 12 of 12 records" in said.err
    assert "the predicates 'mimic' do not know the codes of" in said.err


def test_patient_who_is_not_there_is_told(run: Medpipe) -> None:
    said = run("--patient", "3", "--patient", "nobody")
    assert said.code == 0
    assert "no page for --patient nobody: no finished shard holds a stay" in said.err
    assert "--patient 3:" not in said.err
