"""The process that decodes a share of compressed frames: ``python -m medpipe.io.dicom.decode_worker``.

JPEG 2000 decoding holds the interpreter lock, so threads gain nothing. This module is started as a plain
subprocess, not through ``multiprocessing``, whose children import the main module and torch with it.
"""

import mmap
import pickle
import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import RefusedError
from medpipe.io.dicom.frames import Frame, load_frame


@dataclass(frozen=True)
class Share:
    """What one worker does.

    Attributes:
        descriptor: Inherited file descriptor of the shared memory.
        shape: ``(frames, rows, columns)`` of the float32 array in it.
        frames: Position in the array and frame.
        hash_files: Whether to hash the files.
    """

    descriptor: int
    shape: tuple[int, int, int]
    frames: tuple[tuple[int, Frame], ...]
    hash_files: bool


def shared_array(descriptor: int, shape: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    """Map shared memory as a float32 array, which keeps the mapping alive."""
    num_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(np.float32).itemsize
    return np.frombuffer(mmap.mmap(descriptor, num_bytes), dtype=np.float32).reshape(shape)


def main() -> None:
    """Decode the share that stands on standard input; write the digests of its files, or the error."""
    share: Share = pickle.load(sys.stdin.buffer)
    values = shared_array(share.descriptor, share.shape)
    result: list[str] | RefusedError | OSError
    try:
        result = [
            load_frame(frame, values[position], hash_file=share.hash_files)
            for position, frame in share.frames
        ]
    except (RefusedError, OSError) as error:
        result = error
    pickle.dump(result, sys.stdout.buffer)


if __name__ == "__main__":
    main()
