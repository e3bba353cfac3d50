"""The process that decodes a share of compressed frames: ``python -m medpipe.io.dicom.decode_worker``.

JPEG 2000 decoding holds the interpreter lock, so threads gain nothing. This module is started as a plain
subprocess, not through ``multiprocessing``, whose children import the main module and torch with it.
"""

import mmap
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import RefusedError
from medpipe.io.dicom.frames import Frame, load_frame, num_bytes_of, shape_of

QUEUE_ENTRY_BYTES: Final = 4

MAX_QUEUE_ENTRIES: Final = 8192
"""A pipe holds 64 KiB on Linux, so that many entries can be written before anyone reads."""


@dataclass(frozen=True)
class Work:
    """What the workers do together.

    Attributes:
        memory: Inherited descriptor of the shared memory for the float32 array.
        queue: Inherited descriptor of a pipe with the first position of each portion: workers that get less
            of a busy machine take fewer.
        stride: A portion is every ``stride``-th frame from its first position.
        frames: All frames; the first axis of the array.
        hash_files: Whether to hash the files.
    """

    memory: int
    queue: int
    stride: int
    frames: tuple[Frame, ...]
    hash_files: bool

    def portions(self) -> Iterator[int]:
        """Take positions from the queue until it is empty."""
        while entry := os.read(self.queue, QUEUE_ENTRY_BYTES):
            yield from range(int.from_bytes(entry, "little"), len(self.frames), self.stride)


def shared_array(memory: int, frames: Sequence[Frame]) -> npt.NDArray[np.float32]:
    """Map shared memory as the ``(S, rows, columns)`` float32 array of frames; it keeps the mapping alive."""
    shape = shape_of(frames)
    return np.frombuffer(mmap.mmap(memory, num_bytes_of(shape)), dtype=np.float32).reshape(shape)


def main() -> None:
    """Do a share of the work on standard input; write digests by position, or the error that ended it."""
    work: Work = pickle.load(sys.stdin.buffer)
    values = shared_array(work.memory, work.frames)
    result: dict[int, str] | RefusedError | OSError
    try:
        result = {
            position: load_frame(work.frames[position], values[position], hash_file=work.hash_files)
            for position in work.portions()
        }
    except (RefusedError, OSError) as error:
        result = error
    pickle.dump(result, sys.stdout.buffer)


if __name__ == "__main__":
    main()
