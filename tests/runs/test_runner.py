"""The runner: a run over files, again, changed, in parts; no study lost, nothing done twice."""

import csv
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, NoInputError, SettingsError
from medpipe.runs import runner
from medpipe.runs.folder.lease import EXPIRY_S, Leases
from medpipe.runs.folder.run_folder import RunFolder
from medpipe.runs.folder.state import State
from medpipe.runs.options import RunOptions
from medpipe.runs.plan import Shard
from medpipe.runs.summary import RunSummary, status

if TYPE_CHECKING:
    from tests.runs.conftest import ToyRun

PIPELINE = """\
name: small
accepts: {image: {form: [volume]}}
stages:
  - use: load
  - use: measure
    mask: false
"""


def write_nifti(path: Path, seed: int = 0) -> Path:
    """Write a bright block in the dark."""
    values = np.zeros((8, 9, 10), dtype=np.int16)
    values[2:6, 2:6, 2:6] = 100 + seed
    image = nib.Nifti1Image(values, np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header.set_qform(image.affine, 1)
    image.header.set_sform(image.affine, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image.to_bytes())
    return path


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Return a tree of three good images, a broken one and a text."""
    folder = tmp_path / "scans"
    for seed, name in enumerate(("a.nii", "sub/b.nii", "sub/c.nii")):
        write_nifti(folder / name, seed)
    whole = write_nifti(folder / "cut.nii", 7).read_bytes()
    (folder / "cut.nii").write_bytes(whole[:-100])
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(PIPELINE)
    return path


def go(
    pipeline: Path | str,
    inputs: Path | Sequence[Path],
    output: Path,
    *,
    overrides: Sequence[str] = (),
    **options: Any,
) -> RunSummary:
    listed = [inputs] if isinstance(inputs, Path) else inputs
    chosen = RunOptions(device="cpu", workers=0, **options)
    return runner.run(str(pipeline), listed, output, options=chosen, overrides=overrides)


def counts(summary: RunSummary) -> dict[str, int]:
    return {state.value: count for state, count in summary.counts.items() if count}


def id_of(summary: RunSummary, label: str) -> str:
    return next(unit_id for unit_id, state in summary.states.items() if state.label == label)


def content(output: Path) -> dict[str, bytes]:
    studies = output / "studies"
    return {
        str(path.relative_to(studies)): path.read_bytes()
        for path in sorted(studies.rglob("*"))
        if path.is_file()
    }


def stamps(output: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of each study folder: both stay as long as nothing is done."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (output / "studies").iterdir()
    }


class TestFirstRun:
    def test_every_file_is_accounted_for(self, pipeline: Path, scans: Path, output: Path) -> None:
        summary = go(pipeline, scans, output)
        assert sum(summary.counts.values()) == summary.num_units == 4
        assert summary.counts[State.REFUSED] == 1
        assert summary.counts[State.DONE] + summary.counts[State.FLAGGED] == 3
        assert (summary.num_files, summary.num_skipped) == (5, 1)

    def test_refused_study_has_its_reason_and_no_folder(
        self, pipeline: Path, scans: Path, output: Path
    ) -> None:
        summary = go(pipeline, scans, output)
        refused = summary.states[id_of(summary, "cut.nii")]
        assert refused.reasons[0].code is Code.E_TRUNCATED
        assert not (output / "studies" / refused.id).exists()
        assert len(list((output / "studies").iterdir())) == 3

    def test_run_folder_says_how_it_was_made(self, pipeline: Path, scans: Path, output: Path) -> None:
        summary = go(pipeline, scans, output)
        record = RunFolder(output).read_record()
        assert record.inputs == (str(scans),)
        assert [stage["use"] for stage in record.pipeline["stages"]] == ["load", "measure"]
        listing = json.loads((output / "index.json").read_text())
        assert {unit["id"] for unit in listing["units"]} == set(summary.states)
        assert [name for name, _ in listing["skipped"]] == ["notes.txt"]
        assert (output / "index.html").is_file()
        assert list((output / "work").iterdir()) == []
        assert list((output / "state").glob("*.lease")) == []

    def test_mapping_is_for_the_owner_alone(self, pipeline: Path, scans: Path, output: Path) -> None:
        summary = go(pipeline, scans, output)
        path = output / "mapping.csv"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        rows = list(csv.DictReader(path.open()))
        assert {row["study_id"] for row in rows} == set(summary.states)
        assert {row["first_path"] for row in rows} == {"a.nii", "sub/b.nii", "sub/c.nii", "cut.nii"}

    def test_inputs_are_left_as_they_are(self, pipeline: Path, scans: Path, output: Path) -> None:
        before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in scans.rglob("*.nii")}
        go(pipeline, scans, output)
        assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in scans.rglob("*.nii")}

    def test_dry_run_writes_nothing(self, pipeline: Path, scans: Path, tmp_path: Path) -> None:
        before = {path for path in tmp_path.rglob("*") if "config" not in path.parts}
        planned = runner.plan(str(pipeline), [scans])
        assert len(planned.units) == 4
        assert {path for path in tmp_path.rglob("*") if "config" not in path.parts} == before

    def test_tree_without_studies_gives_an_empty_run(
        self, pipeline: Path, tmp_path: Path, output: Path
    ) -> None:
        (tmp_path / "empty").mkdir()
        assert go(pipeline, tmp_path / "empty", output).num_units == 0

    def test_missing_input_is_no_input(self, pipeline: Path, tmp_path: Path, output: Path) -> None:
        with pytest.raises(NoInputError, match="absent"):
            go(pipeline, tmp_path / "absent", output)
        assert not output.exists()

    def test_named_pipeline_ends_in_reports(self, scans: Path, output: Path) -> None:
        go("measure", scans / "a.nii", output)
        (study,) = (output / "studies").iterdir()
        assert "<html" in (study / "report.html").read_text()


def test_time_limit_without_workers_is_refused(pipeline: Path, scans: Path, output: Path) -> None:
    with pytest.raises(SettingsError, match="needs worker processes: found 0 workers"):
        go(pipeline, scans, output, time_limit_s=5.0)


class TestOutputFolder:
    def test_folder_of_something_else_is_refused(self, pipeline: Path, scans: Path, output: Path) -> None:
        output.mkdir()
        (output / "thesis.docx").touch()
        with pytest.raises(SettingsError, match="neither an empty folder nor a run: found 1 file"):
            go(pipeline, scans, output)
        assert [path.name for path in output.iterdir()] == ["thesis.docx"]

    def test_file_is_refused(self, pipeline: Path, scans: Path, output: Path) -> None:
        output.touch()
        with pytest.raises(SettingsError, match="neither an empty folder nor a run"):
            go(pipeline, scans, output)

    def test_empty_folder_is_taken(self, pipeline: Path, scans: Path, output: Path) -> None:
        output.mkdir()
        assert go(pipeline, scans, output).num_units == 4

    @pytest.mark.parametrize("left", [["studies", "work", "state", "logs"], ["studies"], []])
    def test_run_that_was_killed_while_it_began_goes_on(
        self, left: list[str], pipeline: Path, scans: Path, output: Path, tmp_path: Path
    ) -> None:
        go(pipeline, scans, tmp_path / "whole")
        output.mkdir()
        (output / "run.json").write_bytes((tmp_path / "whole" / "run.json").read_bytes())
        (output / ".tmp-0123").touch()
        for name in left:
            (output / name).mkdir()
        assert counts(go(pipeline, scans, output)) == counts(status(tmp_path / "whole"))

    def test_parent_that_cannot_hold_folders_is_the_machines_fault(
        self, pipeline: Path, scans: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        with pytest.raises((MachineError, SettingsError)):
            go(pipeline, scans, tmp_path / "file" / "out")


class TestAgain:
    def test_nothing_is_done_twice(self, pipeline: Path, scans: Path, output: Path) -> None:
        first = go(pipeline, scans, output)
        before = stamps(output)
        again = go(pipeline, scans, output)
        assert stamps(output) == before
        assert again.counts == first.counts
        assert again.states == first.states

    def test_new_study_is_added(self, pipeline: Path, scans: Path, output: Path) -> None:
        go(pipeline, scans, output)
        before = stamps(output)
        write_nifti(scans / "new.nii", 9)
        assert go(pipeline, scans, output).num_units == 5
        assert before.items() < stamps(output).items()

    def test_second_call_on_other_inputs_keeps_the_studies_of_the_first(
        self, pipeline: Path, scans: Path, output: Path, tmp_path: Path
    ) -> None:
        first = go(pipeline, scans, output)
        unfinished = id_of(first, "a.nii")
        (output / "state" / f"{unfinished}.json").unlink()
        second = go(pipeline, write_nifti(tmp_path / "more" / "d.nii", 30), output)
        assert second.num_units == 5
        assert second.states[unfinished].state is first.states[unfinished].state

    def test_finished_study_that_vanished_stays(self, pipeline: Path, scans: Path, output: Path) -> None:
        gone = id_of(go(pipeline, scans, output), "a.nii")
        (scans / "a.nii").unlink()
        again = go(pipeline, scans, output)
        assert again.num_units == 4
        assert again.states[gone].state in (State.DONE, State.FLAGGED)
        assert gone in (output / "mapping.csv").read_text()

    def test_unfinished_study_that_vanished_is_refused_and_comes_back(
        self, pipeline: Path, scans: Path, output: Path
    ) -> None:
        gone = id_of(go(pipeline, scans, output), "a.nii")
        (output / "state" / f"{gone}.json").unlink()
        whole = (scans / "a.nii").read_bytes()
        (scans / "a.nii").unlink()
        again = go(pipeline, scans, output)
        assert again.states[gone].state is State.REFUSED
        assert again.states[gone].reasons[0].code is Code.E_CHANGED
        assert sum(again.counts.values()) == 4
        (scans / "a.nii").write_bytes(whole)
        assert go(pipeline, scans, output).states[gone].state in (State.DONE, State.FLAGGED)

    def test_touched_file_is_read_again_with_equal_result(
        self, pipeline: Path, scans: Path, output: Path
    ) -> None:
        touched = id_of(go(pipeline, scans, output), "a.nii")
        before, old = stamps(output), content(output)
        os.utime(scans / "a.nii", (1e9, 1e9))
        go(pipeline, scans, output)
        assert {name for name, stamp in stamps(output).items() if before[name] != stamp} == {touched}
        assert content(output) == old

    def test_running_unit_of_a_dead_process_is_done(self, pipeline: Path, scans: Path, output: Path) -> None:
        first = go(pipeline, scans, output)
        unit_id = id_of(first, "a.nii")
        store = RunFolder(output).states
        store.write(first.states[unit_id].model_copy(update={"state": State.RUNNING}))
        assert status(output).states[unit_id].state is State.PENDING
        assert counts(go(pipeline, scans, output)) == counts(first)

    def test_damaged_index_is_written_again(self, pipeline: Path, scans: Path, output: Path) -> None:
        first = go(pipeline, scans, output)
        (output / "index.json").write_bytes(b"")
        assert status(output).num_units == 0
        assert go(pipeline, scans, output).counts == first.counts

    def test_unit_of_a_live_process_is_left_to_it(self, pipeline: Path, scans: Path, output: Path) -> None:
        first = go(pipeline, scans, output)
        unit_id = id_of(first, "a.nii")
        leases = Leases(output / "state")
        try:
            assert leases.acquire(unit_id)
            store = RunFolder(output).states
            store.write(first.states[unit_id].model_copy(update={"state": State.RUNNING}))
            assert go(pipeline, scans, output).states[unit_id].state is State.RUNNING
        finally:
            leases.close()

    def test_leftovers_of_killed_processes_are_swept(self, pipeline: Path, scans: Path, output: Path) -> None:
        unit_id = id_of(go(pipeline, scans, output), "a.nii")
        (output / "work" / f"{unit_id}.0123abcd").mkdir()
        (output / "work" / unit_id).mkdir()
        leftovers = [output / "state" / ".tmp-1", output / ".tmp-2"]
        for path in leftovers:
            path.touch()
        go(pipeline, scans, output)
        assert [path.name for path in (output / "work").iterdir()] == [unit_id]
        assert all(path.exists() for path in leftovers), "another process may be writing them"

    def test_old_leftovers_are_swept_everywhere(
        self, pipeline: Path, scans: Path, output: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        go(pipeline, scans, output)
        leftovers = [output / "state" / ".tmp-1", output / ".tmp-2"]
        for path in leftovers:
            path.touch()
        later = time.time() + 2 * EXPIRY_S
        monkeypatch.setattr("medpipe.io.atomic.time.time", lambda: later)
        go(pipeline, scans, output)
        assert not any(path.exists() for path in leftovers)


class TestChanges:
    CHANGE = ("measure.thin_to_mm=3.0",)

    def test_changed_pipeline_is_refused_by_name_of_its_stage(
        self, pipeline: Path, scans: Path, output: Path
    ) -> None:
        go(pipeline, scans, output)
        before = {path: path.read_bytes() for path in output.rglob("*.json")}
        with pytest.raises(SettingsError, match="found changed: measure") as caught:
            go(pipeline, scans, output, overrides=self.CHANGE)
        assert caught.value.code is Code.E_PIPELINE_CHANGED
        assert "--update" in caught.value.fix
        assert {path: path.read_bytes() for path in output.rglob("*.json")} == before

    def test_update_gives_what_a_new_run_gives(
        self, pipeline: Path, scans: Path, output: Path, tmp_path: Path
    ) -> None:
        go(pipeline, scans, output)
        go(pipeline, scans, output, overrides=self.CHANGE, update=True)
        fresh = tmp_path / "fresh"
        go(pipeline, scans, fresh, overrides=self.CHANGE)
        assert content(output) == content(fresh)

    def test_changed_seed_is_a_change(self, pipeline: Path, scans: Path, output: Path) -> None:
        go(pipeline, scans, output)
        before = stamps(output)
        with pytest.raises(SettingsError, match="found changed: seed"):
            go(pipeline, scans, output, seed=1)
        go(pipeline, scans, output, seed=1, update=True)
        assert not before.items() & stamps(output).items()

    def test_other_words_are_no_change(self, pipeline: Path, scans: Path, output: Path) -> None:
        go(pipeline, scans, output)
        before = stamps(output)
        pipeline.write_text(PIPELINE + "description: Other words.\n")
        go(pipeline, scans, output)
        assert stamps(output) == before

    @pytest.mark.parametrize("update", [False, True])
    def test_other_key_is_refused(
        self, update: bool, pipeline: Path, scans: Path, output: Path, tmp_path: Path
    ) -> None:
        go(pipeline, scans, output)
        (tmp_path / "other").write_text("0123456789abcdef" * 4)
        with pytest.raises(SettingsError, match="begun with another key"):
            go(pipeline, scans, output, key=tmp_path / "other", update=update)

    def test_study_that_the_changed_pipeline_refuses_loses_its_folder(
        self, pipeline: Path, scans: Path, output: Path
    ) -> None:
        unit_id = id_of(go(pipeline, scans, output), "a.nii")
        assert (output / "studies" / unit_id).is_dir()
        pipeline.write_text(PIPELINE.replace("form: [volume]", "form: [volume], min_slices: 11"))
        again = go(pipeline, scans, output, update=True)
        assert again.states[unit_id].state is State.REFUSED
        assert list((output / "studies").iterdir()) == []


class TestShards:
    def test_parts_make_the_whole(self, pipeline: Path, scans: Path, output: Path, tmp_path: Path) -> None:
        for seed in range(20, 26):
            write_nifti(scans / f"{seed}.nii", seed)
        first = go(pipeline, scans, output, shard=Shard(1, 2))
        assert 0 < first.counts[State.PENDING] < first.num_units == 10
        second = go(pipeline, scans, output, shard=Shard(2, 2))
        whole = go(pipeline, scans, tmp_path / "whole")
        assert second.counts == whole.counts
        assert content(output) == content(tmp_path / "whole")

    @pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/", "/2", "a/b", "-1/2", "²/3", "1/0"])
    def test_wrong_shards_are_refused(self, text: str) -> None:
        with pytest.raises(SettingsError, match="A shard is i/n"):
            Shard.parse(text)


TOGETHER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import toy_stages
from medpipe.core.settings import SettingsFile
from medpipe.runs.options import RunOptions
from medpipe.runs.pipeline import build_pipeline
from medpipe.runs.runner import run

data = {
    "name": "toy",
    "accepts": {"image": {"form": ["volume"]}},
    "stages": [{"use": "read"}, {"use": "measure"}],
}
pipeline = build_pipeline(SettingsFile("toy", data, {}), catalogue=toy_stages.CATALOGUE)
run(pipeline, [Path(sys.argv[1])], Path(sys.argv[2]), options=RunOptions(device="cpu", workers=0))
"""


@pytest.mark.slow
def test_processes_on_one_run_share_its_units(toy_run: "ToyRun", tmp_path: Path, output: Path) -> None:
    for seed in range(60):
        write_nifti(tmp_path / "many" / f"{seed}.nii", seed)
    command = [sys.executable, "-c", TOGETHER, tmp_path / "many", output, Path(__file__).parent]
    rivals = [subprocess.Popen(command) for _ in range(3)]
    assert [rival.wait() for rival in rivals] == [0, 0, 0]
    assert counts(status(output)) == {"done": 60}
    calls = toy_run.calls()
    assert len(calls) == len(set(calls)) == 120
    assert list((output / "work").iterdir()) == []


class TestRetry:
    def fail(self, output: Path, unit_id: str) -> None:
        store = RunFolder(output).states
        state = store.read(unit_id)
        assert state is not None
        store.write(state.model_copy(update={"state": State.FAILED}))

    def test_failed_units_are_done_again(self, pipeline: Path, scans: Path, output: Path) -> None:
        first = go(pipeline, scans, output)
        self.fail(output, id_of(first, "a.nii"))
        assert go(pipeline, scans, output).counts[State.FAILED] == 1
        again = runner.retry(output, options=RunOptions(device="cpu", workers=0))
        assert again.counts == first.counts

    def test_named_unit_is_done_again(self, pipeline: Path, scans: Path, output: Path) -> None:
        unit_id = id_of(go(pipeline, scans, output), "a.nii")
        before = stamps(output)
        runner.retry(output, unit_ids=[unit_id], options=RunOptions(device="cpu", workers=0))
        assert {name for name, stamp in stamps(output).items() if before[name] != stamp} == {unit_id}

    def test_unknown_unit_is_refused(self, pipeline: Path, scans: Path, output: Path) -> None:
        go(pipeline, scans, output)
        with pytest.raises(SettingsError, match="no such study: found st-x"):
            runner.retry(output, unit_ids=["st-x"])

    def test_folder_without_a_run_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"found no run\.json"):
            runner.retry(tmp_path)

    def test_retry_that_may_not_go_on_forgets_nothing(
        self, pipeline: Path, scans: Path, output: Path, tmp_path: Path
    ) -> None:
        unit_id = id_of(go(pipeline, scans, output), "a.nii")
        self.fail(output, unit_id)
        (tmp_path / "other").write_text("0123456789abcdef" * 4)
        with pytest.raises(SettingsError, match="another key"):
            runner.retry(output, options=RunOptions(device="cpu", workers=0, key=tmp_path / "other"))
        assert status(output).states[unit_id].state is State.FAILED


