"""The command that trains on health records: refusals that come before any work."""

from collections.abc import Callable
from pathlib import Path

import pytest

RECIPE = Path(__file__).resolve().parents[2] / "pipelines" / "train" / "aki.yaml"


LICENCE = ("--data-licence", "CC0-1.0")

Command = Callable[..., int]


def test_records_that_are_not_there_are_told(
    run: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run("train", "aki", str(RECIPE), str(tmp_path / "none"), "-o", str(tmp_path / "out"), *LICENCE) == 3
    )
    assert "E_NO_INPUT" in capsys.readouterr().err


def test_task_without_a_baseline_is_refused(
    run: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("-o", str(tmp_path / "out"), "--set", "task={kind: aki48}")
    assert run("train", "aki", str(RECIPE), str(tmp_path), *LICENCE, *words) == 2
    assert "baseline" in capsys.readouterr().err
