"""Leases: one process works on a unit, also across machines that share a folder."""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from medpipe.io.atomic import temporary_beside

HEARTBEAT_S: Final = 15.0
"""How often the holder touches its leases."""

EXPIRY_S: Final = 120.0
"""Age at which another machine may take a lease over: eight missed heartbeats."""

_DEAD: Final = frozenset("ZX")
"""States of a process that was killed and that its parent has not yet taken notice of."""


class Leases:
    """Leases of one process in one folder; a thread keeps them fresh until ``close``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: set[Path] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._owner = json.dumps(
            {"host": socket.gethostname(), "pid": os.getpid(), "born": _birth(os.getpid())}
        ).encode()
        self._thread = threading.Thread(target=self._keep_fresh, name="medpipe-leases", daemon=True)
        self._thread.start()

    def acquire(self, unit_id: str) -> bool:
        """Take or keep the lease of a unit; False where another live process holds it."""
        path = self._path(unit_id)
        with self._lock:
            if path in self._held:
                return True
            if not (self._create(path) or self._take_over(path)):
                return False
            self._held.add(path)
        return True

    def release(self, unit_id: str) -> None:
        """Give the lease of a unit back."""
        self._give_back(self._path(unit_id))

    def sweep(self) -> None:
        """Remove the leases of dead holders, whose units may be finished all the same."""
        with self._turn():
            for path in self._folder.glob("*.lease"):
                if _is_stale(path):
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give all leases back and stop the heartbeat."""
        self._stop.set()
        self._thread.join()
        for path in list(self._held):
            self._give_back(path)

    def _give_back(self, path: Path) -> None:
        with self._lock:
            self._held.discard(path)
        with suppress(FileNotFoundError):
            # Whoever slept past the expiry may find its lease in other hands.
            if path.read_bytes() == self._owner:
                path.unlink()

    def _path(self, unit_id: str) -> Path:
        return self._folder / f"{unit_id}.lease"

    def _create(self, path: Path) -> bool:
        """Create a lease that holds its owner from the first moment: link() refuses an existing name."""
        written = self._write_beside()
        try:
            os.link(written, path)
        except FileExistsError:
            return False
        finally:
            written.unlink()
        return True

    def _take_over(self, path: Path) -> bool:
        """Put this process in the place of a dead holder.

        Rivals judge and replace one after the other; else the second could replace the lease of the first.
        """
        with self._turn():
            if not _is_stale(path):
                return self._create(path)
            self._write_beside().replace(path)
        return True

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with (self._folder / ".takeover").open("a") as turn:
            with suppress(OSError):  # a file system without locks: the rivals' window is microseconds
                fcntl.flock(turn, fcntl.LOCK_EX)
            yield

    def _write_beside(self) -> Path:
        written = temporary_beside(self._folder / "lease")
        written.write_bytes(self._owner)
        return written

    def _keep_fresh(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            with self._lock:
                held = list(self._held)
            for path in held:
                with suppress(OSError):  # a file server that is away for a while may come back
                    os.utime(path)


def is_held(folder: Path, unit_id: str) -> bool:
    """Whether a live process holds the lease of a unit."""
    path = folder / f"{unit_id}.lease"
    return path.exists() and not _is_stale(path)


def _is_stale(path: Path) -> bool:
    """Whether the holder of a lease is dead; an absent lease is not stale."""
    try:
        holder = _read_holder(path)
        if holder.get("host") == socket.gethostname():
            return _birth(int(holder.get("pid", 0))) != holder.get("born")
        return _folder_clock(path.parent) - path.stat().st_mtime > EXPIRY_S
    except FileNotFoundError:
        return False


def _read_holder(path: Path) -> dict[str, Any]:
    """Return who holds a lease; an unreadable one (power cut) is judged by its age alone."""
    try:
        holder: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return holder


def _folder_clock(folder: Path) -> float:
    """Return the time as the folder's file system keeps it, whatever this machine's clock says."""
    probe = temporary_beside(folder / "clock")
    try:
        probe.touch()
    except OSError:
        return time.time()  # somebody looks on who may not write
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _birth(pid: int) -> str:
    """Return when a process started (field 22 of /proc/PID/stat), as a pid may be used again."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in _DEAD else fields[19]
    except (OSError, IndexError):
        return "" if _is_gone(pid) else "alive"


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def now_iso() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
