"""Leases: one process works on a unit, also across machines that share a folder."""

import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Final

HEARTBEAT_S: Final = 15.0
"""How often the holder touches its leases."""

EXPIRY_S: Final = 120.0
"""Age at which another machine may take a lease over: eight missed heartbeats."""


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
        """Take the lease of a unit; False where a live process holds it."""
        path = self._path(unit_id)
        if not self._create(path):
            if not _is_stale(path):
                return False
            _remove_exactly(path)
            if not self._create(path):
                return False
        with self._lock:
            self._held.add(path)
        return True

    def release(self, unit_id: str) -> None:
        """Give the lease of a unit back."""
        path = self._path(unit_id)
        with self._lock:
            self._held.discard(path)
        path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give all leases back and stop the heartbeat."""
        self._stop.set()
        self._thread.join()
        for path in list(self._held):
            path.unlink(missing_ok=True)
        self._held.clear()

    def _path(self, unit_id: str) -> Path:
        return self._folder / f"{unit_id}.lease"

    def _create(self, path: Path) -> bool:
        """Create a lease that holds its owner from the first moment: link() refuses an existing name."""
        written = self._folder / f".lease-{uuid.uuid4().hex}"
        written.write_bytes(self._owner)
        try:
            os.link(written, path)
        except FileExistsError:
            return False
        finally:
            written.unlink()
        return True

    def _keep_fresh(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            with self._lock:
                held = list(self._held)
            for path in held:
                try:
                    os.utime(path)
                except FileNotFoundError:
                    continue


def is_held(folder: Path, unit_id: str) -> bool:
    """Whether a live process holds the lease of a unit."""
    path = folder / f"{unit_id}.lease"
    return path.exists() and not _is_stale(path)


def _is_stale(path: Path) -> bool:
    try:
        age_s = _folder_clock(path.parent) - path.stat().st_mtime
        holder = _read_holder(path)
    except FileNotFoundError:
        return True
    if holder.get("host") == socket.gethostname():
        return _birth(int(holder.get("pid", 0))) != holder.get("born")
    return age_s > EXPIRY_S


def _read_holder(path: Path) -> dict[str, Any]:
    """Return who holds a lease; an unreadable one (power cut) is judged by its age alone."""
    try:
        holder: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return holder


def _remove_exactly(path: Path) -> None:
    """Remove a stale lease so that of two rivals only one goes on to create its own."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    aside.unlink(missing_ok=True)


def _folder_clock(folder: Path) -> float:
    """Return the time as the folder's file system keeps it, whatever this machine's clock says."""
    probe = folder / f".clock-{uuid.uuid4().hex}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _birth(pid: int) -> str:
    """Return when a process started (field 22 of /proc/PID/stat), as a pid may be used again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
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
