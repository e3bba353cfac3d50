"""Files of predicted risks: a row a patient, moment and horizon, with what came true.

Shapes: ``N`` rows, ``P`` patients, ``E`` episodes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as arrow_parquet

from medpipe.io.atomic import atomic_write
from medpipe.io.records.prediction_checks import broken_rule, check_once, check_rows, floats
from medpipe.io.records.tables import check_columns, parquet_schema, stream_parquet

COLUMNS: Final = {
    "subject_id": pa.string(),
    "time_h": pa.float64(),
    "horizon_h": pa.int32(),
    "probability": pa.float32(),
    "low": pa.float32(),
    "high": pa.float32(),
    "label": pa.float32(),
}
"""Every file has them. ``time_h``: hours since admission, or since the origin of the record where a patient
has several stays, the end of what a forecast may use. ``low`` and ``high``: interval of the probability, NaN
where none. ``label``: 1, 0, or NaN where not known."""

OPTIONAL: Final = {"onset_h": pa.float64(), "stage": pa.int32()}
"""``onset_h``: when an episode of the patient begins, NaN for none; a patient's episodes are the different
values in its rows. ``stage``: least stage that the row is about; without it, all rows are about the same."""

GROUPS: Final = {"sex": pa.string(), "age": pa.float64(), "unit": pa.string()}
"""Subgroups, each one value a patient: sex, age in years, and the unit that the patient is on."""

NOTES: Final = {"stay": pa.string(), "score": pa.float64()}
"""For people and other programs: written, not read. ``stay``: of the patient. ``score``: log-odds before
calibration, without the ties of its curve."""

UNKNOWN: Final = "unknown"

Values = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted risks; made by :func:`make_predictions` or :func:`read_predictions`, which check them.

    Attributes:
        subjects: ``(P,)`` text, in the order of first mention.
        patients: ``(N,)`` which subject a row is of.
        time_h: ``(N,)`` float64.
        horizon_h: ``(N,)`` int32.
        probs: ``(N,)`` float32 in [0, 1].
        low: ``(N,)`` float32; NaN where none.
        high: ``(N,)`` float32; NaN where none.
        labels: ``(N,)`` float32: 1, 0 or NaN.
        onset_h: ``(N,)`` float64; None where the file has no such column.
        stages: ``(N,)`` int32; None where it has none.
        groups: ``(P,)`` by name: ages are float64, others text, ``"unknown"`` where missing.
        notes: ``(N,)`` by the names of ``NOTES``; none where a file was read.
    """

    subjects: Values
    patients: npt.NDArray[np.int64]
    time_h: Values
    horizon_h: Values
    probs: Values
    low: Values
    high: Values
    labels: Values
    onset_h: Values | None = None
    stages: Values | None = None
    groups: Mapping[str, Values] = field(default_factory=dict)
    notes: Mapping[str, Values] = field(default_factory=dict)

    @property
    def outcomes(self) -> tuple[tuple[int | None, int], ...]:
        """Stage, None where the file has none, and horizon of each outcome, ascending."""
        if self.stages is None:
            return tuple((None, int(horizon)) for horizon in np.unique(self.horizon_h))
        pairs = np.unique(np.stack((self.stages, self.horizon_h)), axis=1).T
        return tuple((int(stage), int(horizon)) for stage, horizon in pairs)

    def rows_of(self, stage: int | None, horizon_h: int) -> npt.NDArray[np.int64]:
        """Return the rows of one outcome."""
        is_asked = self.horizon_h == horizon_h
        if self.stages is not None and stage is not None:
            is_asked &= self.stages == stage
        return np.flatnonzero(is_asked)

    def onsets(self, stage: int | None) -> tuple[npt.NDArray[np.int64], Values]:
        """Return patients and times ``(E,)`` of the episodes of a stage; none where no onset is told."""
        if self.onset_h is None:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        rows = np.isfinite(self.onset_h)
        if self.stages is not None and stage is not None:
            rows &= self.stages == stage
        patients, hours = self.patients[rows], self.onset_h[rows]
        order = np.lexsort((hours, patients))
        patients, hours = patients[order], hours[order]
        is_new = np.append(True, (np.diff(patients) != 0) | (np.diff(hours) != 0))[: len(hours)]
        return patients[is_new], hours[is_new]


def make_predictions(columns: Mapping[str, Any], *, place: str = "predictions") -> Predictions:
    """Return predictions from columns, checked.

    Args:
        columns: ``(N,)`` arrays by the names of ``COLUMNS``, any of ``OPTIONAL``, ``GROUPS``, ``NOTES``.
        place: Name of the file or table, for messages.

    Raises:
        SettingsError: A column is missing or of another length, a value is not allowed, two rows are of one
            patient, time, horizon and stage, or a subgroup changes within a patient (``E_DATASET``).
    """
    check_columns(place, list(columns), list(COLUMNS))
    known = {**COLUMNS, **OPTIONAL, **GROUPS, **NOTES}
    try:
        table = pa.table({name: _typed(columns[name], known[name]) for name in known if name in columns})
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise broken_rule(
            place, "columns are of one length, each of its type", type(error).__name__
        ) from error
    for batch in table.to_batches():
        check_rows(batch, place, 0)
    return _assembled(table, place)


def read_predictions(path: Path) -> Predictions:
    """Read a parquet file of predictions, batch by batch.

    Args:
        path: The file; columns that it does not know are passed over.

    Raises:
        SettingsError: As :func:`make_predictions`, or the file cannot be read or is empty (``E_DATASET``).
    """
    return read_prediction_files([path])


