"""The cache: never over its budget, shared by processes however they are started."""

import copy
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import SettingsError
from medpipe.data.shared_cache import SharedCache, spare_memory_bytes


def resident_bytes(cache: SharedCache) -> int:
    """Return the memory that the block really takes."""
    return os.fstat(cache._descriptor).st_blocks * 512


def value(size: int, fill: int = 7) -> dict[str, np.ndarray]:
    return {"image": np.full(size, fill, np.float32), "label": np.arange(3, dtype=np.uint8)}


def test_values_come_back_as_read_only_views() -> None:
    cache = SharedCache(2, 10_000)
    assert cache.get(1) is None
    assert cache.put(1, value(100))
    found = cache.get(1)
    np.testing.assert_array_equal(found["image"], np.full(100, 7, np.float32))
    np.testing.assert_array_equal(found["label"], [0, 1, 2])
    with pytest.raises(ValueError, match="read-only"):
        found["image"][0] = 1
    assert cache.get(0) is None


def test_views_outlive_the_cache() -> None:
    cache = SharedCache(1, 10_000)
    cache.put(0, value(100))
    found = cache.get(0)
    del cache
    assert found["image"].sum() == 700


def test_filled_slot_stays_as_it_is() -> None:
    cache = SharedCache(1, 10_000)
    cache.put(0, value(10, fill=1))
    used = cache.num_bytes_used
    assert cache.put(0, value(10, fill=2))
    assert cache.get(0)["image"][0] == 1
    assert cache.num_bytes_used == used


@given(sizes=st.lists(st.integers(0, 4000), min_size=1, max_size=20), budget=st.integers(1000, 40_000))
def test_budget_is_never_exceeded_and_what_fits_is_kept(sizes: list[int], budget: int) -> None:
    cache = SharedCache(len(sizes), budget)
    kept = [cache.put(slot, value(size, fill=slot)) for slot, size in enumerate(sizes)]
    assert cache.num_bytes_used <= budget
    page = os.sysconf("SC_PAGESIZE")
    assert resident_bytes(cache) <= -(-budget // page) * page
    for slot, (size, was_kept) in enumerate(zip(sizes, kept, strict=True)):
        found = cache.get(slot)
        assert (found is not None) == was_kept
        if was_kept:
            np.testing.assert_array_equal(found["image"], value(size, fill=slot)["image"])


def test_small_values_fit_behind_one_that_did_not() -> None:
    cache = SharedCache(2, 3000)
    assert not cache.put(0, value(10_000))
    assert cache.put(1, value(10))


def test_memory_is_taken_as_values_come() -> None:
    cache = SharedCache(4, 1 << 30)
    cache.put(0, value(1 << 18))
    assert (1 << 20) <= resident_bytes(cache) < (2 << 20)


def test_budget_below_the_table_is_refused() -> None:
    # 1 + 2 * 100 numbers of 8 bytes are 1608, in steps of 64: 1664.
    with pytest.raises(
        SettingsError, match="takes 1664 bytes for its table alone: found a budget of 1000 bytes"
    ):
        SharedCache(100, 1000)


def fill_every_slot(cache: SharedCache, worker: int, num_slots: int) -> None:
    for slot in range(num_slots):
        cache.put(slot, value(50 + slot, fill=slot))
        found = cache.get(slot)
        if found is not None and (found["image"] != slot).any():
            os._exit(worker)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_what_they_store(method: str) -> None:
    context = multiprocessing.get_context(method)
    cache = SharedCache(40, 20_000)  # too small for all
    workers = [context.Process(target=fill_every_slot, args=(cache, number, 40)) for number in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    found = [cache.get(slot) for slot in range(40)]
    assert 0 < sum(item is not None for item in found) < 40
    for slot, item in enumerate(found):
        if item is not None:
            np.testing.assert_array_equal(item["image"], np.full(50 + slot, slot, np.float32))
    assert cache.num_bytes_used <= 20_000


def die_with_the_lock(cache: SharedCache) -> None:
    with cache._locked():
        os.kill(os.getpid(), 9)


def test_process_that_dies_holding_the_lock_blocks_nobody() -> None:
    cache = SharedCache(1, 10_000)
    worker = multiprocessing.get_context("fork").Process(target=die_with_the_lock, args=(cache,))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -9
    assert cache.put(0, value(3))


def test_copy_is_empty_and_its_own() -> None:
    cache = SharedCache(1, 10_000)
    cache.put(0, value(3))
    assert copy.deepcopy(cache).get(0) is None


def test_spare_memory_heeds_the_container(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:    5000 kB\n")
    assert spare_memory_bytes(tmp_path) == 5000 * 1024
    cgroup = tmp_path / "sys/fs/cgroup"
    cgroup.mkdir(parents=True)
    (cgroup / "memory.current").write_text("1000\n")
    (cgroup / "memory.max").write_text("max\n")
    assert spare_memory_bytes(tmp_path) == 5000 * 1024
    (cgroup / "memory.max").write_text("3000\n")
    assert spare_memory_bytes(tmp_path) == 2000


def test_this_machine_has_memory_to_spare() -> None:
    assert spare_memory_bytes() > 0
