"""Many frames into one array: threads for native pixels, processes for large compressed series."""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.dicom.decode_worker import Share, shared_array
from medpipe.io.dicom.frames import Frame, load_frame
from medpipe.io.dicom.syntaxes import NATIVE

MIN_PIXELS_FOR_PROCESSES: Final = 8 * 1024 * 1024
"""Compressed pixels below which starting processes (0.3 s) takes longer than it saves."""

_WORKER: Final = "medpipe.io.dicom.decode_worker"


def load_frames(frames: Sequence[Frame], *, workers: int | None = None) -> npt.NDArray[np.float32]:
    """Read, decode and rescale frames of one size.

    Args:
        frames: At least one; all of the same rows and columns, checked before.
        workers: Threads or processes; as many as there are usable cores where None.

    Returns:
        ``(S, rows, columns)`` float32, in the order of ``frames``.

    Raises:
        RefusedError: See :func:`medpipe.io.dicom.frames.load_frame`.
        OSError: A file cannot be read.
    """
    workers = min(workers or len(os.sched_getaffinity(0)), len(frames))
    layout = frames[0].layout
    shape = (len(frames), layout.rows, layout.columns)
    is_compressed = any(frame.layout.syntax not in NATIVE for frame in frames)
    if is_compressed and workers > 1 and len(frames) * layout.frame_pixels >= MIN_PIXELS_FOR_PROCESSES:
        return _load_in_processes(frames, shape, workers)
    values = np.empty(shape, dtype=np.float32)
    with ThreadPoolExecutor(workers) as executor:
        # list() waits for all and raises the first error.
        list(executor.map(load_frame, frames, values))
    return values


def _load_in_processes(
    frames: Sequence[Frame], shape: tuple[int, int, int], workers: int
) -> npt.NDArray[np.float32]:
    descriptor = os.memfd_create("medpipe-frames")
    try:
        num_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(np.float32).itemsize
        os.ftruncate(descriptor, num_bytes)
        numbered = tuple(enumerate(frames))
        shares = [Share(descriptor, shape, numbered[start::workers]) for start in range(workers)]
        with ThreadPoolExecutor(workers) as executor:
            list(executor.map(_run_worker, shares))
        return shared_array(descriptor, shape)
    finally:
        os.close(descriptor)


def _run_worker(share: Share) -> None:
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
    refusal: RefusedError | None = pickle.loads(process.stdout)
    if refusal is not None:
        raise refusal
