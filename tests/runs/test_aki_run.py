"""Runs over health records: shards through the machinery of studies, with a package that learned nothing."""

import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.runs import runner
from medpipe.runs.cohort import render
from medpipe.runs.folder.run_folder import RunFolder
from medpipe.runs.folder.state import State
from medpipe.runs.identity import Names
from medpipe.runs.kidney_shards.run import aki, aki_pipeline
from medpipe.runs.kidney_shards.totals import read_totals
from medpipe.runs.options import RunOptions
from medpipe.runs.plan import Shard, UnitKind
from medpipe.runs.summary import RunSummary, status
from medpipe.simulate.ward.writing import write_ward

TABLES = ("alerts", "labs", "predictions", "stays")


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def go(
    records: Path,
    output: Path,
    package: Path,
    *,
    size: int = 5,
    params: dict[str, Any] | None = None,
    **options: Any,
) -> RunSummary:
    chosen = RunOptions(device="cpu", workers=0, shard_patients=size, **options)
    given = {"predicates": "ward", "pages": 1, **(params or {})}
    return aki(records, output, package=str(package), options=chosen, **given)


def table(output: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in sorted((output / "studies").glob(f"shard-*/tables/{name}.parquet")):
        rows += pyarrow.parquet.read_table(path).to_pylist()
    return rows


def content(output: Path) -> dict[str, str]:
    """Hash every file of the shards and of their folders."""
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("studies", "records")
        for path in sorted((output / part).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def finished(
    small_ward: Path, kidney_package: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, RunSummary]:
    """Return a run over the small ward that is done, and what it said."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        return folder, go(small_ward / "meds", folder / "out", kidney_package)


class TestWholeRun:
    def test_every_shard_is_a_unit_with_its_state(self, finished: tuple[Path, RunSummary]) -> None:
        folder, summary = finished
        assert (summary.kind, summary.num_units, summary.num_patients) == (UnitKind.SHARD, 3, 12)
        assert summary.counts[State.DONE] + summary.counts[State.FLAGGED] == 3
        assert [state.label for state in summary.states.values()] == [
            "5 patients",
            "5 patients",
            "2 patients",
        ]
        assert status(folder / "out").counts == summary.counts

    def test_unit_folder_holds_tables_counts_and_one_trajectory(
        self, finished: tuple[Path, RunSummary]
    ) -> None:
        unit = finished[0] / "out" / "studies" / "shard-00000"
        assert sorted(path.stem for path in (unit / "tables").iterdir()) == list(TABLES)
        counts = json.loads((unit / "counts.json").read_text())
        assert (counts["patients"], counts["stays"], counts["source"]) == (5, 5, "meds")
        assert counts["rows"]["read"] == counts["rows"]["kept"] + sum(counts["rows"]["left_out"].values())
        alerted = {row["stay"] for row in table(finished[0] / "out", "alerts")}
        assert alerted
        pages = sorted(path.suffix for path in (unit / "trajectories").iterdir())
        assert pages == [".html", ".json"]

    def test_tables_name_all_patients_and_no_identifier(self, finished: tuple[Path, RunSummary]) -> None:
        output = finished[0] / "out"
        with (output / "mapping.csv").open() as file:
            names = {row["patient_id"]: row["patient"] for row in csv.DictReader(file)}
        assert {row["subject_id"] for row in table(output, "predictions")} == set(names)
        assert sorted(names.values(), key=int) == [str(seed) for seed in range(12)]
        assert len(table(output, "stays")) == 12

    def test_page_of_the_stays_links_to_the_pages_that_were_drawn(
        self, finished: tuple[Path, RunSummary]
    ) -> None:
        output = finished[0] / "out"
        text = (output / "stays.html").read_text()
        drawn = [path.relative_to(output) for path in output.glob("studies/*/trajectories/*.html")]
        assert drawn
        assert all(str(path) in text for path in drawn)
        assert "shard-00002" in (output / "index.html").read_text()

    def test_totals_are_the_sums(self, finished: tuple[Path, RunSummary]) -> None:
        output = finished[0] / "out"
        totals = read_totals(output / "studies")
        assert totals is not None
        assert totals.numbers["stays"] == 12
        assert totals.numbers["alerts"] == len(table(output, "alerts"))
        assert totals.model == "small 0.1.0"
        assert totals.threshold == 0.5

    def test_size_of_shards_changes_no_prediction(
        self, finished: tuple[Path, RunSummary], small_ward: Path, kidney_package: Path, tmp_path: Path
    ) -> None:
        key = finished[0] / "config" / "medpipe" / "key"
        go(small_ward / "meds", tmp_path / "out", kidney_package, size=100, key=key)
        one, other = (table(folder, "predictions") for folder in (finished[0] / "out", tmp_path / "out"))
        assert len(one) == len(other)
        for row, again in zip(one, other, strict=True):
            assert (row["subject_id"], row["time_h"]) == (again["subject_id"], again["time_h"])
            assert row["probability"] == pytest.approx(again["probability"], abs=1e-5)

    def test_the_same_patients_out_of_another_form(
        self, small_ward: Path, kidney_package: Path, tmp_path: Path
    ) -> None:
        chosen = {"predicates": "plain", "pages": 0}
        summary = go(small_ward / "events.csv", tmp_path / "out", kidney_package, params=chosen)
        assert summary.num_patients == 12
        assert len(table(tmp_path / "out", "stays")) == 12


class TestGoingOn:
    @pytest.fixture
    def output(self, finished: tuple[Path, RunSummary], tmp_path: Path) -> Path:
        """Return a copy of the finished run, with its key."""
        shutil.copytree(finished[0] / "config", tmp_path / "config")
        return Path(shutil.copytree(finished[0] / "out", tmp_path / "out"))

    def test_finished_shards_are_left_alone(
        self, output: Path, small_ward: Path, kidney_package: Path
    ) -> None:
        before = {path.name: path.stat().st_mtime_ns for path in (output / "studies").iterdir()}
        go(small_ward / "meds", output, kidney_package)
        assert before == {path.name: path.stat().st_mtime_ns for path in (output / "studies").iterdir()}

    def test_other_threshold_needs_update(self, output: Path, small_ward: Path, kidney_package: Path) -> None:
        with pytest.raises(SettingsError, match="changed: aki"):
            go(small_ward / "meds", output, kidney_package, params={"threshold": 0.9})
        go(small_ward / "meds", output, kidney_package, params={"threshold": 0.9}, update=True)
        totals = read_totals(output / "studies")
        assert totals is not None
        assert totals.threshold == 0.9

    def test_shards_of_another_size_are_refused(
        self, output: Path, small_ward: Path, kidney_package: Path
    ) -> None:
        with pytest.raises(SettingsError, match="shards of another size"):
            go(small_ward / "meds", output, kidney_package, size=6)

    def test_other_records_are_refused(self, output: Path, small_ward: Path, kidney_package: Path) -> None:
        with pytest.raises(SettingsError, match="begun with other records"):
            go(small_ward / "events.csv", output, kidney_package)

    def test_retry_works_on_named_shards(self, output: Path) -> None:
        before = content(output)
        stamp = (output / "studies" / "shard-00001").stat().st_ino
        summary = runner.retry(output, unit_ids=("shard-00001",), options=RunOptions(workers=0, device="cpu"))
        assert summary.counts[State.DONE] + summary.counts[State.FLAGGED] == 3
        assert content(output) == before
        assert (output / "studies" / "shard-00001").stat().st_ino != stamp

    def test_pages_are_drawn_again(self, output: Path) -> None:
        pages = [*output.glob("studies/*/trajectories/*.html"), output / "stays.html"]
        texts = [page.read_bytes() for page in pages]
        for page in pages:
            page.unlink()
        render(output)
        assert [page.read_bytes() for page in pages] == texts

    def test_parts_of_the_shards(self, small_ward: Path, kidney_package: Path, tmp_path: Path) -> None:
        parts = [
            go(small_ward / "meds", tmp_path / "new", kidney_package, shard=Shard(index, 2))
            for index in (1, 2)
        ]
        # Of three shards the first part has two, whatever their names.
        assert [part.counts[State.PENDING] for part in parts] == [1, 0]

    def test_changed_source_is_worked_on_anew_where_it_differs(
        self, kidney_package: Path, tmp_path: Path
    ) -> None:
        records = tmp_path / "events.csv"
        lines = [f"{name},{hour},creatinine,80,umol/L" for name in "abcd" for hour in (0, 12, 24)]
        records.write_text("\n".join(["patient,time,code,value,unit", *lines]) + "\n")
        plain = {"predicates": "plain"}
        go(records, tmp_path / "out", kidney_package, size=2, params=plain)
        first = (tmp_path / "out" / "studies" / "shard-00000").stat().st_ino
        records.write_text(records.read_text() + "d,30,creatinine,90,umol/L\n")
        go(records, tmp_path / "out", kidney_package, size=2, params=plain)
        assert (tmp_path / "out" / "studies" / "shard-00000").stat().st_ino == first
        stays = {row["subject_id"]: row["steps"] for row in table(tmp_path / "out", "stays")}
        assert sorted(stays.values()) == [4, 4, 4, 5]


class TestNames:
    def test_patient_is_named_as_the_records_name_it(
        self, small_ward: Path, kidney_package: Path, tmp_path: Path
    ) -> None:
        named = {"patients": ["3"], "pages": 0}
        go(small_ward / "meds", tmp_path / "out", kidney_package, params=named)
        (page,) = tmp_path.glob("out/studies/*/trajectories/*.json")
        with (tmp_path / "out" / "mapping.csv").open() as file:
            names = {row["patient"]: row["patient_id"] for row in csv.DictReader(file)}
        assert json.loads(page.read_text())["patient_id"] == names["3"]
        assert RunFolder(tmp_path / "out").read_record().pipeline["stages"][0]["patients"] == [names["3"]]

    def test_fhir_is_written_where_asked_for(
        self, small_ward: Path, kidney_package: Path, tmp_path: Path
    ) -> None:
        asked = {"patients": ["3"], "pages": 0, "fhir": True}
        go(small_ward / "meds", tmp_path / "out", kidney_package, params=asked)
        (path,) = tmp_path.glob("out/studies/*/trajectories/fhir/*.json")
        bundle = json.loads(path.read_text())
        kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
        assert (bundle["resourceType"], kinds) == ("Bundle", {"RiskAssessment"})

    def test_original_names(self, small_ward: Path, kidney_package: Path, tmp_path: Path) -> None:
        go(small_ward / "meds", tmp_path / "out", kidney_package, names=Names.ORIGINAL)
        assert {row["subject_id"] for row in table(tmp_path / "out", "stays")} == set(map(str, range(12)))


class TestWrongInput:
    def test_empty_folder(self, kidney_package: Path, tmp_path: Path) -> None:
        (tmp_path / "nothing").mkdir()
        with pytest.raises(NoInputError, match="found an empty folder"):
            go(tmp_path / "nothing", tmp_path / "out", kidney_package)
        assert not (tmp_path / "out").exists()

    def test_folder_of_images(self, kidney_package: Path, tmp_path: Path) -> None:
        (tmp_path / "scans").mkdir()
        (tmp_path / "scans" / "a.nii").write_bytes(bytes(400))
        with pytest.raises(NoInputError, match=r"no form of health records.*a.nii"):
            go(tmp_path / "scans", tmp_path / "out", kidney_package)
        assert not (tmp_path / "out").exists()

    def test_records_in_a_pipeline_of_images_are_no_images(self, small_ward: Path, tmp_path: Path) -> None:
        summary = runner.run(
            "measure", [small_ward / "meds"], tmp_path / "out", options=RunOptions(workers=0, device="cpu")
        )
        assert (summary.num_units, summary.kind) == (0, UnitKind.STUDY)
        assert summary.num_skipped == summary.num_files > 0

    def test_package_of_another_task(self, small_ward: Path, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="forecasts nothing"):
            go(small_ward / "meds", tmp_path / "out", Path("head-ct"))

    def test_two_sources(self, small_ward: Path, kidney_package: Path, tmp_path: Path) -> None:
        pipeline = aki_pipeline({"package": str(kidney_package)})
        with pytest.raises(SettingsError, match="one source: found 2 inputs"):
            runner.run(pipeline, [small_ward / "meds"] * 2, tmp_path / "out")

    def test_times_of_two_forms_stop_the_run_and_can_be_mended(
        self, kidney_package: Path, tmp_path: Path
    ) -> None:
        records = tmp_path / "events.csv"
        head = "patient,time,code,value,unit\na,2026-03-01T10:00:00+01:00,creatinine,80,umol/L\n"
        records.write_text(head + "a,2026-03-01T20:00:00,creatinine,80,umol/L\n")
        plain = {"predicates": "plain"}
        with pytest.raises(SettingsError, match="times are of two forms"):
            go(records, tmp_path / "out", kidney_package, params=plain)
        # In summer time from 2 o'clock on: 10:00+01:00 to 22:00+02:00 are 11 hours.
        records.write_text(head + "a,2026-03-01T22:00:00+02:00,creatinine,80,umol/L\n")
        go(records, tmp_path / "out", kidney_package, params=plain)
        (stay,) = table(tmp_path / "out", "stays")
        assert stay["steps"] == 1
        assert stay["followed_h"] == 6.0

    def test_shard_of_refused_patients_alone_is_refused(self, kidney_package: Path, tmp_path: Path) -> None:
        import pyarrow as pa

        moments = [None, "2020-01-05", "2020-01-01", None, "1960-01-05", "2020-01-01", "2020-01-03"]
        meds = tmp_path / "meds" / "data"
        meds.mkdir(parents=True)
        events = pa.table(
            {
                "subject_id": pa.array([1, 1, 1, 2, 2, 2, 2], pa.int64()),
                "time": pa.array(
                    [None if moment is None else moment + "T00:00:00" for moment in moments], pa.string()
                ).cast(pa.timestamp("us")),
                "code": ["GENDER//F", "MEDS_BIRTH", "LAB//x", "GENDER//M", "MEDS_BIRTH", "LAB//x", "LAB//x"],
                "numeric_value": pa.array([None, None, 1.0, None, None, 1.0, 2.0], pa.float32()),
            }
        )
        pyarrow.parquet.write_table(events, meds / "0.parquet")
        summary = go(tmp_path / "meds", tmp_path / "out", kidney_package, size=1)
        states = {name: state.state for name, state in summary.states.items()}
        assert states == {"shard-00000": State.REFUSED, "shard-00001": State.FLAGGED}
        assert "Birth lies after admission" in summary.states["shard-00000"].reasons[0].message


COMMAND = """
import sys
from medpipe.runs.kidney_shards.run import aki
from medpipe.runs.options import RunOptions
options = RunOptions(device="cpu", workers=2, shard_patients=20)
aki(sys.argv[1], sys.argv[2], package=sys.argv[3], options=options, predicates="ward", pages=1)
"""


@pytest.mark.slow
def test_run_killed_five_times_and_resumed_equals_an_undisturbed_one(
    kidney_package: Path, tmp_path: Path
) -> None:
    write_ward(tmp_path / "ward", range(200), shard_size=50)
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "OMP_NUM_THREADS": "1"}

    def start(output: Path) -> "subprocess.Popen[bytes]":
        words = [str(tmp_path / "ward" / "meds"), str(output), str(kidney_package)]
        return subprocess.Popen([sys.executable, "-c", COMMAND, *words], env=environment)

    assert start(tmp_path / "whole").wait() == 0
    whole, output, rng = content(tmp_path / "whole"), tmp_path / "killed", random.Random(20270104)
    # The first two kills fall into the import, the others into the work.
    for pattern, count in (
        ("records/shard-*", 2),
        ("records/shard-*", 6),
        *(("state/*.json", n) for n in (1, 4, 8)),
    ):
        process = start(output)
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if output.exists() and len(list(output.glob(pattern))) >= count:
                time.sleep(rng.uniform(0, 0.2))
                break
            time.sleep(0.005)
        assert process.poll() is None, "the run ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(output).wait() == 0
    assert content(output) == whole
    assert status(output).counts == status(tmp_path / "whole").counts
    assert not list((output / "work").iterdir())
    assert not list((output / "state").glob("*.lease"))
