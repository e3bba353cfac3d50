"""Writing a store of slices study by study, so that a killed writer goes on where it was."""

import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, RefusedError
from medpipe.data.slice_store import (
    INDEX_FILE,
    SLICES_FILE,
    STORED,
    PreparedStudy,
    StoredStudy,
    StoreIndex,
    checked_study,
    heading,
    line_of,
    read_index,
    refusal_line,
)
from medpipe.io.atomic import write_bytes

_FORECAST_FROM: Final = 10
"""Studies after which their mean size tells what the others will take."""

_PIECE_BYTES: Final = 1 << 24


class StoreWriter:
    """Appends studies to an unfinished store: slices first, then the line that makes them count.

    What an earlier writer left is taken over as far as its check sums hold.

    Args:
        folder: Of the unfinished store; made if absent.
        digest: Of what is asked for.
        num_cases: How many there will be, those that are refused included.

    Raises:
        MachineError: The disk cannot be written (``E_DISK``).
    """

    def __init__(self, folder: Path, digest: str, num_cases: int) -> None:
        self._folder = folder
        self._num_cases = num_cases
        with disk_errors(folder):
            folder.mkdir(exist_ok=True)
        self.index = _taken_over(folder, digest)
        lines = (heading(digest), *map(line_of, self.index.studies.values()))
        write_bytes(folder / INDEX_FILE, b"".join(lines))
        with disk_errors(folder):
            self._lines = open(folder / INDEX_FILE, "ab")  # noqa: SIM115
            self._slices = open(folder / SLICES_FILE, "ab")  # noqa: SIM115
            self._slices.truncate(self.index.num_bytes)

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._slices.close()
        self._lines.close()

    @property
    def num_done(self) -> int:
        """Cases that were added, those that are refused included."""
        return len(self.index.studies) + len(self.index.refused)

    def add(self, case_id: str, digest: str, prepared: PreparedStudy) -> None:
        """Write a study.

        Args:
            case_id: Of the study.
            digest: Of what it was made of.
            prepared: The study.

        Raises:
            ShapeError: It is not what a store takes.
            MachineError: The disk cannot be written or has not the space for this study or, by the mean size
                of the studies so far, for all (``E_DISK``).
        """
        prepared = checked_study(case_id, prepared, self.index.size)
        content = np.ascontiguousarray(prepared.slices, dtype=STORED)
        num_slices, rows, columns = content.shape
        study = StoredStudy(
            id=case_id,
            digest=digest,
            first=self.index.num_slices,
            size=(num_slices, rows, columns),
            gaps_mm=tuple(prepared.gaps_mm.astype(np.float32).tolist()),
            keys=prepared.keys,
            window=prepared.window,
            crc32=zlib.crc32(content.data),
        )
        self._check_space(study)
        with disk_errors(self._folder):
            self._slices.write(content.data)
            self._slices.flush()
            self._lines.write(line_of(study))
            self._lines.flush()
        self.index.studies[case_id] = study

    def refuse(self, case_id: str, error: RefusedError) -> None:
        """Leave a case out; another writer would try it again."""
        self.index.refused[case_id] = error

    def finish(self) -> None:
        """Write which cases are left out: the store is complete.

        Raises:
            MachineError: The disk cannot be written (``E_DISK``).
        """
        with disk_errors(self._folder):
            for case_id, error in self.index.refused.items():
                self._lines.write(refusal_line(case_id, error))
            self._lines.flush()

    def _check_space(self, study: StoredStudy) -> None:
        needed, num_stored = study.num_bytes, len(self.index.studies)
        if num_stored >= _FORECAST_FROM:
            needed = max(needed, self.index.num_bytes * (self._num_cases - self.num_done) // num_stored)
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise MachineError(
                Code.E_DISK,
                f"The store of slices needs {needed / 1e9:.3g} GB more",
                found=f"{free / 1e9:.3g} GB free",
                fix="Free space, store smaller slices, or name a folder on another disk.",
            )


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an error of the system into one that says what cannot be written."""
    try:
        yield
    except OSError as error:
        raise MachineError(
            Code.E_DISK,
            f"Cannot write {path.name}",
            found=error.strerror or str(error),
            fix="Free space or correct the permissions, then run the same command again.",
        ) from error


def _taken_over(folder: Path, digest: str) -> StoreIndex:
    """Return the studies of an unfinished store, up to the first whose slices are not sound."""
    sound = StoreIndex(digest)
    try:
        found = read_index(folder, may_be_cut=True)
        with open(folder / SLICES_FILE, "rb") as stream:
            for case_id, study in found.studies.items():
                if found.digest != digest or _crc32(stream, study.num_bytes) != study.crc32:
                    break
                sound.studies[case_id] = study
    except (RefusedError, OSError):  # nothing to take over
        pass
    return sound


def _crc32(stream: BinaryIO, num_bytes: int) -> int:
    value = 0
    while num_bytes > 0 and (piece := stream.read(min(num_bytes, _PIECE_BYTES))):
        value = zlib.crc32(piece, value)
        num_bytes -= len(piece)
    return value
