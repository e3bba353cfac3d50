"""States: one small file a unit, replaced as a whole."""

import itertools
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.codes import Code
from medpipe.runs.folder.state import Quantity, Reason, State, StateStore, UnitState, count_states


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return StateStore(tmp_path)


def test_what_was_written_is_read(store: StateStore) -> None:
    state = UnitState(
        id="st-1",
        label="a/b.dcm",
        state=State.FLAGGED,
        reasons=(Reason(code=Code.W_TILT, message="tilted"),),
        values=(Quantity(name="body volume", value=1.5, unit="mL"),),
    )
    store.write(state)
    assert store.read("st-1") == state
    assert store.all() == {"st-1": state}


def test_absent_unit_has_no_state(store: StateStore) -> None:
    assert store.read("st-1") is None


@pytest.mark.parametrize("content", [b"", b"\0\0", b'{"id": "st-1", "state": "dreaming"}', b'{"id":'])
def test_damaged_state_counts_as_none(content: bytes, store: StateStore) -> None:
    store.path("st-1").write_bytes(content)
    assert store.read("st-1") is None
    assert store.all() == {}


def test_leases_and_temporary_files_are_no_states(tmp_path: Path, store: StateStore) -> None:
    store.write(UnitState(id="st-1"))
    for name in ("st-2.lease", ".tmp-3.json", ".takeover"):
        (tmp_path / name).write_text("{}")
    assert [unit_id for unit_id, _ in store.entries()] == ["st-1"]


def test_stamp_changes_with_each_write_however_fast(store: StateStore) -> None:
    stamps = []
    for attempt in range(50):
        store.write(UnitState(id="st-1", attempts=attempt))
        stamps += [stamp for _, stamp in store.entries()]
    assert all(before != after for before, after in itertools.pairwise(stamps))


def test_readers_never_see_half_a_state(store: StateStore) -> None:
    store.write(UnitState(id="st-1", label="x" * 10))
    lengths = set()
    done = threading.Event()

    def write() -> None:
        for size in range(300):
            store.write(UnitState(id="st-1", label="x" * (10 + 100 * (size % 2))))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        state = store.read("st-1")
        assert state is not None
        lengths.add(len(state.label))
    writer.join()
    assert lengths <= {10, 110}


@given(st.lists(st.sampled_from(State)))
def test_counts_name_every_state_and_add_up(states: list[State]) -> None:
    counts = count_states(UnitState(id=str(index), state=state) for index, state in enumerate(states))
    assert list(counts) == list(State)
    assert sum(counts.values()) == len(states)
    assert all(counts[state] == states.count(state) for state in State)


def test_only_pending_and_running_units_are_not_final() -> None:
    assert [state for state in State if not state.is_final] == [State.PENDING, State.RUNNING]
