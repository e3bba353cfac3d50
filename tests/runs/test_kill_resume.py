"""A run that is killed at random moments and resumed equals one that was never interrupted."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medpipe.runs.folder.state import State
from medpipe.runs.summary import status
from medpipe.simulate.faults.catalogue import ALL_FAULTS
from medpipe.simulate.studies import write_small_studies

COMMAND = """
import sys
from medpipe.runs.options import RunOptions
from medpipe.runs.runner import run
run("measure", [sys.argv[1]], sys.argv[2], options=RunOptions(device="cpu", workers=2))
"""

BROKEN = ("slice_missing", "pixels_short", "slice_twice", "jpeg2000_garbage", "spacing_variable")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "OMP_NUM_THREADS": "1"}


def start_run(scans: Path, output: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", COMMAND, str(scans), str(output)], env=environment)


def digest_of_folders(output: Path) -> dict[str, str]:
    """Hash every file of every study folder."""
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((output / "studies").rglob("*"))
        if path.is_file()
    }


def kill_and_resume(
    tmp_path: Path, environment: dict[str, str], *, studies: int, broken: int, kills: int
) -> None:
    scans = tmp_path / "scans"
    faults = tuple(ALL_FAULTS[BROKEN[index % len(BROKEN)]] for index in range(broken))
    write_small_studies(scans, studies, num_slices=20, size=32, broken=faults)
    assert start_run(scans, tmp_path / "whole", environment).wait() == 0
    whole = digest_of_folders(tmp_path / "whole")
    finished = status(tmp_path / "whole")

    rng = random.Random(20261123)
    output, killed = tmp_path / "killed", 0
    while killed < kills:
        process = start_run(scans, output, environment)
        goal = rng.randint(1, max(2, studies // (kills + 1)))
        before = len(list((output / "state").glob("*.json"))) if output.exists() else 0
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            states = len(list((output / "state").glob("*.json"))) if output.exists() else 0
            if states >= min(before + goal, studies - 1):
                time.sleep(rng.uniform(0, 0.3))
                break
            time.sleep(0.01)
        assert process.poll() is None, "the run ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
    assert start_run(scans, output, environment).wait() == 0

    resumed = status(output)
    assert digest_of_folders(output) == whole
    assert resumed.counts == finished.counts
    assert sum(resumed.counts.values()) == studies
    assert resumed.counts[State.PENDING] == resumed.counts[State.RUNNING] == 0
    listed = [unit["id"] for unit in json.loads((output / "index.json").read_text())["units"]]
    assert len(listed) == len(set(listed)) == studies
    assert not list((output / "work").iterdir())
    assert not list((output / "state").glob("*.lease"))


def test_run_killed_twice_and_resumed_equals_an_uninterrupted_run(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    kill_and_resume(tmp_path, environment, studies=16, broken=2, kills=2)


@pytest.mark.slow
def test_200_studies_killed_five_times_equal_an_uninterrupted_run(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    kill_and_resume(tmp_path, environment, studies=200, broken=10, kills=5)
