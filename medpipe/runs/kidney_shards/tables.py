"""Tables of a shard: predictions, maxima of labs, alerts and stays.

Letters: T steps, H horizons, L labs. ``time_h`` is on the clock of the patient: hours since hour 0 of the
patient's first record, which is the admission where there is one record.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medpipe.core.forecast_labs import ForecastLab
from medpipe.io.records.predictions import COLUMNS, GROUPS, OPTIONAL
from medpipe.io.records.raw_patient import AGE, SEX, UNIT
from medpipe.runs.kidney_shards.policy import AlertChoice
from medpipe.runs.kidney_shards.stay_forecast import StayForecast

PREDICTIONS, LABS, ALERTS, STAYS = "predictions", "labs", "alerts", "stays"
"""Names of the tables."""

_YEAR_H: Final = 365.25 * 24

PREDICTIONS_SCHEMA: Final = pa.schema(
    [
        *COLUMNS.items(),
        ("onset_h", OPTIONAL["onset_h"]),
        ("sex", GROUPS["sex"]),
        ("age", GROUPS["age"]),
        ("unit", GROUPS["unit"]),
        ("stay", pa.string()),
        ("score", pa.float32()),
    ]
)
"""Those of a file of predictions, and beside them the stay and the score before calibration."""

LABS_SCHEMA: Final = pa.schema(
    [
        ("subject_id", pa.string()),
        ("stay", pa.string()),
        ("time_h", pa.float64()),
        ("lab", pa.string()),
        ("horizon_h", pa.int32()),
        ("value", pa.float32()),
        ("unit", pa.string()),
    ]
)

ALERTS_SCHEMA: Final = pa.schema(
    [
        ("subject_id", pa.string()),
        ("stay", pa.string()),
        ("time_h", pa.float64()),
        ("since_admission_h", pa.float64()),
        ("horizon_h", pa.int32()),
        ("probability", pa.float32()),
        ("low", pa.float32()),
        ("high", pa.float32()),
        ("threshold", pa.float32()),
    ]
)

STAYS_SCHEMA: Final = pa.schema(
    [
        ("subject_id", pa.string()),
        ("stay", pa.string()),
        ("start_h", pa.float64()),
        ("steps", pa.int32()),
        ("followed_h", pa.float64()),
        ("highest_risk", pa.float32()),
        ("alerts", pa.int32()),
        ("first_alert_h", pa.float64()),
        ("onset_h", pa.float64()),
    ]
)
"""A row a stay with steps; ``first_alert_h`` and ``onset_h`` are hours since it began, null for none."""


class ShardTables:
    """Takes stays one by one and gives the tables of all of them."""

    def __init__(self, horizons_h: Sequence[float], labs: Sequence[ForecastLab], choice: AlertChoice) -> None:
        self._horizons = np.array(horizons_h, dtype=np.int32)
        self._labs = labs
        self._choice = choice
        self._groups: dict[str, tuple[str, float, str]] = {}
        self._predictions: list[pa.RecordBatch] = []
        self._maxima: list[pa.RecordBatch] = []
        self._alerts: list[pa.RecordBatch] = []
        self._stays: list[dict[str, Any]] = []

    def add(self, item: StayForecast) -> None:
        """Add a stay; one without steps adds nothing."""
        if not len(item.risks.end_h):
            return
        self._predictions.append(self._prediction_rows(item))
        if self._labs:
            self._maxima.append(self._lab_rows(item))
        if len(item.alerts):
            self._alerts.append(self._alert_rows(item))
        self._stays.append(self._stay_row(item))

    def finished(self) -> dict[str, pa.Table]:
        """Return the tables by name."""
        return {
            PREDICTIONS: pa.Table.from_batches(self._predictions, PREDICTIONS_SCHEMA),
            LABS: pa.Table.from_batches(self._maxima, LABS_SCHEMA),
            ALERTS: pa.Table.from_batches(self._alerts, ALERTS_SCHEMA),
            STAYS: pa.Table.from_pylist(self._stays, STAYS_SCHEMA),
        }

    def _prediction_rows(self, item: StayForecast) -> pa.RecordBatch:
        risks, (num_steps, num_horizons) = item.risks, item.risks.probs.shape
        sex, age, unit = self._group_of(item)
        columns: dict[str, Any] = {
            "subject_id": _same(item.record.patient_id, num_steps * num_horizons),
            "time_h": np.repeat(risks.end_h + item.offset_h, num_horizons),
            "horizon_h": np.tile(self._horizons, num_steps),
            "probability": risks.probs.ravel(),
            "low": risks.low.ravel(),
            "high": risks.high.ravel(),
            "label": item.labels.ravel(),
            "onset_h": np.repeat(item.next_onset_h + item.offset_h, num_horizons),
            "sex": _same(sex or None, num_steps * num_horizons),
            "age": np.full(num_steps * num_horizons, age),
            "unit": _same(unit or None, num_steps * num_horizons),
            "stay": _same(risks.stay_id, num_steps * num_horizons),
            "score": risks.scores.ravel(),
        }
        return _batch(columns, PREDICTIONS_SCHEMA)

    def _lab_rows(self, item: StayForecast) -> pa.RecordBatch:
        maxima = item.risks.lab_maxima  # (T, H, L)
        num_steps, num_horizons, num_labs = maxima.shape
        num_rows = num_steps * num_horizons * num_labs
        each_lab, whole = np.tile(np.arange(num_labs), num_steps * num_horizons), num_horizons * num_labs
        names = np.array([lab.name for lab in self._labs], dtype=object)
        units = np.array([lab.unit for lab in self._labs], dtype=object)
        columns: dict[str, Any] = {
            "subject_id": _same(item.record.patient_id, num_rows),
            "stay": _same(item.risks.stay_id, num_rows),
            "time_h": np.repeat(item.risks.end_h + item.offset_h, whole),
            "lab": names[each_lab],
            "horizon_h": np.tile(np.repeat(self._horizons, num_labs), num_steps),
            "value": maxima.ravel(),
            "unit": units[each_lab],
        }
        return _batch(columns, LABS_SCHEMA)

    def _alert_rows(self, item: StayForecast) -> pa.RecordBatch:
        risks, at, column = item.risks, item.alerts, self._choice.column
        columns: dict[str, Any] = {
            "subject_id": _same(item.record.patient_id, len(at)),
            "stay": _same(risks.stay_id, len(at)),
            "time_h": risks.end_h[at] + item.offset_h,
            "since_admission_h": risks.end_h[at] - risks.start_h,
            "horizon_h": np.full(len(at), self._horizons[column]),
            "probability": risks.probs[at, column],
            "low": risks.low[at, column],
            "high": risks.high[at, column],
            "threshold": np.full(len(at), self._choice.policy.threshold),
        }
        return _batch(columns, ALERTS_SCHEMA)

    def _stay_row(self, item: StayForecast) -> dict[str, Any]:
        risks = item.risks
        first_alert = risks.end_h[item.alerts[:1]] - risks.start_h
        first_onset = item.onset_h[:1] - risks.start_h
        return {
            "subject_id": item.record.patient_id,
            "stay": risks.stay_id,
            "start_h": float(risks.start_h + item.offset_h),
            "steps": len(risks.end_h),
            "followed_h": float(risks.end_h[-1] - risks.start_h),
            "highest_risk": float(risks.probs[:, self._choice.column].max()),
            "alerts": len(item.alerts),
            "first_alert_h": float(first_alert[0]) if len(first_alert) else None,
            "onset_h": float(first_onset[0]) if len(first_onset) else None,
        }

    def _group_of(self, item: StayForecast) -> tuple[str, float, str]:
        """Return sex, age and unit of a patient; of several stays the first tells them."""
        statics = item.record.statics
        age = float(statics.get(AGE, np.nan)) + item.stay.admission_h / _YEAR_H
        group = (str(statics.get(SEX, "")), age, str(statics.get(UNIT, "")))
        return self._groups.setdefault(item.record.patient_id, group)


def _same(text: str | None, count: int) -> list[str | None]:
    return [text] * count


def _batch(columns: dict[str, Any], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [_typed(columns[field.name], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _typed(column: "list[str | None] | npt.NDArray[Any]", kind: pa.DataType) -> pa.Array:
    if isinstance(column, np.ndarray) and pa.types.is_floating(kind):
        column = column.astype(kind.to_pandas_dtype())
    return pa.array(column, kind)
