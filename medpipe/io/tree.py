"""Indexing folder trees by content: which studies they hold, and every other file with its reason."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

from medpipe.io.inspection import Inspected, inspect_file
from medpipe.io.series import TreeIndex
from medpipe.io.studies import GroupBy, group_studies
from medpipe.io.walk import FoundFile, walk_trees

Progress = Callable[[int, int], None]
"""Called with the number of files inspected and of all files."""

_BATCH: Final = 32


def index_tree(
    roots: Sequence[Path],
    *,
    workers: int | None = None,
    group_by: GroupBy = "study",
    progress: Progress | None = None,
) -> TreeIndex:
    """Find the studies in folders and files.

    Args:
        roots: Folders or single files.
        workers: Files inspected at a time; twice the processors where None.
        group_by: ``"folder"`` makes the NIfTI files and pictures of a folder one study; DICOM always goes
            by StudyInstanceUID.
        progress: Told of every file.

    Returns:
        Each file in exactly one study or among the skipped ones.

    Raises:
        NoInputError: A root does not exist.
    """
    walk = walk_trees(roots)
    inspected = []
    for file in _inspect_all(walk.files, workers):
        inspected.append(file)
        if progress is not None:
            progress(len(inspected), len(walk.files))
    grouped = group_studies(_pairs_joined(inspected), group_by=group_by)
    skipped = sorted((*walk.skipped, *grouped.skipped), key=lambda item: item.path)
    return TreeIndex(grouped.studies, tuple(skipped), len(walk.files) + len(walk.skipped))


def _inspect_all(files: Sequence[FoundFile], workers: int | None) -> Iterator[Inspected]:
    # Threads hide the latency of disks and networks and share the hashing. Headers alone are scanned no
    # faster by them, nor by processes on two cores: what those find has to be sent back.
    batches = [files[start : start + _BATCH] for start in range(0, len(files), _BATCH)]
    with ThreadPoolExecutor(workers or 2 * len(os.sched_getaffinity(0))) as pool:
        for batch in pool.map(_inspect_batch, batches):
            yield from batch


def _inspect_batch(files: Sequence[FoundFile]) -> list[Inspected]:
    return [inspect_file(file) for file in files]


def _pairs_joined(inspected: Iterable[Inspected]) -> list[Inspected]:
    """Hand the ``.img`` files of NIfTI pairs, which have no magic of their own, to their headers."""
    by_path = {str(file.found.path): file for file in inspected}
    for file in list(by_path.values()):
        for voxels in file.series.files[1:] if file.series else ():
            if voxels in by_path:
                path = str(file.found.path)
                by_path[path] = replace(by_path[path], voxels=by_path.pop(voxels).found)
    return list(by_path.values())
