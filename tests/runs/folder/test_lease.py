"""Leases: one live process works on a unit, and a dead one does not keep it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medpipe.runs.folder.lease import EXPIRY_S, Leases, is_held

HOLDER = """
import sys, time
from pathlib import Path
from medpipe.runs.folder.lease import Leases
print(Leases(Path(sys.argv[1])).acquire(sys.argv[2]), flush=True)
time.sleep(60)
"""

MakeLeases = Callable[[], Leases]


@pytest.fixture
def make_leases(tmp_path: Path) -> Iterator[MakeLeases]:
    made = []

    def make() -> Leases:
        made.append(Leases(tmp_path))
        return made[-1]

    yield make
    for leases in made:
        leases.close()


@pytest.fixture
def holder(tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    """Return another process that holds the lease of unit ``u``."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path), "u"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def write_lease(folder: Path, *, host: str, pid: int, born: str, age_s: float = 0) -> Path:
    path = folder / "u.lease"
    path.write_text(json.dumps({"host": host, "pid": pid, "born": born}))
    os.utime(path, (time.time() - age_s,) * 2)
    return path


class TestHolding:
    def test_a_second_owner_cannot_take_a_held_lease(self, tmp_path: Path, make_leases: MakeLeases) -> None:
        first, second = make_leases(), make_leases()
        assert first.acquire("u")
        assert not second.acquire("u")
        assert is_held(tmp_path, "u")

    def test_the_holder_keeps_what_it_has(self, make_leases: MakeLeases) -> None:
        leases = make_leases()
        assert leases.acquire("u")
        assert leases.acquire("u")

    def test_a_lease_that_was_given_back_is_free(self, tmp_path: Path, make_leases: MakeLeases) -> None:
        first, second = make_leases(), make_leases()
        first.acquire("u")
        first.release("u")
        assert not is_held(tmp_path, "u")
        assert second.acquire("u")

    def test_close_gives_everything_back(self, tmp_path: Path) -> None:
        leases = Leases(tmp_path)
        leases.acquire("u")
        leases.acquire("v")
        leases.close()
        assert not list(tmp_path.glob("*.lease"))

    def test_a_lease_that_another_took_over_is_not_removed(
        self, tmp_path: Path, make_leases: MakeLeases
    ) -> None:
        leases = make_leases()
        leases.acquire("u")
        other = write_lease(tmp_path, host="elsewhere", pid=1, born="1")
        leases.release("u")
        assert other.exists()

    def test_leaves_no_temporary_files(self, tmp_path: Path, make_leases: MakeLeases) -> None:
        write_lease(tmp_path, host="elsewhere", pid=1, born="1", age_s=EXPIRY_S + 10)
        assert make_leases().acquire("u")
        assert {path.name for path in tmp_path.iterdir()} == {"u.lease", ".takeover"}


class TestOtherProcess:
    def test_cannot_be_robbed_while_it_lives(
        self, holder: "subprocess.Popen[str]", make_leases: MakeLeases
    ) -> None:
        assert not make_leases().acquire("u")

    def test_killed_holder_is_replaced_at_once(
        self, holder: "subprocess.Popen[str]", make_leases: MakeLeases, tmp_path: Path
    ) -> None:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert not is_held(tmp_path, "u")
        assert make_leases().acquire("u")

    def test_killed_holder_that_nobody_waited_for_is_replaced_too(
        self, holder: "subprocess.Popen[str]", make_leases: MakeLeases
    ) -> None:
        os.kill(holder.pid, signal.SIGKILL)
        stat = Path(f"/proc/{holder.pid}/stat")
        deadline = time.monotonic() + 5
        while ") Z " not in stat.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert make_leases().acquire("u")


class TestStaleness:
    def test_reused_pid_does_not_count_as_the_holder(self, tmp_path: Path, make_leases: MakeLeases) -> None:
        write_lease(tmp_path, host=socket.gethostname(), pid=os.getpid(), born="1")
        assert make_leases().acquire("u")

    def test_fresh_lease_of_another_host_is_respected(self, tmp_path: Path, make_leases: MakeLeases) -> None:
        # No process of this machine has pid 0: only the age may be looked at.
        write_lease(tmp_path, host="elsewhere", pid=0, born="", age_s=EXPIRY_S - 10)
        assert is_held(tmp_path, "u")
        assert not make_leases().acquire("u")

    def test_expired_lease_of_another_host_is_taken(self, tmp_path: Path, make_leases: MakeLeases) -> None:
        write_lease(tmp_path, host="elsewhere", pid=os.getpid(), born="1", age_s=EXPIRY_S + 10)
        assert not is_held(tmp_path, "u")
        assert make_leases().acquire("u")

    @pytest.mark.parametrize("content", [b"", b"\0" * 64, b"{"])
    def test_unreadable_lease_is_judged_by_its_age(
        self, content: bytes, tmp_path: Path, make_leases: MakeLeases
    ) -> None:
        path = tmp_path / "u.lease"
        path.write_bytes(content)
        assert not make_leases().acquire("u")
        os.utime(path, (time.time() - EXPIRY_S - 10,) * 2)
        assert make_leases().acquire("u")

    def test_looking_on_needs_no_right_to_write(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_lease(tmp_path, host="elsewhere", pid=0, born="")

        def refuse(path: Path, **_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "touch", refuse)
        assert is_held(tmp_path, "u")


def test_sweep_removes_the_leases_of_the_dead_alone(tmp_path: Path, make_leases: MakeLeases) -> None:
    held = make_leases()
    held.acquire("mine")
    write_lease(tmp_path, host="elsewhere", pid=0, born="").rename(tmp_path / "theirs.lease")
    write_lease(tmp_path, host=socket.gethostname(), pid=os.getpid(), born="1")
    make_leases().sweep()
    assert {path.name for path in tmp_path.glob("*.lease")} == {"mine.lease", "theirs.lease"}


def test_of_many_rivals_for_a_stale_lease_exactly_one_wins(tmp_path: Path) -> None:
    rivals = [Leases(tmp_path) for _ in range(4)]
    barrier = threading.Barrier(len(rivals))
    winners: list[int] = []

    def compete(leases: Leases) -> None:
        barrier.wait()
        if leases.acquire("u"):
            winners.append(1)

    for _ in range(100):
        write_lease(tmp_path, host=socket.gethostname(), pid=os.getpid(), born="1")
        winners.clear()
        threads = [threading.Thread(target=compete, args=(leases,)) for leases in rivals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(winners) == 1
        for leases in rivals:
            leases.release("u")
    for leases in rivals:
        leases.close()
