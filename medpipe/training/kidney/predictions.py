"""Predictions of steps as a parquet file: a row a step and horizon."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from medpipe.core.affine import Array
from medpipe.core.risk_spread import RiskSpread
from medpipe.io.atomic import atomic_write

PREDICTIONS_SCHEMA: Final = pa.schema(
    [
        pa.field(
            "subject_id", pa.string(), nullable=False, metadata={"is": "patient, as the records name it"}
        ),
        pa.field("stay", pa.string(), nullable=False, metadata={"is": "stay of the patient"}),
        pa.field(
            "time_h",
            pa.float64(),
            nullable=False,
            metadata={"is": "hour of the record at which the forecast is made; what is known by then counts"},
        ),
        pa.field("horizon_h", pa.float64(), nullable=False, metadata={"is": "hours that it looks ahead"}),
        pa.field(
            "probability",
            pa.float64(),
            nullable=False,
            metadata={"is": "calibrated, of the event within the horizon, by the ensemble"},
        ),
        pa.field("low", pa.float64(), nullable=False, metadata={"is": "lower bound by the networks' spread"}),
        pa.field(
            "high", pa.float64(), nullable=False, metadata={"is": "upper bound by the networks' spread"}
        ),
        pa.field(
            "score",
            pa.float64(),
            nullable=False,
            metadata={
                "is": "mean log-odds of the networks before calibration: without the ties of the curve"
            },
        ),
        pa.field("label", pa.float64(), nullable=False, metadata={"is": "1, 0, or NaN where not known"}),
        pa.field(
            "onset_h",
            pa.float64(),
            nullable=False,
            metadata={
                "is": "first onset of the stay after time_h, hour of the record; NaN where there is none"
            },
        ),
    ]
)
"""Columns of the file; the metadata of each say what it is."""


def write_predictions(
    path: Path,
    *,
    who: tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]],
    time_h: Array,
    horizons_h: tuple[float, ...],
    risks: RiskSpread,
    scores: Array,
    truth: Array,
    onset_h: Array,
) -> None:
    """Write predictions of N steps and H horizons.

    Args:
        path: File.
        who: ``(N,)`` patient, and ``(N,)`` stay of each step.
        time_h: ``(N,)``.
        horizons_h: H hours.
        risks: ``(N, H)`` each.
        scores: ``(N, H)``.
        truth: ``(N, H)``.
        onset_h: ``(N,)``.

    Raises:
        MachineError: The disk is full or cannot be written.
    """
    num_horizons = len(horizons_h)
    columns = [
        *(pa.array(np.repeat(names, num_horizons).tolist(), pa.string()) for names in who),
        np.repeat(time_h, num_horizons),
        np.tile(np.array(horizons_h, dtype=np.float64), len(time_h)),
        *(part.ravel() for part in risks),
        scores.ravel(),
        truth.ravel().astype(np.float64),
        np.repeat(onset_h, num_horizons),
    ]
    arrays = [
        column if isinstance(column, pa.Array) else pa.array(column, from_pandas=False) for column in columns
    ]
    table = pa.Table.from_arrays(arrays, schema=PREDICTIONS_SCHEMA)
    with atomic_write(path) as file:
        pq.write_table(table, file)
