"""The pool: real worker processes that die, hang and come back; no innocent unit pays for it."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError
from medpipe.runs.folder.state import State
from medpipe.runs.unit import Unit
from medpipe.runs.workers.outcome import Outcome
from medpipe.runs.workers.pool import PoolSettings, WorkerPool

if TYPE_CHECKING:
    from tests.runs.conftest import ToyRun


@dataclass
class Log:
    """What the pool told: how units began and ended."""

    begun: list[tuple[str, int]] = field(default_factory=list)
    ended: dict[str, tuple[int, Outcome]] = field(default_factory=dict)

    def begin(self, unit: Unit, attempt: int, device: str) -> bool:
        self.begun.append((unit.id, attempt))
        return True

    def end(self, unit: Unit, attempt: int, device: str, outcome: Outcome) -> None:
        assert unit.id not in self.ended
        self.ended[unit.id] = (attempt, outcome)

    def states(self) -> dict[str, tuple[int, State]]:
        return {name: (attempt, outcome.state) for name, (attempt, outcome) in sorted(self.ended.items())}

    def reason(self, unit_id: str) -> Code:
        return self.ended[unit_id][1].reasons[0].code


def units(count: int = 5) -> list[Unit]:
    return [Unit(f"st-{number}", f"{number}.nii", fingerprint=str(number)) for number in range(count)]


def work(
    run: "ToyRun",
    trouble: str,
    *,
    only: str = "st-1",
    workers: int = 1,
    count: int = 5,
    time_limit_s: float | None = None,
    stage: str = "measure",
) -> Log:
    """Run a few units, of which one is in trouble in one stage."""
    params: dict[str, dict[str, Any]] = {stage: {"trouble": trouble, "only": only}}
    pipeline = run.pipeline(*((name, params.get(name, {})) for name in ("read", "measure", "sum")))
    log = Log()
    settings = PoolSettings(("cpu",) * workers, 1, run.folder / "logs", time_limit_s, max_attempts=2)
    pool = WorkerPool(settings, run.settings(pipeline), on_begin=log.begin, on_end=log.end)
    pool.run(units(count))
    return log


def all_done_but(log: Log, bad: str, count: int = 5) -> bool:
    expected = {unit.id: (1, State.DONE) for unit in units(count) if unit.id != bad}
    return {name: state for name, state in log.states().items() if name != bad} == expected


@pytest.mark.slow
def test_unit_that_kills_its_worker_fails_alone(toy_run: "ToyRun") -> None:
    log = work(toy_run, "kill")
    assert log.states()["st-1"] == (2, State.FAILED)
    assert log.reason("st-1") is Code.E_CRASH
    assert "found signal 9" in log.ended["st-1"][1].reasons[0].message
    assert all_done_but(log, "st-1")
    assert sorted(path.name for path in toy_run.studies.iterdir()) == ["st-0", "st-2", "st-3", "st-4"]


@pytest.mark.slow
def test_library_that_ends_the_process_while_reading_counts_as_a_crash(toy_run: "ToyRun") -> None:
    log = work(toy_run, "exit", stage="read", count=3)
    assert log.reason("st-1") is Code.E_CRASH
    assert all_done_but(log, "st-1", count=3)


def test_crash_that_does_not_come_again_is_cured(toy_run: "ToyRun") -> None:
    log = work(toy_run, "kill once", workers=2)
    assert log.states()["st-1"][1] is State.DONE
    assert all_done_but(log, "st-1")


def test_failure_that_does_not_come_again_is_cured(toy_run: "ToyRun") -> None:
    log = work(toy_run, "fail once", count=3)
    assert log.states() == {"st-0": (1, State.DONE), "st-1": (2, State.DONE), "st-2": (1, State.DONE)}


@pytest.mark.slow
def test_unit_over_its_time_limit_fails_alone(toy_run: "ToyRun") -> None:
    log = work(toy_run, "hang", time_limit_s=2.0)
    assert log.states()["st-1"] == (1, State.FAILED)
    assert log.reason("st-1") is Code.E_TIMEOUT
    assert "limit 2 s" in log.ended["st-1"][1].reasons[0].message
    assert all_done_but(log, "st-1")


@pytest.mark.slow
def test_refused_unit_is_not_tried_again(toy_run: "ToyRun") -> None:
    log = work(toy_run, "refuse", count=3)
    assert log.states()["st-1"] == (1, State.REFUSED)
    assert [name for name, _ in log.begun] == ["st-0", "st-1", "st-2"]


def test_full_disk_stops_the_run_and_leaves_the_unit_unfinished(toy_run: "ToyRun") -> None:
    with pytest.raises(MachineError, match=r"cannot be written.*No space left"):
        work(toy_run, "disk full", only="")
    assert worker_pids(toy_run) == []


@pytest.mark.slow
def test_worker_that_cannot_start_tells_its_last_words(
    toy_run: "ToyRun", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(MachineError, match=r"cannot start: found ModuleNotFoundError.*toy_stages"):
        work(toy_run, "none")


PARENT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import toy_stages
from medpipe.core.settings import SettingsFile
from medpipe.io.study_folder import Provenance
from medpipe.runs.workers.messages import ProcessorSettings
from medpipe.runs.pipeline import build_pipeline
from medpipe.runs.workers.pool import PoolSettings, WorkerPool
from medpipe.runs.unit import Unit

folder = Path(sys.argv[1])
stages = [{"use": "read", "trouble": "hang"}]
data = {"name": "toy", "accepts": {"image": {"form": ["volume"]}}, "stages": stages}
pipeline = build_pipeline(SettingsFile("toy", data, {}), catalogue=toy_stages.CATALOGUE)
processing = ProcessorSettings(
    pipeline, folder / "studies", folder / "work", "cpu", 0, Provenance(pipeline="toy", medpipe="0")
)
WorkerPool(
    PoolSettings(("cpu", "cpu"), 1, folder / "logs", None, 2),
    processing,
    on_begin=lambda *_: True,
    on_end=lambda *_: None,
).run([Unit(f"st-{number}", "") for number in range(4)])
"""


def worker_pids(run: "ToyRun") -> list[int]:
    """Return the live workers that write their logs into this run's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            is_worker = b"medpipe.runs.workers.worker" in (entry / "cmdline").read_bytes()
            if is_worker and str(run.folder) in os.readlink(entry / "fd" / "1"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_no_worker_outlives_a_killed_run(toy_run: "ToyRun") -> None:
    folder = str(Path(__file__).parent)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(toy_run.folder), folder])
    deadline = time.monotonic() + 60
    while len(toy_run.calls()) < 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(worker_pids(toy_run)) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 2
    while worker_pids(toy_run) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert worker_pids(toy_run) == []
