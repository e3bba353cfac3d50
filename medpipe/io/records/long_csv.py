"""A table of one's own: a row an event, with patient, time, code, value and unit."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records.contiguous import Contiguous
from medpipe.io.records.event_times import TimeReader
from medpipe.io.records.raw_patient import RawPatient, hours_since
from medpipe.io.records.tables import read_header, stream_csv

NEEDS: Final = ("patient", "time", "code", "value")
_UNIT: Final = "unit"
_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def read_long_csv(path: Path) -> Iterator[RawPatient]:
    """Yield the patients of a table, one at a time.

    Args:
        path: CSV in UTF-8, compressed or not, separated by commas, semicolons or tabs, with the columns
            ``patient``, ``time``, ``code``, ``value`` and, if rows state them, ``unit``. Rows of a patient
            stand together, in any order. Times are ISO 8601, all with a time zone (read into UTC) or all
            without, or hours.

    Yields:
        Every patient. Hour 0 is the first event, where times are moments. A value that is no number, such as
        ``<0.2``, is NaN.

    Raises:
        SettingsError: A column is missing or nearly called ``unit``, rows of a patient stand apart
            (``E_DATASET``), or times are of two forms or none (``E_TIME``).
    """
    columns = (*NEEDS, _UNIT) if _has_unit(path) else NEEDS
    batches = _typed(path, columns)
    for patient, rows in Contiguous("patient").patients(batches, place=path.name):
        yield _patient(patient, rows)


def _has_unit(path: Path) -> bool:
    """Return whether rows state units; a column of another name would be passed over, and its units lost."""
    found = [column.lower() for column in read_header(path)[1]]
    if _UNIT not in found and (near := get_close_matches(_UNIT, found, n=1, cutoff=0.7)):
        raise SettingsError(
            Code.E_DATASET,
            f"{path.name}: the column of units is called {_UNIT!r}",
            found=repr(near[0]),
            fix=f"Call it {_UNIT!r}; rename it if it is something else.",
        )
    return _UNIT in found


def _typed(path: Path, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    times = TimeReader(path.name)
    for batch in stream_csv(path, {column: pa.string() for column in columns}):
        texts = pc.utf8_trim_whitespace(batch.column("value"))
        is_number = pc.match_substring_regex(texts, _NUMBER)
        numbers = pc.cast(pc.if_else(is_number, texts, pa.scalar(None, pa.string())), pa.float64())
        blank = pa.array([""] * len(batch), pa.string())
        yield pa.RecordBatch.from_arrays(
            [
                pc.utf8_trim_whitespace(batch.column("patient")),
                pa.array(times.read(batch.column("time")), from_pandas=False),
                pc.utf8_trim_whitespace(batch.column("code")),
                numbers,
                batch.column(_UNIT) if _UNIT in columns else blank,
            ],
            names=[*NEEDS, _UNIT],
        )


def _patient(patient: str, rows: pa.Table) -> RawPatient:
    times: npt.NDArray[Any] = rows["time"].to_numpy()
    origin = None
    if times.dtype.kind == "M":
        known = times[~np.isnat(times)]
        origin = known.min() if len(known) else None
        times = hours_since(times, origin) if origin is not None else np.full(len(times), np.nan)
    return RawPatient(
        patient_id=patient,
        time_h=times.astype(np.float64),
        codes=rows["code"].to_numpy(),
        values=rows["value"].to_numpy().astype(np.float64),
        units=rows[_UNIT].to_numpy(),
        origin=origin,
    )
