"""The ledger: an index of unit states in SQLite, which one process owns and which can be rebuilt.

The truth is the state file of each unit. SQLite must not be shared over a network file system, so a
process that does not get the lock reads the state files instead.
"""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from medpipe.runs.folder.state import StateStore, UnitState


def read_states(folder: Path, states: StateStore) -> dict[str, UnitState]:
    """Return all states by unit id, reading only the files that changed since the last time."""
    with _lock(folder / "ledger.lock") as is_owner:
        if not is_owner:
            return states.all()
        try:
            return _refresh(folder / "ledger.sqlite", states)
        except (sqlite3.Error, ValidationError):
            # Damaged, of another version or on a full disk; the truth is elsewhere, the next call rebuilds.
            with suppress(OSError):
                (folder / "ledger.sqlite").unlink(missing_ok=True)
            return states.all()


def _refresh(path: Path, states: StateStore) -> dict[str, UnitState]:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA synchronous = OFF")  # it can be rebuilt at any time
        database.execute(
            "CREATE TABLE IF NOT EXISTS units (id TEXT PRIMARY KEY, stamp TEXT, state TEXT, content TEXT)"
        )
        known = dict(database.execute("SELECT id, stamp FROM units"))
        on_disk = dict(states.entries())
        changed = [unit_id for unit_id, stamp in on_disk.items() if known.get(unit_id) != stamp]
        outdated = [(unit_id,) for unit_id, stamp in known.items() if on_disk.get(unit_id) != stamp]
        fresh = [state for unit_id in changed if (state := states.read(unit_id)) is not None]
        database.executemany("DELETE FROM units WHERE id = ?", outdated)
        database.executemany(
            "INSERT INTO units VALUES (?, ?, ?, ?)",
            [(item.id, on_disk[item.id], item.state.value, item.model_dump_json()) for item in fresh],
        )
        rows = database.execute("SELECT id, content FROM units ORDER BY id").fetchall()
    return {unit_id: UnitState.model_validate_json(content) for unit_id, content in rows}


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Yield whether this process owns the ledger; a read-only folder counts as not owned."""
    try:
        file = path.open("w")
    except OSError:
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
