"""Tables on a terminal: codes and ids stay whole, nothing is wider than the screen."""

import re
import sys

import pytest

from medpipe.cli.screen import counted, print_table

ROW = (
    "st-16184b7efe25546d2482",
    "W_SINGLE_SLICE",
    "The series has one slice; its extent along the normal is the slice thickness",
    "a/folder/of/long/names/IM0001.dcm",
)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_codes_and_ids_stay_whole(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(("study", "code", "why", "file"), [ROW])
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)  # without bold
    assert max(map(len, out.splitlines())) <= width
    assert ROW[0] in out
    assert ROW[1] in out


def test_names_of_files_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("file",), [("esc\x1b[31mred\nbrain \N{BRAIN}.png",)])
    assert capsys.readouterr().out == "file\nesc\N{REPLACEMENT CHARACTER}[31mred brain \N{BRAIN}.png\n"


def test_one_thing_is_not_many() -> None:
    assert [counted(number, "study", "studies") for number in (0, 1, 2)] == [
        "0 studies",
        "1 study",
        "2 studies",
    ]
