"""The command augment: files, tables, JSON and exit codes."""

import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from medpipe.cli.augment_commands import augment
from medpipe.cli.exit_codes import Exit
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.io.nifti import write_volume

APP = typer.Typer()
APP.command()(augment)


@pytest.fixture
def scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    path = tmp_path / "sub-01_T1w.nii.gz"
    voxels = torch.rand(1, 9, 8, 7, generator=torch.Generator().manual_seed(0))
    write_volume(path, Volume(voxels, torch.eye(4).numpy(), "MR", Source(kind=SourceKind.MEMORY)))
    return path


def test_copies_are_listed_with_what_was_done(scan: Path, tmp_path: Path) -> None:
    words = [
        str(scan),
        "-o",
        str(tmp_path / "out"),
        "--recipe",
        "mr",
        "--copies",
        "2",
        "--seed",
        "3",
        "--json",
    ]
    done = CliRunner().invoke(APP, [*words, "--preview", str(tmp_path / "sheet.png"), "--device", "cpu"])
    assert done.exit_code == Exit.OK, done.output
    (study,) = json.loads(done.stdout)
    assert len(study["copies"]) == len(study["changes"]) == 2
    assert all(Path(path).is_file() for path in study["copies"])
    assert (tmp_path / "sheet.png").is_file()


def test_refused_studies_end_in_exit_code_4_unless_allowed(scan: Path, tmp_path: Path) -> None:
    words = [str(scan), "-o", str(tmp_path / "out"), "--recipe", "ct", "--device", "cpu"]
    done = CliRunner().invoke(APP, words)
    assert done.exit_code == Exit.SOME
    assert "refused E_MODALITY" in done.stdout
    assert CliRunner().invoke(APP, [*words, "--allow-refused"]).exit_code == Exit.OK
