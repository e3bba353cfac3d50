"""The ledger: always equal to the state files, whatever happened to it."""

import fcntl
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.runs.folder.ledger import read_states
from medpipe.runs.folder.state import State, StateStore, UnitState


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return made_store(tmp_path)


def made_store(folder: Path) -> StateStore:
    (folder / "state").mkdir()
    store = StateStore(folder / "state")
    for number in range(3):
        store.write(UnitState(id=f"st-{number}", state=State.DONE))
    return store


def ledger_rows(folder: Path) -> list[str]:
    database = sqlite3.connect(folder / "ledger.sqlite")
    rows = [row[0] for row in database.execute("SELECT id FROM units ORDER BY id")]
    database.close()
    return rows


def test_equals_the_state_files(tmp_path: Path, store: StateStore) -> None:
    assert read_states(tmp_path, store) == store.all()
    assert ledger_rows(tmp_path) == ["st-0", "st-1", "st-2"]


def test_reads_only_files_that_changed(
    tmp_path: Path, store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_states(tmp_path, store)
    store.write(UnitState(id="st-1", state=State.FAILED))
    read, original = [], StateStore.read

    def counted(self: StateStore, unit_id: str) -> UnitState | None:
        read.append(unit_id)
        return original(self, unit_id)

    monkeypatch.setattr(StateStore, "read", counted)
    assert read_states(tmp_path, store)["st-1"].state is State.FAILED
    assert read == ["st-1"]


def test_removed_state_leaves_the_ledger(tmp_path: Path, store: StateStore) -> None:
    read_states(tmp_path, store)
    store.path("st-1").unlink()
    assert set(read_states(tmp_path, store)) == {"st-0", "st-2"}
    assert ledger_rows(tmp_path) == ["st-0", "st-2"]


def test_damaged_state_leaves_the_ledger(tmp_path: Path, store: StateStore) -> None:
    read_states(tmp_path, store)
    store.path("st-1").write_bytes(b"")
    assert read_states(tmp_path, store) == store.all()
    assert "st-1" not in store.all()


@pytest.mark.parametrize(
    "content",
    [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["text", "damaged pages"],
)
def test_damaged_ledger_is_rebuilt(content: bytes, tmp_path: Path, store: StateStore) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(content)
    assert read_states(tmp_path, store) == store.all()
    assert read_states(tmp_path, store) == store.all()
    assert ledger_rows(tmp_path) == ["st-0", "st-1", "st-2"]


def test_ledger_of_another_version_is_rebuilt(tmp_path: Path, store: StateStore) -> None:
    read_states(tmp_path, store)
    database = sqlite3.connect(tmp_path / "ledger.sqlite")
    database.execute("""UPDATE units SET content = '{"id": "st-0", "mood": "old"}'""")
    database.commit()
    database.close()
    assert read_states(tmp_path, store) == store.all()


def test_ledger_that_another_process_owns_is_left_alone(tmp_path: Path, store: StateStore) -> None:
    with (tmp_path / "ledger.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert read_states(tmp_path, store) == store.all()
    assert not (tmp_path / "ledger.sqlite").exists()


def test_full_disk_does_not_hide_the_states(tmp_path: Path, store: StateStore) -> None:
    (tmp_path / "ledger.sqlite").mkdir()  # cannot be opened, as on a full disk
    assert read_states(tmp_path, store) == store.all()


UNITS = st.sampled_from(["a", "b", "c"])
CHANGES = st.one_of(
    st.tuples(st.just("write"), UNITS, st.sampled_from(State)),
    st.tuples(st.just("remove"), UNITS, st.none()),
    st.tuples(st.just("damage"), UNITS, st.none()),
    st.tuples(st.just("read"), UNITS, st.none()),
)


@given(changes=st.lists(CHANGES, max_size=12))
def test_equals_the_state_files_after_any_changes(
    changes: list[tuple[str, str, State]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    store = made_store(folder)
    for kind, unit_id, state in changes:
        if kind == "write":
            store.write(UnitState(id=unit_id, state=state))
        elif kind == "remove":
            store.path(unit_id).unlink(missing_ok=True)
        elif kind == "damage":
            store.path(unit_id).write_bytes(b"{")
        else:
            read_states(folder, store)
    assert read_states(folder, store) == store.all()
