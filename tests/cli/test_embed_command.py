"""The commands of vectors of codes: from records to neighbours, and what is refused."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., int]


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "events.csv"
    rows = [
        row
        for patient in "abcd"
        for hour in (1, 8, 15, 22)
        for row in (f"{patient},{hour},lactate,{hour},mmol/L", f"{patient},{hour},drug//x,,")
    ]
    path.write_text("patient,time,code,value,unit\n" + "\n".join(rows) + "\n")
    return path


def test_vectors_are_made_and_neighbours_printed(
    run: Command, records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("embed", "codes", str(records), "-o", str(tmp_path / "v.safetensors"), "--dimension", "4")
    assert run(*words, "--method", "cbow", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["codes"] == ["drug//x", "lactate//high", "lactate//low", "lactate//middle"]
    assert made["patients"] == 4
    assert run("embed", "nearest", str(tmp_path / "v.safetensors"), "drug//x", "-n", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "code\tsimilarity"
    assert [line.split("//")[0] for line in lines[1:]] == ["lactate", "lactate"]
    assert run("embed", "nearest", str(tmp_path / "v.safetensors"), "lactate//hi") == 2
    assert "Did you mean 'lactate//high'?" in capsys.readouterr().err
    before = (tmp_path / "v.safetensors").read_bytes()
    assert run(*words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(*words, "--method", "cbow", "--overwrite") == 0
    assert (tmp_path / "v.safetensors").read_bytes() == before


def test_what_cannot_be_learned_from_is_told(
    run: Command,
    records: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = ("-o", str(tmp_path / "v.safetensors"))
    assert run("embed", "codes", str(tmp_path / "none"), *output) == 3
    assert run("embed", "codes", str(records), *output, "--bands", "4") == 2
    assert "1, 3 or 5" in capsys.readouterr().err
    assert run("embed", "nearest", str(records), "drug//x") == 2
    assert "no vectors of codes" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "gensim", None)
    assert run("embed", "codes", str(records), *output) == 6
    assert "medpipe[ehr]" in capsys.readouterr().err
