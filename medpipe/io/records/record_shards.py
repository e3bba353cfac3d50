"""Shards of patients: raw rows of health records as a run keeps them, a parquet row a record.

Letters: T rows of a record, L labels.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as arrow_parquet

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.atomic import atomic_write
from medpipe.io.records.raw_patient import Labels, RawPatient

GROUP_EVENTS: Final = 50_000
"""Rows of records that are written, and read, at a time; a record is never parted."""

SOURCE: Final = "source"
"""What a shard says of itself: the form that its records had."""

_FACTS: Final = b"medpipe"
_SCHEMA: Final = pa.schema(
    [
        ("patient_id", pa.string()),
        ("statics", pa.string()),
        ("origin", pa.timestamp("us")),
        ("time_h", pa.list_(pa.float64())),
        ("codes", pa.list_(pa.string())),
        ("values", pa.list_(pa.float64())),
        ("units", pa.list_(pa.string())),
        ("label_time_h", pa.list_(pa.float64())),
        ("label_positive", pa.list_(pa.bool_())),
    ]
)


def write_record_shard(
    path: Path, records: Iterable[RawPatient], *, facts: Mapping[str, str], durable: bool = False
) -> None:
    """Write records one after the other; memory holds ``GROUP_EVENTS`` rows and a record.

    Args:
        path: The file; it appears once it is complete.
        records: Equal records give equal bytes.
        facts: What the file says of itself.
        durable: Whether it survives a power cut.

    Raises:
        MachineError: Writing failed.
    """
    schema = _SCHEMA.with_metadata({_FACTS: json.dumps(dict(facts), sort_keys=True)})
    with (
        atomic_write(path, durable=durable, mode=0o600) as stream,
        arrow_parquet.ParquetWriter(stream, schema, compression="zstd") as writer,
    ):
        for group in _groups(records):
            writer.write_table(_table(group, schema))


def read_record_shard(path: Path) -> Iterator[tuple[RawPatient, ...]]:
    """Yield the records of a shard as they were written, some at a time.

    Raises:
        SettingsError: The file is damaged (``E_DATASET``).
    """
    try:
        with arrow_parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield tuple(_records(file.read_row_group(group, use_threads=False)))
    except pa.ArrowException as error:
        raise SettingsError(
            Code.E_DATASET,
            f"The shard {path.name} cannot be read",
            found=type(error).__name__,
            fix="Remove it, then give the same command again: it is made anew.",
        ) from error


def shard_facts(path: Path) -> dict[str, str]:
    """Return what a shard says of itself; empty where there is none, or where it cannot be read."""
    try:
        metadata = arrow_parquet.read_schema(path).metadata or {}
        facts: dict[str, str] = json.loads(metadata.get(_FACTS, b"{}"))
    except (OSError, ValueError, pa.ArrowException):
        return {}
    return facts


def _groups(records: Iterable[RawPatient]) -> Iterator[list[RawPatient]]:
    group: list[RawPatient] = []
    num_events = 0
    for record in records:
        group.append(record)
        num_events += record.num_rows
        if num_events >= GROUP_EVENTS:
            yield group
            group, num_events = [], 0
    if group:
        yield group


def _table(group: list[RawPatient], schema: pa.Schema) -> pa.Table:
    labels = [record.labels for record in group]
    columns = [
        pa.array([record.patient_id for record in group], pa.string()),
        pa.array([_text(record.statics) for record in group], pa.string()),
        pa.array([_moment(record.origin) for record in group], pa.timestamp("us")),
        _lists([record.time_h for record in group], pa.float64()),
        _lists([record.codes for record in group], pa.string()),
        _lists([record.values for record in group], pa.float64()),
        _lists([record.units for record in group], pa.string()),
        _lists([item.time_h if item else None for item in labels], pa.float64()),
        _lists([item.positive if item else None for item in labels], pa.bool_()),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _lists(arrays: list[npt.NDArray[Any] | None], kind: pa.DataType) -> pa.Array:
    lengths = [len(array) if array is not None else 0 for array in arrays]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    parts = [array for array in arrays if array is not None]
    flat = np.concatenate(parts) if parts else np.zeros(0)
    if pa.types.is_string(kind):
        flat = flat.astype(object)
    absent = pa.array([array is None for array in arrays], pa.bool_())
    return pa.ListArray.from_arrays(offsets, pa.array(flat, kind), mask=absent)


def _records(table: pa.Table) -> Iterator[RawPatient]:
    single = table.select(["patient_id", "statics", "origin"]).to_pylist()
    nested = {name: _split(table[name]) for name in _SCHEMA.names[3:]}
    for number, row in enumerate(single):
        parts = {name: arrays[number] for name, arrays in nested.items()}
        label_time_h, positive = parts["label_time_h"], parts["label_positive"]
        has_labels = label_time_h is not None and positive is not None
        yield RawPatient(
            patient_id=row["patient_id"],
            time_h=parts["time_h"],
            codes=parts["codes"],
            values=parts["values"],
            units=parts["units"],
            statics={name: _tuples(value) for name, value in json.loads(row["statics"]).items()},
            origin=None if row["origin"] is None else np.datetime64(row["origin"], "us"),
            labels=Labels(label_time_h, positive) if has_labels else None,
        )


def _split(column: Any) -> list[Any]:
    """Return the array of each row; None where it has none."""
    lists = column.combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.chunk(0)
    flat = lists.values.to_numpy(zero_copy_only=False)
    offsets = lists.offsets.to_numpy()
    is_there = lists.is_valid().to_pylist()
    return [
        flat[start:stop] if valid else None
        for start, stop, valid in zip(offsets, offsets[1:], is_there, strict=False)
    ]


def _text(statics: Mapping[str, Any]) -> str:
    return json.dumps(dict(statics), sort_keys=True, default=lambda value: value.item())


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _moment(origin: np.datetime64 | None) -> Any:
    return None if origin is None else origin.astype("datetime64[us]").item()
