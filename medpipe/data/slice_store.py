"""Prepared slices of many studies in one flat file: training reads them without decoding anything.

A store is a folder of two files. ``slices.bin`` holds the slices of all studies, one after another, as int16
in little-endian order. ``index.jsonl`` holds a line that heads it, and a line a study, in the same order.
Letters: N slices of all studies, S slices of a study, I J axes of a slice.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, ShapeError

FORMAT: Final = "medpipe slices 2"
SLICES_FILE: Final = "slices.bin"
INDEX_FILE: Final = "index.jsonl"

STORED: Final = np.dtype("<i2")


class PreparedStudy(NamedTuple):
    """A study as a store takes it: its geometry is what the network expects.

    Attributes:
        slices: ``(S, I, J)`` int16 in physical order: Hounsfield units of CT, integers as stored otherwise;
            I and J are those of every study. I runs from one side of the patient to the other.
        gaps_mm: ``(S,)`` float32: distance to the slice before; 0 for the first.
        keys: What names each slice, see :func:`medpipe.data.study_reading.slice_keys`.
        window: Lowest and highest value that the header's window shows; None where it states none.
    """

    slices: npt.NDArray[np.int16]
    gaps_mm: npt.NDArray[np.float32]
    keys: tuple[str, ...]
    window: tuple[float, float] | None = None


@dataclass(frozen=True)
class StoredStudy:
    """A line of the index.

    Attributes:
        id: Of the case.
        digest: Of its files and of how they were prepared.
        first: Its first slice among those of all studies.
        size: ``(S, I, J)``.
        gaps_mm: See :class:`PreparedStudy`.
        keys: Likewise.
        window: Likewise.
        crc32: Of the bytes of its slices.
    """

    id: str
    digest: str
    first: int
    size: tuple[int, int, int]
    gaps_mm: tuple[float, ...]
    keys: tuple[str, ...]
    window: tuple[float, float] | None
    crc32: int

    @property
    def end(self) -> int:
        """The slice after its last."""
        return self.first + self.size[0]

    @property
    def num_bytes(self) -> int:
        """Size of its slices."""
        return math.prod(self.size) * STORED.itemsize


@dataclass
class StoreIndex:
    """What ``index.jsonl`` holds.

    Attributes:
        digest: Of what was asked for.
        studies: By case id, in the order of their slices.
        refused: Why a case is not in the store, by case id.
    """

    digest: str = ""
    studies: dict[str, StoredStudy] = field(default_factory=dict)
    refused: dict[str, RefusedError] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int] | None:
        """Size ``(I, J)`` of every slice; None where there is no study."""
        return self._last.size[1:] if self._last else None

    @property
    def num_slices(self) -> int:
        """Slices of all studies."""
        return self._last.end if self._last else 0

    @property
    def num_bytes(self) -> int:
        """Size of the slices of all studies."""
        return self._last.end * self._last.num_bytes // self._last.size[0] if self._last else 0

    @property
    def _last(self) -> StoredStudy | None:
        return next(reversed(self.studies.values()), None)


class SliceStore:
    """A complete store, opened for reading; may be handed to any number of processes.

    Args:
        folder: From :func:`medpipe.data.slice_store_build.open_slice_store`.

    Raises:
        RefusedError: The folder holds no store, or one that was cut (``E_DATASET``).
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / SLICES_FILE
        index = read_index(folder)
        size = index.size
        if size is None or not self._path.is_file() or self._path.stat().st_size != index.num_bytes:
            raise _no_store(folder, "slices that do not fit the index")
        self._index = index
        self._size = size

    @property
    def digest(self) -> str:
        """Digest of what was asked for when it was built."""
        return self._index.digest

    @property
    def ids(self) -> tuple[str, ...]:
        """Cases in the store, in the order of their slices."""
        return tuple(self._index.studies)

    @property
    def size(self) -> tuple[int, int]:
        """Size ``(I, J)`` of every slice."""
        return self._size

    @property
    def refused(self) -> Mapping[str, RefusedError]:
        """Why a case is not in the store, by case id."""
        return self._index.refused

    def case_digest(self, case_id: str) -> str:
        """Return the digest of what a study was made of; empty where it is not in the store."""
        return self._index.studies[case_id].digest if case_id in self._index.studies else ""

    def prepared(self, case_id: str) -> PreparedStudy:
        """Return a study as it was stored."""
        window = self._study(case_id).window
        return PreparedStudy(self.slices(case_id), self.gaps_mm(case_id), self.keys(case_id), window)

    def keys(self, case_id: str) -> tuple[str, ...]:
        """Return what names each slice of a study."""
        return self._study(case_id).keys

    def num_slices(self, case_id: str) -> int:
        """Return the number of slices of a study."""
        return self._study(case_id).size[0]

    def gaps_mm(self, case_id: str) -> npt.NDArray[np.float32]:
        """Return ``(S,)`` distances to the slice before."""
        return np.array(self._study(case_id).gaps_mm, dtype=np.float32)

    def window(self, case_id: str) -> npt.NDArray[np.float32]:
        """Return ``(2,)``: the ends of the header's window; NaN where it states none."""
        return np.array(self._study(case_id).window or (np.nan, np.nan), dtype=np.float32)

    def slices(self, case_id: str) -> npt.NDArray[np.int16]:
        """Return ``(S, I, J)``: a read-only view of the file, read as it is used."""
        study = self._study(case_id)
        return self._map[study.first : study.end]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapped file behind: another process maps it itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_map"}

    @cached_property
    def _map(self) -> npt.NDArray[np.int16]:
        shape = (self._index.num_slices, *self._size)
        return np.memmap(self._path, dtype=STORED, mode="r", shape=shape)

    def _study(self, case_id: str) -> StoredStudy:
        if case_id in self._index.refused:
            raise self._index.refused[case_id]
        if case_id not in self._index.studies:
            raise ShapeError(f"The store has no case {case_id!r}", found=f"{len(self._index.studies)} others")
        return self._index.studies[case_id]


