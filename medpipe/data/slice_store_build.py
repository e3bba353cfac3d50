"""Building a store of slices: once, continued after a kill, published whole or not at all."""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch.utils.data import DataLoader, Dataset

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, MedpipeError, NoInputError, RefusedError
from medpipe.data.faults import raise_first
from medpipe.data.slice_store import FORMAT, INDEX_FILE, PreparedStudy, SliceStore, holds_store
from medpipe.data.slice_store_writer import StoreWriter, disk_errors
from medpipe.data.studies import StudyCase
from medpipe.io.atomic import TEMPORARY_PREFIX, publish_folder

Prepare = Callable[[StudyCase], PreparedStudy]

Progress = Callable[[int, int], None]
"""Called with the number of studies done and of all studies."""

_DIGEST_SHOWN: Final = 16


def open_slice_store(
    folder: Path,
    cases: Sequence[StudyCase],
    prepare: Prepare,
    *,
    settings: str,
    workers: int = 0,
    allow_refused: bool = False,
    progress: Progress | None = None,
) -> SliceStore:
    """Open a store of prepared studies; build it first where it is not there or is of something else.

    A store is of its settings and its cases: their ids and the names, sizes and times of their files. Labels
    are no part of it. A build that was killed goes on with the study that it had reached, and what a store of
    other cases holds is not prepared again. Several processes may call this at once: one builds, the others
    wait for it, by a lock that is an empty file beside the folder.

    Args:
        folder: Of the store; one that is there is replaced if it is of something else.
        cases: What it is to hold.
        prepare: Reads a case and brings its slices into the geometry of the network; picklable where
            processes are spawned. Raises RefusedError, which names the case, for data at fault.
        settings: All that ``prepare`` depends on, as text.
        workers: Processes that prepare; none where 0. The files do not depend on it.
        allow_refused: Leave out cases at fault instead of raising; see ``SliceStore.refused``.
        progress: Told of every study.

    Raises:
        NoInputError: There are no cases (``E_NO_INPUT``).
        RefusedError: Cases are at fault; names the first and how many, once all have been tried. Nothing
            unfinished is left.
        ShapeError: ``prepare`` returned what a store does not take. Likewise.
        MachineError: The disk is full or cannot be written (``E_DISK``), likewise; or the folder holds
            something else (``E_OUTPUT``).
    """
    if not cases:
        raise NoInputError(Code.E_NO_INPUT, "There are no studies to store", found="no case")
    cases = sorted(cases, key=lambda case: case.id)
    digests = {case.id: _case_digest(case, settings) for case in cases}
    digest = hashlib.sha256(json.dumps(digests).encode()).hexdigest()
    folder = Path(os.path.abspath(folder))
    with _locked(folder):
        store = _existing(folder)
        if store is None or store.digest != digest:
            preparation = _Preparation(cases, prepare, digests, store)
            _build(folder, digest, preparation, workers, allow_refused, progress)
            store = SliceStore(folder)
    if store.refused and not allow_refused:
        raise_first(store.refused, len(cases))
    return store


class _Preparation(Dataset[PreparedStudy | RefusedError]):
    """Prepared cases; faults are items too, so that one does not end the others."""

    def __init__(
        self,
        cases: Sequence[StudyCase],
        prepare: Prepare,
        digests: Mapping[str, str],
        before: SliceStore | None,
    ) -> None:
        self.cases = cases
        self.digests = digests
        self._prepare = prepare
        self._before = before

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> PreparedStudy | RefusedError:
        case = self.cases[index]
        if self._before is not None and self._before.case_digest(case.id) == self.digests[case.id]:
            return self._before.prepared(case.id)
        try:
            return self._prepare(case)
        except RefusedError as error:
            return error


def _build(
    folder: Path,
    digest: str,
    preparation: _Preparation,
    workers: int,
    allow_refused: bool,
    progress: Progress | None,
) -> None:
    staged = folder.with_name(f"{TEMPORARY_PREFIX}{folder.name}-{digest[:_DIGEST_SHOWN]}")
    _remove_stale(folder, staged)
    num_cases = len(preparation)
    try:
        with StoreWriter(staged, digest, num_cases) as writer:
            todo = [i for i, case in enumerate(preparation.cases) if case.id not in writer.index.studies]
            for index, prepared in zip(todo, _in_turn(preparation, todo, workers), strict=True):
                case_id = preparation.cases[index].id
                if isinstance(prepared, RefusedError):
                    writer.refuse(case_id, prepared)
                else:
                    writer.add(case_id, preparation.digests[case_id], prepared)
                if progress is not None:
                    progress(writer.num_done, num_cases)
            if writer.index.refused and not (allow_refused and writer.index.studies):
                raise_first(writer.index.refused, num_cases)
            writer.finish()
    except MedpipeError:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    publish_folder(staged, folder)


def _in_turn(
    preparation: _Preparation, indices: Sequence[int], workers: int
) -> Iterator[PreparedStudy | RefusedError]:
    """Prepare cases in their order, a few ahead of the writer."""
    yield from DataLoader(
        preparation,
        batch_size=None,
        sampler=indices,
        num_workers=min(workers, len(indices)),
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # a loader draws from the global one else
    )


def _as_it_is(item: Any) -> Any:
    return item


def _case_digest(case: StudyCase, settings: str) -> str:
    """Return the digest of what a study is made of; what cannot be read is refused once it is prepared."""
    files: list[tuple[str, int, int]] = []
    for root in case.roots:
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file():
                status = path.stat()
                files.append((str(path.relative_to(case.source)), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(json.dumps([FORMAT, settings, case.id, files]).encode()).hexdigest()


def _existing(folder: Path) -> SliceStore | None:
    """Return the store that is there; refuse to replace what is no store."""
    try:
        return SliceStore(folder)
    except RefusedError:
        is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
        if is_free or holds_store(folder):
            return None
        raise MachineError(
            Code.E_OUTPUT,
            f"{folder.name} is something else than a store of slices",
            found=f"no {INDEX_FILE} of a store",
            fix="Name an empty folder, or one that is not there yet.",
        ) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other builders of this folder waiting; the kernel lets them in should this process die."""
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = open(folder.with_name(f".{folder.name}.lock"), "wb")  # noqa: SIM115
    with lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        yield


def _remove_stale(folder: Path, staged: Path) -> None:
    """Remove unfinished stores of something else, which nobody goes on with."""
    pattern = re.compile(re.escape(TEMPORARY_PREFIX + folder.name) + rf"-[0-9a-f]{{{_DIGEST_SHOWN}}}")
    for path in folder.parent.iterdir():
        if pattern.fullmatch(path.name) and path != staged:
            shutil.rmtree(path, ignore_errors=True)
