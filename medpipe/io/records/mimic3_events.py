"""Events of chosen patients out of MIMIC-III's tables, in one pass over each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from medpipe.io.records.tables import stream_csv

_SUBJECT: Final = "subject_id"
_MOMENT: Final = pa.timestamp("s")


@dataclass(frozen=True)
class _Table:
    """Names of the columns that hold the parts of an event; empty where there is none."""

    time: str
    value: str = ""
    unit: str = ""

    def types(self) -> dict[str, pa.DataType]:
        named = {
            _SUBJECT: pa.int64(),
            self.time: _MOMENT,
            "itemid": pa.int64(),
            self.value: pa.float64(),
            self.unit: pa.string(),
        }
        return {name: dtype for name, dtype in named.items() if name}


_TABLES: Final = {
    "labevents": _Table("charttime", "valuenum", "valueuom"),
    "outputevents": _Table("charttime", "value", "valueuom"),
    "procedureevents_mv": _Table("starttime"),
}


@dataclass(frozen=True, eq=False)
class Events:
    """Rows of one patient: ``(T,)`` datetime64[s], item ids as text, float64 (NaN where none), and units."""

    times: npt.NDArray[np.datetime64]
    codes: npt.NDArray[Any]
    values: npt.NDArray[np.float64]
    units: npt.NDArray[Any]

    def joined(self, other: "Events") -> "Events":
        """Return the rows of both."""
        return Events(
            np.concatenate([self.times, other.times]),
            np.concatenate([self.codes, other.codes]),
            np.concatenate([self.values, other.values]),
            np.concatenate([self.units, other.units]),
        )

    def until(self, end: np.datetime64) -> "Events":
        """Return the rows up to a moment, and those without a time, for them to be counted."""
        kept = ~(self.times > end)
        return Events(self.times[kept], self.codes[kept], self.values[kept], self.units[kept])


def read_events(tables: Mapping[str, Path | None], subjects: Sequence[int]) -> dict[int, Events]:
    """Read the events of some patients.

    Args:
        tables: File of each table by its name; None where it is absent.
        subjects: Ids of the patients.

    Returns:
        The events of every one of them, in the order of the tables and of their rows; empty where a patient
        has none.
    """
    wanted = pa.array(subjects, pa.int64())
    parts = [
        part
        for name, path in tables.items()
        if path is not None
        for part in _chosen(path, _TABLES[name], wanted)
    ]
    table = pa.Table.from_batches(parts, schema=_SCHEMA).combine_chunks()
    owners = table[_SUBJECT].to_numpy()
    order = np.argsort(owners, kind="stable")
    starts = np.searchsorted(owners[order], subjects, side="left")
    stops = np.searchsorted(owners[order], subjects, side="right")
    columns = Events(*(table[name].to_numpy()[order] for name in ("time", "code", "value", "unit")))
    return {
        subject: Events(
            columns.times[start:stop],
            columns.codes[start:stop],
            columns.values[start:stop],
            columns.units[start:stop],
        )
        for subject, start, stop in zip(subjects, starts.tolist(), stops.tolist(), strict=True)
    }


_SCHEMA: Final = pa.schema(
    [
        (_SUBJECT, pa.int64()),
        ("time", _MOMENT),
        ("code", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
    ]
)


def _chosen(path: Path, table: _Table, wanted: pa.Array) -> Iterator[pa.RecordBatch]:
    for whole in stream_csv(path, table.types()):
        batch = whole.filter(pc.is_in(whole.column(_SUBJECT), wanted))
        no_value = pa.nulls(len(batch), pa.float64())
        no_unit = pa.array([""] * len(batch), pa.string())
        yield pa.RecordBatch.from_arrays(
            [
                batch.column(_SUBJECT),
                batch.column(table.time),
                pc.cast(batch.column("itemid"), pa.string()),
                batch.column(table.value) if table.value else no_value,
                batch.column(table.unit) if table.unit else no_unit,
            ],
            schema=_SCHEMA,
        )
