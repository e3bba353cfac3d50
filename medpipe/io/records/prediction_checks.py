"""What rows of predictions must hold: risks, times and labels that can be true, each once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError

Values = npt.NDArray[Any]


def check_rows(batch: pa.RecordBatch, place: str, start: int) -> None:
    """Refuse a batch with a row that cannot be true.

    Args:
        batch: With the columns that every file has.
        place: Name of the file or table, for messages.
        start: Rows before it.

    Raises:
        SettingsError: Names the rule, the value and the row (``E_DATASET``).
    """

    def refuse(is_wrong: Values, rule: str, column: str) -> None:
        if is_wrong.any():
            row = int(np.argmax(is_wrong))
            value = batch.column(column)[row].as_py()
            raise broken_rule(place, rule, f"{column} {value} in row {start + row + 1}")

    ids = batch.column(0)
    if ids.null_count or pc.any(pc.equal(ids, "")).as_py():
        raise broken_rule(place, "each row names its patient", "a row without subject_id")
    if batch.column("horizon_h").null_count:
        raise broken_rule(place, "each row has a horizon", "a row without horizon_h")
    column = {
        name: floats(batch, name) for name in ("time_h", "horizon_h", "probability", "low", "high", "label")
    }
    probs, label = column["probability"], column["label"]
    refuse(np.isnan(probs), "each row has a probability", "probability")
    refuse((probs < 0) | (probs > 1), "probabilities lie between 0 and 1", "probability")
    refuse(~np.isfinite(column["time_h"]), "each row has a finite time", "time_h")
    refuse(column["horizon_h"] <= 0, "horizons are above zero", "horizon_h")
    refuse(~(np.isnan(label) | np.isin(label, (0, 1))), "labels are 1, 0 or NaN", "label")
    for name, beyond in (("low", column["low"] > probs), ("high", column["high"] < probs)):
        refuse(beyond | (column[name] < 0) | (column[name] > 1), "intervals hold their probability", name)


def check_once(patients: Values, numbers: Mapping[str, Values], place: str) -> None:
    """Refuse two rows of one patient, time, horizon and stage.

    Raises:
        SettingsError: There are such, or a row has no stage where others have (``E_DATASET``).
    """
    if "stage" in numbers and numbers["stage"].dtype.kind == "f":  # a missing number makes floats
        raise broken_rule(place, "each row has a stage", "a row without one")
    keys = [
        numbers["time_h"],
        numbers["horizon_h"],
        *([numbers["stage"]] if "stage" in numbers else []),
        patients,
    ]
    order = np.lexsort(keys)
    is_twice = np.ones(max(0, len(order) - 1), dtype=bool)
    for key in keys:
        is_twice &= np.diff(key[order]) == 0
    if is_twice.any():
        where = order[int(np.argmax(is_twice))]
        raise broken_rule(
            place,
            "a patient stands once at each time and horizon",
            f"one twice at {numbers['time_h'][where]:g} h for {numbers['horizon_h'][where]} h",
        )


def floats(rows: Any, name: str) -> Values:
    """Return a column of a batch or a table as float64; NaN where it has no number."""
    column = rows.column(name)
    is_one = isinstance(column, pa.Array)
    return np.asarray(column.to_numpy(zero_copy_only=False) if is_one else column.to_numpy(), dtype=float)


def broken_rule(place: str, rule: str, found: str) -> SettingsError:
    """Return the error of a rule that a file or table breaks."""
    return SettingsError(Code.E_DATASET, f"{place}: {rule}", found=found)
