"""YAIB's three tables of a task: measurements by the hour, statics, and labels by the hour.

Source: Yet Another ICU Benchmark, tables as its cohort scripts write them (https://github.com/rvandewater/YAIB).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as arrow_parquet

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records.contiguous import Contiguous
from medpipe.io.records.raw_patient import AGE, DISCHARGE_H, HEIGHT_CM, SEX, WEIGHT_KG, Labels, RawPatient
from medpipe.io.records.tables import check_columns, parquet_schema, stream_parquet

MEASUREMENTS: Final = "dyn.parquet"
STATICS: Final = "sta.parquet"
LABELS: Final = "outc.parquet"

_STAY: Final = "stay_id"
_TIME: Final = "time"
_KEYS: Final = (_STAY, _TIME)
_STATICS: Final = {"age": AGE, "height": HEIGHT_CM, "weight": WEIGHT_KG}
_SEXES: Final = {"Female": "F", "Male": "M"}


def read_yaib(folder: Path) -> Iterator[RawPatient]:
    """Yield the stays of a YAIB task, one at a time.

    Args:
        folder: It holds ``dyn.parquet``, ``sta.parquet`` and, where there are labels, ``outc.parquet``.

    Yields:
        Every stay with a row a cell that holds a number, by hour and then by column. Codes are the column
        names. The tables name no patients: each stay counts as one, and ends with its last hour.

    Raises:
        SettingsError: A table or column is missing, times are no durations (``E_TIME``), rows of a stay stand
            apart, or the tables are of different stays (``E_DATASET``).
    """
    path = folder / MEASUREMENTS
    codes = _codes(path)
    statics = _read_statics(folder / STATICS)
    labels = _stays(folder / LABELS, ("label",)) if (folder / LABELS).exists() else None
    for stay, rows in _stays(path, codes):
        if stay not in statics:
            raise _differing(STATICS, f"none for a stay of {MEASUREMENTS}")
        yield _patient(stay, rows, codes, statics[stay], _labels_of(stay, labels))
    if labels is not None and next(labels, None) is not None:
        raise _differing(LABELS, "labels of further stays")


def _codes(path: Path) -> list[str]:
    """Return the columns that hold measurements, all of them numbers."""
    schema = parquet_schema(path)
    columns = [field for field in schema if field.name not in _KEYS]
    for field in columns:
        if not (pa.types.is_floating(field.type) or pa.types.is_integer(field.type)):
            raise SettingsError(
                Code.E_DATASET,
                f"{path.name}: the column {field.name!r} takes numbers",
                found=str(field.type),
                fix="Leave the column out, or write its values as numbers.",
            )
    return [field.name for field in columns]


def _stays(path: Path, columns: Sequence[str]) -> Iterator[tuple[Any, pa.Table]]:
    batches = stream_parquet(path, (*_KEYS, *columns))
    if not pa.types.is_duration(parquet_schema(path).field(_TIME).type):
        raise SettingsError(
            Code.E_TIME,
            f"{path.name}: the column 'time' takes durations since admission",
            found=str(parquet_schema(path).field(_TIME).type),
            fix="Write it as the cohort scripts of YAIB do.",
        )
    return Contiguous(_STAY).patients(batches, place=path.name)


def _labels_of(stay: Any, labels: Iterator[tuple[Any, pa.Table]] | None) -> Labels | None:
    if labels is None:
        return None
    owner, rows = next(labels, (None, None))
    if owner != stay or rows is None:
        raise _differing(LABELS, f"another order of stays than in {MEASUREMENTS}")
    if rows["label"].null_count:
        raise _differing(LABELS, "an hour without a label")
    return Labels(_hours(rows), rows["label"].to_numpy().astype(bool))


def _patient(
    stay: Any, rows: pa.Table, codes: Sequence[str], statics: dict[str, Any], labels: Labels | None
) -> RawPatient:
    cells = np.column_stack([pc.cast(rows[code], pa.float64()).to_numpy() for code in codes])
    row, column = np.nonzero(~np.isnan(cells))
    return RawPatient(
        patient_id=str(stay),
        time_h=_hours(rows)[row],
        codes=np.array(codes, dtype=object)[column],
        values=cells[row, column],
        units=np.full(len(row), "", dtype=object),
        statics={**statics, DISCHARGE_H: float(_hours(rows).max())},
        labels=labels,
    )


def _hours(rows: pa.Table) -> npt.NDArray[np.float64]:
    hours: npt.NDArray[np.float64] = pc.cast(
        rows[_TIME], pa.duration("us"), safe=False
    ).to_numpy() / np.timedelta64(1, "h")
    return hours


def _read_statics(path: Path) -> dict[Any, dict[str, Any]]:
    check_columns(path.name, parquet_schema(path).names, (_STAY,))
    statics = {}
    for row in arrow_parquet.read_table(path).to_pylist():
        known = {name: row[column] for column, name in _STATICS.items() if row.get(column) is not None}
        if row.get("sex") in _SEXES:
            known[SEX] = _SEXES[row["sex"]]
        statics[row[_STAY]] = known
    return statics


def _differing(table: str, found: str) -> SettingsError:
    return SettingsError(
        Code.E_DATASET,
        f"{table} does not go with {MEASUREMENTS}",
        found=found,
        fix="All tables hold the same stays in the same order, and every hour a label.",
    )
