"""Many frames into one array: threads for native pixels, processes for large compressed series."""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.dicom.decode_worker import Share, shared_array
from medpipe.io.dicom.frames import Frame, load_frame
from medpipe.io.dicom.syntaxes import NATIVE

MIN_PIXELS_FOR_PROCESSES: Final = 8 * 1024 * 1024
"""Compressed pixels below which starting processes (0.3 s) takes longer than it saves."""

BLOCK_BYTES: Final = 16 * 1024 * 1024
"""Output that one thread fills in a row: threads that share a huge page both clear it, for nothing."""

_WORKER: Final = "medpipe.io.dicom.decode_worker"


class LoadedFrames(NamedTuple):
    """Frames in memory.

    Attributes:
        values: ``(S, rows, columns)`` float32; HU for CT.
        digests: The sha256 of the file of each frame; empty where not asked for.
    """

    values: npt.NDArray[np.float32]
    digests: list[str]


def load_frames(
    frames: Sequence[Frame], *, workers: int | None = None, hash_files: bool = True
) -> LoadedFrames:
    """Read, decode and rescale frames of one size.

    Args:
        frames: At least one; all of the same rows and columns, checked before.
        workers: Threads or processes; as many as there are usable cores where None.
        hash_files: Whether to hash the files, which takes a third of the time of uncompressed ones.

    Raises:
        RefusedError: See :func:`medpipe.io.dicom.frames.load_frame`.
        OSError: A file cannot be read.
    """
    workers = min(workers or len(os.sched_getaffinity(0)), len(frames))
    layout = frames[0].layout
    is_compressed = any(frame.layout.syntax not in NATIVE for frame in frames)
    if is_compressed and workers > 1 and len(frames) * layout.frame_pixels >= MIN_PIXELS_FOR_PROCESSES:
        return _load_in_processes(frames, workers, hash_files)
    return _load_in_threads(frames, workers, hash_files)


def _load_in_threads(frames: Sequence[Frame], workers: int, hash_files: bool) -> LoadedFrames:
    values = np.empty(_shape_of(frames), dtype=np.float32)
    size = max(1, BLOCK_BYTES // values[0].nbytes)

    def load_block(start: int) -> list[str]:
        block = slice(start, start + size)
        return [
            load_frame(frame, out, hash_file=hash_files)
            for frame, out in zip(frames[block], values[block], strict=True)
        ]

    with ThreadPoolExecutor(workers) as executor:
        blocks = executor.map(load_block, range(0, len(frames), size))
        return LoadedFrames(values, [digest for block in blocks for digest in block])


def _shape_of(frames: Sequence[Frame]) -> tuple[int, int, int]:
    layout = frames[0].layout
    return len(frames), layout.rows, layout.columns


def _load_in_processes(frames: Sequence[Frame], workers: int, hash_files: bool) -> LoadedFrames:
    shape = _shape_of(frames)
    descriptor = os.memfd_create("medpipe-frames")
    try:
        os.ftruncate(descriptor, int(np.prod(shape, dtype=np.int64)) * np.dtype(np.float32).itemsize)
        numbered = tuple(enumerate(frames))
        shares = [Share(descriptor, shape, numbered[start::workers], hash_files) for start in range(workers)]
        digests = [""] * len(frames)
        with ThreadPoolExecutor(workers) as executor:
            for start, of_share in enumerate(executor.map(_run_worker, shares)):
                digests[start::workers] = of_share
        return LoadedFrames(shared_array(descriptor, shape), digests)
    finally:
        os.close(descriptor)


def _run_worker(share: Share) -> list[str]:
    """Run one worker to its end; a codec that crashes takes its process along and nothing else."""
    process = subprocess.run(
        [sys.executable, "-m", _WORKER],
        input=pickle.dumps(share),
        capture_output=True,
        pass_fds=[share.descriptor],
        check=False,
    )
    if process.returncode != 0:
        raise RefusedError(
            Code.E_DECODE,
            "The decoder crashed on the compressed pixels",
            found=f"exit status {process.returncode}",
            fix="Fetch the files again from their source.",
        )
    result: list[str] | RefusedError | OSError = pickle.loads(process.stdout)
    if isinstance(result, Exception):
        raise result
    return result
