"""MEDS 0.4: records in shards of parquet, one row an event.

Source: Medical Event Data Standard, version 0.4 (https://medical-event-data-standard.github.io).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.io.records.contiguous import Contiguous
from medpipe.io.records.raw_patient import AGE, STATIC_CODES, RawPatient, hours_since
from medpipe.io.records.tables import check_columns, parquet_schema, stream_parquet

BIRTH: Final = "MEDS_BIRTH"
YEAR: Final = np.timedelta64(31_557_600, "s")
"""365.25 days."""

_SUBJECT: Final = "subject_id"
_NEEDS: Final = (_SUBJECT, "time", "code")
_NUMBER: Final = "numeric_value"


def read_meds(path: Path) -> Iterator[RawPatient]:
    """Yield the patients of a MEDS folder, one at a time.

    Args:
        path: The folder that holds ``data/``, or one shard.

    Yields:
        Every subject with all events that have a time, birth apart. Hour 0 is the first of them. Codes
        without a time are the static ``static_codes``; the birth gives the age at hour 0.

    Raises:
        NoInputError: There is no shard.
        SettingsError: A shard is not MEDS 0.4, or a subject stands in two places (``E_DATASET``).
    """
    shards = [path] if path.is_file() else sorted((path / "data").rglob("*.parquet"))
    if not shards:
        raise NoInputError(
            Code.E_NO_INPUT,
            f"The MEDS folder {path.name} holds no events",
            fix="Shards are data/**/*.parquet.",
        )
    subjects = Contiguous(_SUBJECT)
    for shard in shards:
        place = shard.name if path.is_file() else shard.relative_to(path).as_posix()
        batches = map(_typed, stream_parquet(shard, _columns(shard, place)))
        for subject, rows in subjects.patients(batches, place=place):
            yield _patient(str(subject), rows)


def read_subject_splits(path: Path) -> dict[str, str]:
    """Return the split of each subject that a MEDS folder states; empty where it states none.

    Raises:
        SettingsError: The file of splits lacks a column or cannot be read (``E_DATASET``).
    """
    file = path / "metadata" / "subject_splits.parquet"
    if not file.is_file():
        return {}
    check_columns(file.name, parquet_schema(file).names, (_SUBJECT, "split"))
    splits: dict[str, str] = {}
    for rows in stream_parquet(file, (_SUBJECT, "split")):
        names = [str(subject) for subject in rows.column(_SUBJECT).to_pylist()]
        splits.update(zip(names, map(str, rows.column("split").to_pylist()), strict=True))
    return splits


def read_dataset_name(path: Path) -> str:
    """Return the name that a MEDS folder gives its data set; empty where it gives none."""
    try:
        facts = json.loads((path / "metadata" / "dataset.json").read_bytes())
    except (OSError, ValueError):
        return ""
    name = facts.get("dataset_name") if isinstance(facts, dict) else None
    return name if isinstance(name, str) else ""


def _columns(shard: Path, place: str) -> tuple[str, ...]:
    schema = parquet_schema(shard)
    if "patient_id" in schema.names and _SUBJECT not in schema.names:
        raise SettingsError(
            Code.E_DATASET,
            f"{place}: this is MEDS of before version 0.3",
            found="a column patient_id",
            fix="Extract the data anew with a current MEDS package.",
        )
    check_columns(place, schema.names, _NEEDS)
    time = schema.field("time").type
    if not (pa.types.is_timestamp(time) and time.tz is None):
        raise SettingsError(
            Code.E_TIME,
            f"{place}: the column 'time' takes timestamps without a time zone",
            found=str(time),
            fix="Convert all times to one zone and drop it.",
        )
    return (*_NEEDS, _NUMBER) if _NUMBER in schema.names else _NEEDS


def _typed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with all columns, in one type each: for one patient after the other it takes long."""
    codes = pc.cast(batch.column("code"), pa.string())
    if codes.null_count:
        codes = codes.fill_null("")
    numbers = pa.nulls(len(batch), pa.float64())
    if _NUMBER in batch.schema.names:
        numbers = pc.cast(batch.column(_NUMBER), pa.float64())
    columns = [
        batch.column(_SUBJECT),
        pc.cast(batch.column("time"), pa.timestamp("us"), safe=False),
        codes,
        numbers,
    ]
    return pa.RecordBatch.from_arrays(columns, names=[*_NEEDS, _NUMBER])


def _patient(subject: str, rows: pa.Table) -> RawPatient:
    times, codes, values = (rows[name].to_numpy() for name in ("time", "code", _NUMBER))
    is_static = np.isnat(times)
    is_birth = codes == BIRTH
    is_event = ~is_static & ~is_birth
    statics: dict[str, Any] = {STATIC_CODES: tuple(codes[is_static & ~is_birth].tolist())}
    origin = times[is_event].min() if is_event.any() else None
    births = times[is_birth & ~is_static]
    if origin is not None and len(births):
        statics[AGE] = float((origin - births[0]) / YEAR)
    return RawPatient(
        patient_id=subject,
        time_h=hours_since(times[is_event], origin) if origin is not None else np.zeros(0),
        codes=codes[is_event],
        values=values[is_event],
        units=np.full(int(is_event.sum()), "", dtype=object),
        statics=statics,
        origin=origin,
    )
