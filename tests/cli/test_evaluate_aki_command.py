"""The command evaluate aki: tables on standard output, files in the folder, errors as everywhere."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from medpipe.cli.main import app
from medpipe.core.errors import SettingsError
from medpipe.io.records.predictions import make_predictions, write_predictions

RUNNER = CliRunner()


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """Return a file of 4 patients with 4 steps; patients 0 and 1 fall ill at 27 h."""
    patients = np.repeat(np.arange(4), 4)
    time_h = np.tile([6.0, 12.0, 18.0, 24.0], 4)
    is_ill = patients < 2
    nothing = np.full(16, np.nan)
    rows = make_predictions(
        {
            "subject_id": [f"p{patient}" for patient in patients],
            "time_h": time_h,
            "horizon_h": np.full(16, 12),
            "probability": np.where(is_ill, 0.5, 0.25) + time_h / 100,
            "low": nothing,
            "high": nothing,
            "label": np.where(is_ill & (time_h > 15), 1.0, 0.0),
            "onset_h": np.where(is_ill, 27.0, np.nan),
            "sex": np.where(patients % 2 == 0, "F", "M"),
        }
    )
    path = tmp_path / "p.parquet"
    write_predictions(path, [rows])
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = RUNNER.invoke(app, ["evaluate", "aki", *map(str, arguments), "--resamples", "5"])
    if isinstance(result.exception, SettingsError):
        raise result.exception
    return result.exit_code, result.stdout


def test_json_is_that_of_the_file(predictions: Path, tmp_path: Path) -> None:
    code, out = run(predictions, "-o", tmp_path / "out", "--json", "--threshold", 0.65)
    assert code == 0
    data = json.loads(out)
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert {name: rows for name, rows in written.items() if name != "facts"} == data
    # At 0.65 alert the steps at 18 and 24 h of both patients that fall ill, 9 h ahead at first.
    in_use = data["operating_points"][-1]
    assert (in_use["num_true"], in_use["num_false"], in_use["episode_sensitivity"]) == (4, 0, 1.0)
    assert data["lead_times"][-1]["lead_h_50"] == 9.0
    assert [row["remark"] for row in data["subgroups_sex"]] == ["too few", "too few"]


def test_tables_are_printed(predictions: Path, tmp_path: Path) -> None:
    code, out = run(predictions, "-o", tmp_path / "out", "--min-positive", 1, "--quiet")
    assert code == 0
    assert "episodes found" in out
    assert "12 h\t4\t16" in out
    assert (tmp_path / "out" / "evaluation.html").is_file()


def test_ids_that_are_text_cannot_go_to_meds(predictions: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="whole numbers"):
        run(predictions, "-o", tmp_path / "out", "--meds")


def test_horizon_that_is_not_there_is_named(predictions: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no horizon 48: found 12"):
        run(predictions, "-o", tmp_path / "out", "--horizon", 48)
