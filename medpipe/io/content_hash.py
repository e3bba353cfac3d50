"""The identity of files by their bytes."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

_PIECE_BYTES: Final = 1 << 20


def sha256_of(paths: Iterable[str | Path]) -> str:
    """Return the hexadecimal sha256 over the bytes of files, one after the other."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_PIECE_BYTES))
    for path in paths:
        with open(path, "rb", buffering=0) as stream:
            while size := stream.readinto(buffer):
                digest.update(buffer[:size])
    return digest.hexdigest()


def sha256_of_digests(digests: Sequence[str]) -> str:
    """Return one sha256 for the files of a series from the sha256 of each, in slice order.

    Hashed one by one, files use all cores; a series of 300 slices would else wait for its hash.
    """
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
