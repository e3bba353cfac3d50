"""A cache of decoded values in one block of memory that processes share.

Slots are filled once and never evicted: training visits every case once a round, in random order, and there
a cache that evicts the oldest finds almost nothing, while one that keeps what it has finds its share of the
cases. Nothing that was handed out ever moves.
"""

import fcntl
import mmap
import os
import pickle
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import get_spawning_popen
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError

_ALIGNMENT: Final = 64
_CGROUP_FILES: Final = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"),
    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


class SharedCache:
    """Values by slot number; processes forked or spawned by the owner see each other's values.

    The block is reserved, not filled: memory is used as values come in, never more than the budget. A process
    that dies while it stores a value leaves the slot empty and the cache usable. Threads of one process are
    not kept apart. A copy made by other ways than starting a process is empty.

    Args:
        num_slots: Slots, from 0.
        num_bytes: Budget in bytes, book-keeping included.

    Raises:
        SettingsError: The budget does not even hold the book-keeping.
    """

    def __init__(self, num_slots: int, num_bytes: int) -> None:
        num_reserved = _aligned((1 + 2 * num_slots) * np.dtype(np.int64).itemsize)
        if num_bytes < num_reserved:
            raise SettingsError(
                Code.E_SETTINGS,
                f"A cache of {num_slots} cases takes {num_reserved} bytes for its table alone",
                found=f"a budget of {num_bytes} bytes",
                fix="Raise the budget, or set it to 0 for no cache.",
            )
        descriptor = os.memfd_create("medpipe-cache")  # not limited by /dev/shm, and gone with its processes
        os.ftruncate(descriptor, num_bytes)
        self._attach(descriptor, num_slots)
        self._end[0] = num_reserved

    def __reduce__(self) -> tuple[Any, ...]:
        """Hand the block to a process that is being spawned; elsewhere a copy starts empty."""
        if get_spawning_popen() is None:
            return SharedCache, (len(self._places), len(self._block))
        return _attached, (DupFd(self._descriptor), len(self._places))

    @property
    def num_bytes_used(self) -> int:
        """Bytes taken so far, book-keeping included."""
        with self._locked():
            return int(self._end[0])

    def get(self, slot: int) -> Any | None:
        """Return the value of a slot, or None; its arrays are read-only views of the block."""
        with self._locked():
            start, length = map(int, self._places[slot])
        if not length:
            return None
        record = memoryview(self._block).toreadonly()[start : start + length]
        num_parts = int(np.frombuffer(record, np.int64, count=1)[0])
        sizes = np.frombuffer(record, np.int64, count=1 + num_parts)[1:].tolist()
        position = _aligned((1 + num_parts) * np.dtype(np.int64).itemsize)
        parts = []
        for size in sizes:
            parts.append(record[position : position + size])
            position += _aligned(size)
        return pickle.loads(parts[0], buffers=parts[1:])

    def put(self, slot: int, value: object) -> bool:
        """Store a value; return False where the rest of the budget does not hold it.

        A slot that is filled stays as it is. Contiguous arrays in the value are stored without a detour.
        """
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(body), *(buffer.raw() for buffer in buffers)]
        heading = np.array([len(parts), *(part.nbytes for part in parts)], dtype=np.int64)
        parts.insert(0, memoryview(heading.tobytes()))
        length = sum(_aligned(part.nbytes) for part in parts)
        with self._locked():
            if self._places[slot, 1]:
                return True
            start = position = int(self._end[0])
            if start + length > len(self._block):
                return False
            for part in parts:
                self._block[position : position + part.nbytes] = part
                position += _aligned(part.nbytes)
            # In this order, dying in between loses space at most; the length makes the slot valid.
            self._end[0] = position
            self._places[slot, 0] = start
            self._places[slot, 1] = length
        return True

    def _attach(self, descriptor: int, num_slots: int) -> None:
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        self._block = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        table = np.frombuffer(self._block, dtype=np.int64, count=1 + 2 * num_slots)
        self._end: npt.NDArray[np.int64] = table[:1]
        self._places: npt.NDArray[np.int64] = table[1:].reshape(num_slots, 2)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # A record lock belongs to the process: the kernel frees it should the process die.
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def spare_memory_bytes(root: Path = Path("/")) -> int:
    """Return the memory that can still be used: of the machine, or of its container where that is less.

    Args:
        root: Where ``proc`` and ``sys`` are mounted.
    """
    meminfo = (root / "proc/meminfo").read_text(encoding="ascii")
    available = next(line for line in meminfo.splitlines() if line.startswith("MemAvailable:"))
    spare = int(available.split()[1]) * 1024
    for limit, used in _CGROUP_FILES:
        try:
            spare = min(spare, int((root / limit).read_text()) - int((root / used).read_text()))
        except (OSError, ValueError):  # another version of cgroups, or "max"
            continue
    return max(0, spare)


def _attached(duplicate: Any, num_slots: int) -> SharedCache:
    cache = SharedCache.__new__(SharedCache)
    cache._attach(duplicate.detach(), num_slots)
    return cache


def _aligned(num_bytes: int) -> int:
    return -(-num_bytes // _ALIGNMENT) * _ALIGNMENT
