"""Predictions in the schema of meds-evaluation, for comparison with models of that world.

Source: the labels of Medical Event Data Standard 0.4 with the two columns of meds-evaluation 0.0.6.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as arrow_parquet

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.atomic import atomic_write
from medpipe.io.records.predictions import Predictions

SCHEMA: Final = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("prediction_time", pa.timestamp("us")),
        ("boolean_value", pa.bool_()),
        ("predicted_boolean_value", pa.bool_()),
        ("predicted_boolean_probability", pa.float32()),
    ]
)

ADMISSION: Final = np.datetime64("2000-01-01T00:00:00", "us")
"""Stands for an admission whose date is not known: hours since then are kept."""

_US_PER_HOUR: Final = 3_600_000_000


def write_meds_predictions(
    path: Path,
    predictions: Predictions,
    *,
    horizon_h: int,
    threshold: float,
    stage: int | None = None,
    admissions: Mapping[str, np.datetime64] | None = None,
) -> int:
    """Write the rows of one outcome whose label is known; return how many they are.

    Args:
        path: The parquet file; it appears once it is complete.
        predictions: Of patients whose ids are whole numbers, as MEDS has them.
        horizon_h: Horizon of the outcome.
        threshold: A row is predicted to be true where its probability reaches it.
        stage: Of the outcome; None where the predictions have none.
        admissions: Time of admission by subject id; every one is 2000-01-01 where None.

    Raises:
        SettingsError: An id is no whole number, an admission is missing, or there are no such rows
            (``E_DATASET``).
        MachineError: Writing failed.
    """
    rows = predictions.rows_of(stage, horizon_h)
    rows = rows[~np.isnan(predictions.labels[rows])]
    if not len(rows):
        raise SettingsError(Code.E_DATASET, f"No label of the horizon {horizon_h} h is known")
    patients, probs = predictions.patients[rows], predictions.probs[rows]
    starts = _admissions(predictions, admissions)[patients]
    hours = np.round(predictions.time_h[rows] * _US_PER_HOUR).astype("timedelta64[us]")
    table = pa.table(
        [
            pa.array(_numbers(predictions)[patients]),
            pa.array(starts + hours),
            pa.array(predictions.labels[rows] == 1),
            pa.array(probs >= threshold),
            pa.array(probs),
        ],
        schema=SCHEMA,
    ).sort_by([("subject_id", "ascending"), ("prediction_time", "ascending")])
    with atomic_write(path) as stream:
        arrow_parquet.write_table(table, stream)
    return len(table)


def _numbers(predictions: Predictions) -> np.ndarray:
    try:
        return np.array([int(subject) for subject in predictions.subjects], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            Code.E_DATASET,
            "Subject ids of MEDS are whole numbers",
            found="one that is text",
            fix="Predict on records whose ids are numbers, or leave this file out.",
        ) from error


def _admissions(predictions: Predictions, admissions: Mapping[str, np.datetime64] | None) -> np.ndarray:
    if admissions is None:
        return np.full(len(predictions.subjects), ADMISSION)
    missing = [subject for subject in predictions.subjects if subject not in admissions]
    if missing:
        raise SettingsError(
            Code.E_DATASET,
            "Each patient has a time of admission",
            found=f"none for {len(missing)} of {len(predictions.subjects)}",
        )
    return np.array([admissions[subject] for subject in predictions.subjects], dtype="datetime64[us]")