def checked_study(case_id: str, prepared: PreparedStudy, size: tuple[int, ...] | None) -> PreparedStudy:
    """Refuse a prepared study that is not what a store takes.

    Args:
        case_id: For the message.
        prepared: As its maker returned it.
        size: Rows and columns of the studies before; None for the first.

    Raises:
        ShapeError: Says what does not fit.
    """
    slices, gaps_mm, keys, _ = prepared
    for fits, rule, found in (
        (slices.dtype == np.int16 and slices.ndim == 3 and slices.size, "slices are (S, I, J) int16", slices),
        (gaps_mm.shape == slices.shape[:1], "there is a gap for each slice", gaps_mm),
        (len(set(keys)) == len(keys) == len(slices), "each slice has a key of its own", np.array(keys)),
        (size in (None, slices.shape[1:]), f"slices have {size} rows and columns, as before", slices),
    ):
        if not fits:
            raise ShapeError(f"Case {case_id}: {rule}", found=f"{found.dtype} of shape {found.shape}")
    if gaps_mm[0] != 0 or not (np.isfinite(gaps_mm).all() and (gaps_mm >= 0).all()):
        raise ShapeError(f"Case {case_id}: gaps are distances, the first 0", found=str(gaps_mm))
    return prepared


def heading(digest: str) -> bytes:
    """Return the line that heads an index."""
    return _line({"format": FORMAT, "digest": digest})


def line_of(study: StoredStudy) -> bytes:
    """Return the line of a study."""
    return _line(study.__dict__)


def refusal_line(case_id: str, error: RefusedError) -> bytes:
    """Return the line of a case that is left out."""
    return _line({"id": case_id, "refused": [error.code, error.what, error.found, error.fix]})


def holds_store(folder: Path) -> bool:
    """Whether a folder was made for a store, complete or not."""
    try:
        with open(folder / INDEX_FILE, "rb") as stream:
            return stream.readline().startswith(b'{"format":"medpipe slices')
    except OSError:
        return False


def read_index(folder: Path, *, may_be_cut: bool = False) -> StoreIndex:
    """Read the index of a store.

    Args:
        folder: Of the store.
        may_be_cut: Accept one whose writer died: a last line that is cut is passed over.

    Raises:
        RefusedError: There is none, or a line is damaged (``E_DATASET``).
    """
    index = StoreIndex()
    try:
        with open(folder / INDEX_FILE, "rb") as stream:
            for number, line in enumerate(stream):
                if may_be_cut and not line.endswith(b"\n"):
                    break
                _read_line(index, line, is_first=number == 0)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_store(folder, type(error).__name__) from error
    if not index.digest:
        raise _no_store(folder, "an empty index")
    return index


def _read_line(index: StoreIndex, line: bytes, *, is_first: bool) -> None:
    entry = json.loads(line)
    if is_first:
        if entry["format"] != FORMAT:
            raise ValueError(FORMAT)
        index.digest = entry["digest"]
    elif "refused" in entry:
        code, what, found, fix = entry["refused"]
        index.refused[entry["id"]] = RefusedError(Code[code], what, found=found, fix=fix)
    else:
        size, gaps_mm, keys = (tuple(entry.pop(name)) for name in ("size", "gaps_mm", "keys"))
        window = entry.pop("window")
        index.studies[entry["id"]] = StoredStudy(
            size=size, gaps_mm=gaps_mm, keys=keys, window=window and tuple(window), **entry
        )


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _no_store(folder: Path, found: str) -> RefusedError:
    return RefusedError(
        Code.E_DATASET,
        f"The folder {folder.name} is no complete store of slices",
        found=found,
        fix="Build it again.",
    )