def read_prediction_files(paths: Sequence[Path]) -> Predictions:
    """Read predictions that lie in several files, each of other patients and with the same columns.

    Args:
        paths: The files, at least one; some may hold no row.

    Raises:
        SettingsError: As :func:`read_predictions`, of a file or of all together.
    """
    place = paths[0].name
    batches = [batch for path in paths for batch in _batches(path)]
    if not batches:
        raise broken_rule(place, "a file of predictions holds rows", "none")
    if len({tuple(batch.schema.names) for batch in batches}) > 1:
        raise broken_rule(place, "all files of predictions have the same columns", "others")
    return _assembled(pa.Table.from_batches(batches), place)


def write_predictions(path: Path, parts: Iterable[Predictions]) -> int:
    """Write a parquet file of predictions, each part as a row group; return its number of rows.

    Args:
        path: The file; it appears once it is complete.
        parts: Predictions of different patients, all with the same columns. At least one.

    Raises:
        SettingsError: There is no part, a patient is in two, or their columns differ (``E_DATASET``).
        MachineError: Writing failed.
    """
    seen: set[str] = set()
    num_rows, schema, writer = 0, None, None
    with atomic_write(path) as stream, ExitStack() as opened:
        for part in parts:
            if not seen.isdisjoint(part.subjects):
                raise broken_rule(
                    path.name, "all rows of a patient are written in one part", "a patient in two"
                )
            seen.update(part.subjects)
            table = _table(part)
            if writer is None:
                schema = table.schema
                writer = opened.enter_context(arrow_parquet.ParquetWriter(stream, schema))
            elif table.schema != schema:
                raise broken_rule(path.name, "all parts have the same columns", ", ".join(table.column_names))
            writer.write_table(table, row_group_size=max(1, len(table)))
            num_rows += len(table)
        if writer is None:
            raise broken_rule(path.name, "at least one part is written", "none")
    return num_rows


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    own = parquet_schema(path).names
    check_columns(path.name, own, list(COLUMNS))
    types = {**COLUMNS, **{name: kind for name, kind in {**OPTIONAL, **GROUPS}.items() if name in own}}
    start = 0
    for batch in stream_parquet(path, list(types)):
        try:
            columns = [_typed(batch.column(name), kind) for name, kind in types.items()]
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise broken_rule(path.name, "each column is of its type", type(error).__name__) from error
        typed = pa.record_batch(columns, names=list(types))
        check_rows(typed, path.name, start)
        start += len(batch)
        # Ids come as numbers into a dictionary, which takes a tenth of the memory.
        yield typed.set_column(0, "subject_id", typed.column(0).dictionary_encode())


def _typed(column: Any, kind: pa.DataType) -> pa.Array:
    array = column if isinstance(column, pa.Array) else pa.array(column)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    # Probabilities made in float64 are rounded; whole numbers are not cut.
    return pc.cast(array, kind, safe=not pa.types.is_float32(kind))


def _assembled(table: pa.Table, place: str) -> Predictions:
    """Return checked rows as arrays, with patients as numbers."""
    ids = table["subject_id"].unify_dictionaries().combine_chunks()
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.chunk(0)
    if not pa.types.is_dictionary(ids.type):
        ids = ids.dictionary_encode()
    patients = ids.indices.to_numpy().astype(np.int64)
    subjects = np.asarray(ids.dictionary.to_pylist(), dtype=object)
    numbers = {
        name: table[name].to_numpy()
        for name in (*COLUMNS, "stage")
        if name in table.column_names and name != "subject_id"
    }
    check_once(patients, numbers, place)
    return Predictions(
        subjects,
        patients,
        numbers["time_h"],
        numbers["horizon_h"],
        numbers["probability"],
        numbers["low"],
        numbers["high"],
        numbers["label"],
        floats(table, "onset_h") if "onset_h" in table.column_names else None,
        numbers.get("stage"),
        {
            name: _of_patients(table[name], patients, len(subjects), f"{place}: {name}")
            for name in GROUPS
            if name in table.column_names
        },
        {name: table[name].to_numpy() for name in NOTES if name in table.column_names},
    )


def _of_patients(column: Any, patients: Values, num_patients: int, place: str) -> Values:
    """Return one value a patient."""
    is_number = pa.types.is_floating(column.type)
    rows = column.to_numpy() if is_number else column.fill_null(UNKNOWN).to_numpy()
    first = np.zeros(num_patients, dtype=np.int64)
    first[patients[::-1]] = np.arange(len(patients))[::-1]
    values = rows[first]
    same = rows == values[patients]
    if is_number:
        same |= np.isnan(rows) & np.isnan(values[patients])
    if not np.asarray(same).all():
        raise broken_rule(place, "a subgroup is one value a patient", "two of one patient")
    return np.asarray(values)


def _table(part: Predictions) -> pa.Table:
    columns: dict[str, Any] = {
        "subject_id": part.subjects[part.patients],
        "time_h": part.time_h,
        "horizon_h": part.horizon_h,
        "probability": part.probs,
        "low": part.low,
        "high": part.high,
        "label": part.labels,
        "onset_h": part.onset_h,
        "stage": part.stages,
        **{name: values[part.patients] for name, values in part.groups.items()},
        **part.notes,
    }
    known = {**COLUMNS, **OPTIONAL, **GROUPS, **NOTES}
    return pa.table({name: pa.array(v, known[name]) for name, v in columns.items() if v is not None})
