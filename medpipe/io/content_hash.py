"""The identity of files by their bytes."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_PIECE_BYTES: Final = 1 << 20


def sha256_of(paths: Iterable[str | Path]) -> str:
    """Return the hexadecimal sha256 over the bytes of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as stream:
            while piece := stream.read(_PIECE_BYTES):
                digest.update(piece)
    return digest.hexdigest()
