"""A worker process as the pool sees it: its socket, its log and the units inside."""

import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from medpipe.core.settings import environment_with
from medpipe.runs.unit import Unit
from medpipe.runs.workers.messages import ProcessorSettings

_LOG_TAIL_BYTES: Final = 2000
_PATIENCE_S: Final = 10.0
"""How long a worker that was asked to end may take."""


@dataclass
class Inside:
    """A unit inside a worker, and how long its steps have run."""

    unit: Unit
    is_alone: bool = False
    running: int = 0
    since: float = 0.0
    spent_s: float = 0.0

    def began(self) -> None:
        """Count a step that begins."""
        if not self.running:
            self.since = time.monotonic()
        self.running += 1

    def ended(self) -> None:
        """Count a step that ends."""
        self.running -= 1
        if not self.running:
            self.spent_s += time.monotonic() - self.since

    @property
    def seconds(self) -> float:
        """Time spent in steps, waiting between them left out."""
        return self.spent_s + (time.monotonic() - self.since if self.running else 0.0)


@dataclass
class WorkerProcess:
    """One worker process."""

    number: int
    device: str
    popen: "subprocess.Popen[bytes]"
    connection: "Connection[Any, Any]"
    log: Path
    is_ready: bool = False
    is_gone: bool = False
    inside: dict[str, Inside] = field(default_factory=dict)

    def send(self, unit: Unit | None) -> None:
        """Hand over a unit, or None for "no more"; a dead worker is found when it is listened to."""
        try:
            self.connection.send(unit)
        except OSError:
            return

    def receive(self) -> object | None:
        """Return the next message; None where there is none now, and ``is_gone`` where none will come."""
        try:
            message: object = self.connection.recv() if self.connection.poll() else None
        except (EOFError, OSError):
            self.is_gone = True
            return None
        return message

    def end(self, *, kill: bool = False) -> int:
        """Wait until the process is gone; return its exit status, negative for a signal."""
        if kill:
            self.popen.kill()
        try:
            status = self.popen.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            status = self.popen.wait()
        self.connection.close()
        return status

    def last_words(self) -> str:
        """Return the last line of its log."""
        lines = self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def start_worker(
    processing: ProcessorSettings,
    *,
    number: int,
    threads: int,
    log: Path,
) -> WorkerProcess:
    """Start a worker.

    Args:
        processing: What its processor needs, the device included.
        number: Its number, kept when it is replaced.
        threads: Threads that libraries may use inside.
        log: File that its output is appended to.
    """
    ours, theirs = socket.socketpair()
    with theirs, log.open("ab") as file:
        popen = subprocess.Popen(
            [sys.executable, "-m", "medpipe.runs.workers.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment_with(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads)),
            # Ctrl-C reaches the whole terminal group; only the run decides how workers end.
            start_new_session=True,
        )
    connection: Connection[Any, Any] = Connection(ours.detach())
    connection.send(processing)
    return WorkerProcess(number, processing.device, popen, connection, log)