class TestFaults:
    def test_full_disk_stops_the_run_and_the_same_command_goes_on(
        self, toy_run: "ToyRun", scans: Path, output: Path
    ) -> None:
        options = RunOptions(device="cpu", workers=0)
        broken = toy_run.pipeline("read", ("measure", {"trouble": "disk full"}))
        with pytest.raises(MachineError, match=r"stopped.*No space left"):
            runner.run(broken, [scans], output, options=options)
        halted = status(output)
        assert halted.counts[State.PENDING] == halted.num_units == 4
        assert len(toy_run.calls()) == 2

    def test_stage_that_fails_everywhere_fails_every_unit(
        self, toy_run: "ToyRun", scans: Path, output: Path
    ) -> None:
        failing = toy_run.pipeline("read", ("measure", {"trouble": "error"}))
        summary = runner.run(failing, [scans], output, options=RunOptions(device="cpu", workers=0))
        assert counts(summary) == {"failed": 4}

    @pytest.mark.slow
    def test_crash_in_a_worker_costs_no_other_unit(
        self, toy_run: "ToyRun", scans: Path, output: Path
    ) -> None:
        crashing = toy_run.pipeline("read", ("measure", {"trouble": "kill once"}), "sum")
        summary = runner.run(crashing, [scans / "sub"], output, options=RunOptions(device="cpu", workers=1))
        assert counts(summary) == {"done": 2}
        assert list((output / "state").glob("*.lease")) == []
