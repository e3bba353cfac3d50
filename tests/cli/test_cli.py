"""The command line: exit codes, data on standard output, words on standard error."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import typer

from medpipe.cli.exit_codes import Exit, exit_of_counts
from medpipe.cli.main import app
from medpipe.core.codes import Code
from medpipe.runs.folder.run_folder import RunFolder
from medpipe.runs.folder.state import Reason, State
from medpipe.runs.stages.load import Load
from medpipe.runs.stages.measure import Measure
from medpipe.runs.stages.report import Report
from medpipe.runs.summary import status

Medpipe = Callable[..., Any]


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def write_nifti(path: Path, seed: int = 0) -> Path:
    values = np.zeros((8, 9, 10), dtype=np.int16)
    values[2:6, 2:6, 2:6] = 100 + seed
    image = nib.Nifti1Image(values, np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header.set_qform(image.affine, 1)
    image.header.set_sform(image.affine, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image.to_bytes())
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-100])
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    for seed in range(2):
        write_nifti(tmp_path / "good" / f"{seed}.nii", seed)
    return tmp_path / "good"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    write_nifti(tmp_path / "mixed" / "whole.nii")
    cut(write_nifti(tmp_path / "mixed" / "cut.nii", 1))
    return tmp_path / "mixed"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


class TestExitCodes:
    def test_0_all_done_and_again(self, medpipe: Medpipe, good: Path, output: Path) -> None:
        command = ("run", "measure", good, "-o", output, "--workers", 0)
        assert medpipe(*command).code == Exit.OK
        assert medpipe(*command).code == Exit.OK

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["run", "mesure", "{scans}", "-o", "{out}"], "Did you mean 'measure'"),
            (["run", "measure", "{scans}", "-o", "{out}", "--set", "measure.masc=1"], "Did you mean 'mask'"),
            (["run", "measure", "{scans}", "-o", "{out}", "--device", "abacus"], "Use auto, cpu, cuda"),
            (["run", "measure", "{scans}", "-o", "{out}", "--shard", "3/2"], "Such as 1/4"),
            (["run", "measure", "{scans}", "-o", "{scans}"], "Choose a new folder"),
            (["run", "measure", "{scans}"], "--output"),
            (["run", "measure", "{scans}", "-o", "{out}", "--time-limit", "0"], "seconds above 0"),
            (
                ["run", "measure", "{scans}", "-o", "{out}", "--group-by", "day"],
                "Invalid value for '--group-by'",
            ),
            (["run", "absent.yaml", "{scans}", "-o", "{out}"], "absent.yaml cannot be read"),
            (["status", "{scans}"], "no run.json"),
            (["status", "{scans}/0.nii"], "no run.json"),
            (["models", "info", "nothing"], "There is no model package"),
            (["config", "show", "nothing"], "no pipeline 'nothing'"),
            (["explode"], "No such command"),
        ],
    )
    def test_2_wrong_use(
        self, arguments: list[str], words: str, medpipe: Medpipe, good: Path, output: Path
    ) -> None:
        said = medpipe(*(text.format(scans=good, out=output) for text in arguments))
        assert said.code == Exit.USAGE
        assert words in said.err
        assert said.out == ""
        assert not output.exists()

    def test_3_nothing_readable(self, medpipe: Medpipe, tmp_path: Path, output: Path) -> None:
        (tmp_path / "empty").mkdir()
        for command in (
            ("index", tmp_path / "empty"),
            ("validate", tmp_path / "empty"),
            ("run", "measure", tmp_path / "absent", "-o", output),
            ("run", "measure", tmp_path / "empty", "-o", output, "--workers", 0),
        ):
            said = medpipe(*command)
            assert said.code == Exit.NO_INPUT
            assert "error E_NO_INPUT" in said.err
            assert "to do: " in said.err

    def test_4_some_refused_unless_that_is_allowed(self, medpipe: Medpipe, mixed: Path, output: Path) -> None:
        command = ("run", "measure", mixed, "-o", output, "--workers", 0)
        said = medpipe(*command)
        assert said.code == Exit.SOME
        assert "E_TRUNCATED" in said.out
        assert medpipe(*command, "--allow-refused").code == Exit.OK
        assert medpipe("validate", mixed).code == Exit.SOME

    def test_5_all_failed(self, medpipe: Medpipe, good: Path, output: Path) -> None:
        command = ("run", "measure", good, "-o", output, "--workers", 0)
        medpipe(*command)
        store = RunFolder(output).states
        for state in store.all().values():
            reason = Reason(code=Code.E_CRASH, message="The worker process died.")
            store.write(state.model_copy(update={"state": State.FAILED, "reasons": (reason,)}))
        assert medpipe(*command).code == Exit.ALL_FAILED
        assert medpipe("retry", output, "--workers", 0).code == Exit.OK

    def test_6_device_that_is_absent(self, medpipe: Medpipe, good: Path, output: Path) -> None:
        said = medpipe("run", "measure", good, "-o", output, "--device", "cuda:99")
        assert said.code == Exit.MACHINE
        assert "E_DEVICE" in said.err

    def test_6_sample_that_cannot_be_written(self, medpipe: Medpipe, good: Path) -> None:
        said = medpipe("sample", good / "0.nii")
        assert said.code == Exit.MACHINE
        assert "Cannot read or write" in said.err
        assert "found: Not a directory" in said.err

    @pytest.mark.parametrize(
        ("counts", "allow_refused", "code"),
        [
            ({}, False, 3),
            ({State.DONE: 1, State.FLAGGED: 1}, False, 0),
            ({State.DONE: 1, State.PENDING: 1}, False, 0),
            ({State.REFUSED: 2}, False, 4),
            ({State.REFUSED: 2}, True, 0),
            ({State.DONE: 1, State.FAILED: 1}, True, 4),
            ({State.REFUSED: 1, State.FAILED: 1}, True, 4),
            ({State.FAILED: 2}, True, 5),
        ],
    )
    def test_follow_from_the_counts(self, counts: dict[State, int], allow_refused: bool, code: int) -> None:
        every = {state: counts.get(state, 0) for state in State}
        assert exit_of_counts(every, allow_refused=allow_refused) == code


class TestInterruption:
    @pytest.mark.slow
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_130_and_the_same_command_goes_on(self, number: int, tmp_path: Path, output: Path) -> None:
        for seed in range(120):
            write_nifti(tmp_path / "many" / f"{seed}.nii", seed)
        command = [sys.executable, "-m", "medpipe.cli.main", "run", "measure", str(tmp_path / "many")]
        command += ["-o", str(output), "--workers", "0"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while len(list(output.glob("state/*.json"))) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == Exit.INTERRUPTED
        assert "interrupted; the same command goes on" in err
        assert "Traceback" not in err
        assert out == ""
        halted = status(output)
        assert 0 < halted.counts[State.PENDING] < 120
        assert not list(output.glob("state/*.lease"))
        assert subprocess.run(command, check=False, capture_output=True).returncode == Exit.OK
        assert sum(status(output).counts.values()) == 120
        assert status(output).counts[State.PENDING] == 0


class TestOutput:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["index", "{scans}", "--json"],
            ["validate", "{scans}", "--json"],
            ["run", "measure", "{scans}", "-o", "{new}", "--workers", "0", "--json"],
            ["run", "measure", "{scans}", "-o", "{new}", "--dry-run", "--json"],
            ["measure", "{scans}", "-o", "{new}", "--json"],
            ["status", "{out}", "--json"],
            ["retry", "{out}", "--workers", "0", "--json"],
            ["render", "{out}", "--json"],
            ["config", "list", "--json"],
            ["config", "show", "measure", "--json"],
            ["config", "schema"],
            ["doctor", "--json"],
        ],
        ids=lambda arguments: " ".join(arguments[:2]),
    )
    def test_is_json_where_that_is_asked_for(
        self, arguments: list[str], medpipe: Medpipe, mixed: Path, output: Path, tmp_path: Path
    ) -> None:
        medpipe("run", "measure", mixed, "-o", output, "--workers", 0)
        said = medpipe(*(text.format(scans=mixed, out=output, new=tmp_path / "new") for text in arguments))
        assert said.data
        assert said.code in (Exit.OK, Exit.SOME)

    def test_summary_counts_every_study(self, medpipe: Medpipe, mixed: Path, output: Path) -> None:
        data = medpipe("run", "measure", mixed, "-o", output, "--workers", 0, "--json").data
        assert sum(data["counts"].values()) == len(data["studies"]) == 2
        assert data["counts"]["refused"] == 1
        refused = next(study for study in data["studies"] if study["state"] == "refused")
        assert refused["reasons"][0]["code"] == "E_TRUNCATED"

    def test_dry_run_shows_the_plan_and_writes_nothing(
        self, medpipe: Medpipe, mixed: Path, output: Path
    ) -> None:
        said = medpipe("run", "measure", mixed, "-o", output, "--dry-run")
        assert said.code == Exit.OK
        assert "whole.nii" in said.out
        assert "Nothing was written" in said.err
        assert not output.exists()

    def test_table_is_tab_separated_where_nobody_looks_on(self, medpipe: Medpipe, good: Path) -> None:
        said = medpipe("index", good)
        header, *rows = (line.split("\t") for line in said.out.splitlines())
        assert header[:3] == ["study", "file", "modality"]
        assert {row[1] for row in rows} == {"0.nii", "1.nii"}

    def test_index_says_why_files_are_not_taken(self, medpipe: Medpipe, good: Path) -> None:
        (good / "notes.txt").write_text("no scan")
        assert "not taken: no image (1)" in medpipe("index", good).err

    def test_help_shows_choices_and_defaults(self, medpipe: Medpipe) -> None:
        assert "html|json" in medpipe("report", "--help").out
        assert "one a GPU or one a core" in " ".join(medpipe("run", "--help").out.split())

    def test_quiet_says_nothing_on_standard_error(self, medpipe: Medpipe, good: Path, output: Path) -> None:
        assert medpipe("run", "measure", good, "-o", output, "--workers", 0, "--quiet").err == ""

    def test_error_has_three_parts(self, medpipe: Medpipe, good: Path, output: Path) -> None:
        (output / "other").mkdir(parents=True)
        lines = medpipe("run", "measure", good, "-o", output).err.splitlines()
        assert lines[0].startswith("error E_OUTPUT: The output")
        assert lines[1] == "  found: 1 files or folders"
        assert lines[2] == "  to do: Choose a new folder."

    def test_printed_pipeline_is_a_pipeline_file(self, medpipe: Medpipe, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text(medpipe("config", "show", "measure").out)
        assert medpipe("config", "validate", path).code == Exit.OK

    def test_wrong_pipeline_file_is_named_by_line(self, medpipe: Medpipe, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text("name: mine\nstages:\n  - use: loadd\n")
        said = medpipe("config", "validate", path)
        assert said.code == Exit.USAGE
        assert "mine.yaml, line 3: unknown stage 'loadd'" in said.err
        assert "Did you mean 'load'" in said.err


class TestStageCommands:
    @pytest.mark.parametrize("stage", [Load, Measure, Report], ids=lambda stage: stage.name)
    def test_options_are_the_parameters_of_the_stage(self, stage: Any) -> None:
        command = typer.main.get_command(app).commands[stage.name]  # type: ignore[attr-defined]
        options = {item.name: item for item in command.params}
        own = {"inputs", "output", "slices", "device", "workers", "key", "allow_refused", "as_json", "quiet"}
        assert set(stage.params_type.model_fields) == set(options) - own - {"help"}
        for name, field in stage.params_type.model_fields.items():
            assert options[name].help == field.description

    def test_load_writes_the_volume(self, medpipe: Medpipe, good: Path, output: Path) -> None:
        assert medpipe("load", good / "0.nii", "-o", output).code == Exit.OK
        (image,) = output.glob("studies/*/images/image.nii.gz")
        np.testing.assert_array_equal(nib.load(image).get_fdata(), nib.load(good / "0.nii").get_fdata())

    def test_report_writes_a_page(self, medpipe: Medpipe, good: Path, output: Path) -> None:
        assert medpipe("report", good / "0.nii", "-o", output).code == Exit.OK
        assert len(list(output.glob("studies/*/report.html"))) == 1

    def test_choice_that_does_not_exist_is_refused(self, medpipe: Medpipe, good: Path, output: Path) -> None:
        said = medpipe("report", good, "-o", output, "--formats", "docx")
        assert said.code == Exit.USAGE
        assert "found" in said.err
        assert "docx" in said.err

    def test_stage_has_its_help(self, medpipe: Medpipe) -> None:
        assert "--thin-to-mm" in medpipe("measure", "--help").out


class TestRender:
    def test_builds_the_same_pages_again(self, medpipe: Medpipe, mixed: Path, output: Path) -> None:
        medpipe("run", "measure", mixed, "-o", output, "--workers", 0)
        (page,) = output.glob("studies/*/report.html")
        before, index = page.read_bytes(), (output / "index.html").read_bytes()
        page.unlink()
        (output / "index.html").unlink()
        assert medpipe("render", output).code == Exit.OK
        assert page.read_bytes() == before
        assert (output / "index.html").read_bytes() == index


WITHOUT_TORCH = """
import sys
from medpipe.cli.main import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
heavy = {"torch", "monai", "lightning", "nibabel", "pydicom", "scipy", "skimage", "matplotlib"}
print("heavy:", *sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


class TestImports:
    @pytest.mark.parametrize(
        "arguments",
        [["--help"], ["--version"], ["status", "{out}"], ["render", "{out}"], ["config", "list"]],
        ids=lambda arguments: arguments[0],
    )
    def test_quick_commands_import_no_torch(
        self, arguments: list[str], medpipe: Medpipe, good: Path, output: Path
    ) -> None:
        medpipe("run", "measure", good / "0.nii", "-o", output, "--workers", 0)
        command = [sys.executable, "-c", WITHOUT_TORCH, *(text.format(out=output) for text in arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
        assert ended.stderr.splitlines()[-1] == "heavy:"
