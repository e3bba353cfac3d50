"""Rows of one patient after another out of batches: they stand together, or the table is refused."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError


class Contiguous:
    """Cuts tables into patients, and remembers in which file each one was.

    Memory holds one patient, one batch and the ids of all patients.
    """

    def __init__(self, column: str) -> None:
        """Cut by the values of a column."""
        self._column = column
        self._places: dict[Any, str] = {}

    def patients(self, batches: Iterable[pa.RecordBatch], *, place: str) -> Iterator[tuple[Any, pa.Table]]:
        """Yield each patient of a file with all rows.

        Args:
            batches: The rows of one file, in its order.
            place: Name of the file, for messages.

        Raises:
            SettingsError: Rows of one patient stand apart, in one file or in two, or a row names no patient
                (``E_DATASET``).
        """
        current: Any = None
        parts: list[pa.RecordBatch] = []
        for batch in batches:
            for patient, rows in self._runs(batch):
                if parts and patient != current:
                    yield current, pa.Table.from_batches(parts)
                    parts = []
                if not parts:
                    self._enter(patient, place)
                    current = patient
                parts.append(rows)
        if parts:
            yield current, pa.Table.from_batches(parts)

    def _runs(self, batch: pa.RecordBatch) -> Iterator[tuple[Any, pa.RecordBatch]]:
        if not len(batch):
            return
        ids = batch.column(self._column).to_numpy(zero_copy_only=False)
        starts = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
        for start, stop in pairwise(starts):
            yield batch.column(self._column)[start].as_py(), batch.slice(start, stop - start)

    def _enter(self, patient: Any, place: str) -> None:
        if patient is None or patient == "":
            raise SettingsError(
                Code.E_DATASET, f"{place}: a row names no patient", fix="Fill in or remove such rows."
            )
        earlier = self._places.get(patient)
        if earlier is not None:
            raise SettingsError(
                Code.E_DATASET,
                "Rows of one patient stand in two files"
                if earlier != place
                else "Rows of one patient stand apart",
                found=earlier if earlier == place else f"{earlier} and {place}",
                fix="Write all rows of a patient one after another into one file.",
            )
        self._places[patient] = place
