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
from medpipe.io.dicom.decode_worker import MAX_QUEUE_ENTRIES, QUEUE_ENTRY_BYTES, Work, shared_array
from medpipe.io.dicom.frames import Frame, load_frame, num_bytes_of, shape_of
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
    values = np.empty(shape_of(frames), dtype=np.float32)
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


def _load_in_processes(frames: Sequence[Frame], workers: int, hash_files: bool) -> LoadedFrames:
    stride = min(len(frames), MAX_QUEUE_ENTRIES)
    memory = os.memfd_create("medpipe-frames")
    queue = _filled_queue(stride)
    try:
        os.ftruncate(memory, num_bytes_of(shape_of(frames)))
        work = Work(memory, queue, stride, tuple(frames), hash_files)
        with ThreadPoolExecutor(workers) as executor:
            shares = list(executor.map(_run_worker, [work] * workers))
        digests = {position: digest for share in shares for position, digest in share.items()}
        return LoadedFrames(shared_array(memory, frames), [digests[index] for index in range(len(frames))])
    finally:
        os.close(memory)
        os.close(queue)


def _filled_queue(num_entries: int) -> int:
    """Return the read end of a pipe that holds the numbers from 0."""
    read_end, write_end = os.pipe()
    entries = (number.to_bytes(QUEUE_ENTRY_BYTES, "little") for number in range(num_entries))
    os.write(write_end, b"".join(entries))
    os.close(write_end)
    return read_end


def _run_worker(work: Work) -> dict[int, str]:
    """Run one worker to its end; a codec that crashes takes its process along and nothing else."""
    process = subprocess.run(
        [sys.executable, "-m", _WORKER],
        input=pickle.dumps(work),
        capture_output=True,
        pass_fds=[work.memory, work.queue],
        check=False,
    )
    if process.returncode != 0:
        raise RefusedError(
            Code.E_DECODE,
            "The decoder crashed on the compressed pixels",
            found=f"exit status {process.returncode}",
            fix="Fetch the files again from their source.",
        )
    result: dict[int, str] | RefusedError | OSError = pickle.loads(process.stdout)
    if isinstance(result, Exception):
        raise result
    return result
