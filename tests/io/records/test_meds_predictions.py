"""Predictions for meds-evaluation: its own schema accepts them."""

from datetime import datetime
from pathlib import Path
from typing import Any

import meds
import numpy as np
import pyarrow.parquet as pq
import pytest

from medpipe.core.errors import SettingsError
from medpipe.io.records.meds_predictions import write_meds_predictions
from medpipe.io.records.predictions import Predictions, make_predictions


def predicted(subjects: list[str]) -> Predictions:
    nothing = [float("nan")] * 3
    return make_predictions(
        {
            "subject_id": subjects,
            "time_h": [12.0, 6.5, 6.0],
            "horizon_h": [24, 24, 24],
            "probability": [0.5, 0.25, 0.75],
            "low": nothing,
            "high": nothing,
            "label": [1.0, 0.0, float("nan")],
        }
    )


def test_rows_whose_label_is_known_are_written_in_order(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    assert write_meds_predictions(path, predicted(["7", "7", "8"]), horizon_h=24, threshold=0.5) == 2
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    assert rows == [
        {
            "subject_id": 7,
            "prediction_time": datetime(2000, 1, 1, 6, 30),
            "boolean_value": False,
            "predicted_boolean_value": False,
            "predicted_boolean_probability": 0.25,
        },
        {
            "subject_id": 7,
            "prediction_time": datetime(2000, 1, 1, 12),
            "boolean_value": True,
            "predicted_boolean_value": True,
            "predicted_boolean_probability": 0.5,
        },
    ]


def test_admissions_place_the_hours(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    days = {"7": np.datetime64("2150-03-01T10:00"), "8": np.datetime64("2150-03-02")}
    write_meds_predictions(path, predicted(["7", "7", "8"]), horizon_h=24, threshold=0.5, admissions=days)
    assert pq.read_table(path)["prediction_time"][0].as_py() == datetime(2150, 3, 1, 16, 30)


def test_labels_are_those_of_meds(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_meds_predictions(path, predicted(["7", "7", "8"]), horizon_h=24, threshold=0.5)
    table = pq.read_table(path)
    meds.LabelSchema.validate(table.select(["subject_id", "prediction_time", "boolean_value"]))


def test_meds_evaluation_accepts_them(tmp_path: Path) -> None:
    peer = pytest.importorskip("meds_evaluation.schema", reason="meds-evaluation is not installed")
    path = tmp_path / "m.parquet"
    write_meds_predictions(path, predicted(["7", "7", "8"]), horizon_h=24, threshold=0.5)
    peer.PredictionSchema.validate(pq.read_table(path))


def test_what_meds_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    with pytest.raises(SettingsError, match="whole numbers: found one that is text"):
        write_meds_predictions(path, predicted(["7", "7", "x"]), horizon_h=24, threshold=0.5)
    with pytest.raises(SettingsError, match="horizon 48 h"):
        write_meds_predictions(path, predicted(["7", "7", "8"]), horizon_h=48, threshold=0.5)
    with pytest.raises(SettingsError, match="found none for 1 of 2"):
        write_meds_predictions(
            path,
            predicted(["7", "7", "8"]),
            horizon_h=24,
            threshold=0.5,
            admissions={"7": np.datetime64("2150-03-01")},
        )
