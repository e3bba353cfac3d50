"""Evaluation of kidney-injury predictions: files that agree with each other, and a page for people."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from medpipe.core.errors import SettingsError
from medpipe.io.records.predictions import Predictions, make_predictions, write_predictions
from medpipe.metrics.estimates import Draws
from medpipe.runs.aki_evaluation.evaluate import DATA, MEDS, PAGE, evaluate_aki
from medpipe.runs.aki_evaluation.results import AkiEvaluationRequest, judge_predictions

FEW = AkiEvaluationRequest(draws=Draws(number=10))
HORIZONS = (24, 48)


def ward(num_patients: int = 60, *, with_onsets: bool = True, stages: tuple[int, ...] = ()) -> Predictions:
    """Return simulated stays of 10 steps; every third patient falls ill, and risks know a little of it."""
    rng = np.random.default_rng(3)
    rows: dict[str, list[Any]] = {name: [] for name in ("subject_id", "time_h", "horizon_h", "probability")}
    rows |= {name: [] for name in ("label", "onset_h", "sex", "age", "stage")}
    for patient in range(num_patients):
        onset = float(rng.integers(20, 58)) if patient % 3 == 0 else np.nan
        age = float(rng.integers(20, 90))
        for time in np.arange(6.0, 66.0, 6.0):
            near = bool(0 < onset - time <= 48)
            risk = float(np.clip(rng.normal(0.6 if near else 0.25, 0.15), 0, 1))
            for horizon in HORIZONS:
                label = 1.0 if 0 < onset - time <= horizon else (np.nan if time >= onset else 0.0)
                for stage in stages or (0,):
                    values = (f"{100 + patient}", time, horizon, risk, label, onset)
                    for name, value in zip(rows, (*values, "FM"[patient % 2], age, stage), strict=True):
                        rows[name].append(value)
    nothing = np.full(len(rows["label"]), np.nan)
    left_out = {"stage"} - ({"stage"} if stages else set()) | ({"onset_h"} if not with_onsets else set())
    kept = {name: values for name, values in rows.items() if name not in left_out}
    return make_predictions({**kept, "low": nothing, "high": nothing})


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aki")
    write_predictions(folder / "ward.parquet", [ward()])
    evaluate_aki(folder / "ward.parquet", folder / "out", FEW, with_meds=True)
    return folder / "out"


def test_figures_are_those_of_the_predictions(results: Path) -> None:
    data = json.loads((results / DATA).read_text())
    assert [row["outcome"] for row in data["discrimination"]] == ["24 h", "48 h"]
    rows = ward()
    known = (rows.horizon_h == 48) & ~np.isnan(rows.labels)
    area = roc_auc_score(rows.labels[known], rows.probs[known])
    assert data["discrimination"][1]["roc_auc"] == pytest.approx(area)
    assert data["facts"]["alerts and subgroups"] == "48 h"


def test_csv_and_json_hold_the_same(results: Path) -> None:
    data = json.loads((results / DATA).read_text())
    for name, rows in data.items():
        if name == "facts":
            continue
        with (results / f"{name}.csv").open(newline="") as stream:
            read = list(csv.DictReader(stream))
        assert [list(row) for row in read] == [list(row) for row in rows]
        assert [row[next(iter(row))] for row in read] == [str(row[next(iter(row))]) for row in rows]


def test_operating_points_keep_their_precision_and_order(results: Path) -> None:
    rows = json.loads((results / DATA).read_text())["operating_points"]
    assert [row["wanted"] for row in rows] == ["20 %", "25 %", "33 %", "50 %", "75 %", "in use"]
    for row, least in zip(rows[:-1], (0.2, 0.25, 0.33, 0.5, 0.75), strict=True):
        assert row["precision"] is None or row["precision"] >= least
    found = [row["episode_sensitivity"] for row in rows[:-1] if row["threshold"] is not None]
    assert found == sorted(found, reverse=True)
    assert rows[-1]["threshold"] == rows[2]["threshold"]


def test_page_holds_its_charts_and_no_script(results: Path) -> None:
    page = (results / PAGE).read_text()
    assert page.count("data:image/webp;base64,") == 4
    assert "<script" not in page
    for words in ("Episodes found and alerts", "Reliability", "By sex", "24 h between alerts"):
        assert words in page


def test_meds_file_holds_the_labels_of_the_horizon(results: Path) -> None:
    rows = ward()
    known = (rows.horizon_h == 48) & ~np.isnan(rows.labels)
    table = pq.read_table(results / MEDS)
    assert table.num_rows == known.sum()
    assert sum(table["boolean_value"].to_pylist()) == (rows.labels[known] == 1).sum()


def test_given_threshold_and_horizon_are_used() -> None:
    request = AkiEvaluationRequest(horizon_h=24, threshold=0.5, max_per_day=1, draws=Draws(number=5))
    found = judge_predictions(ward(), request)
    assert (found.main.horizon_h, found.in_use.threshold, found.threshold_source) == (24, 0.5, "given")
    assert found.policies[1].num_alerts <= found.policies[0].num_alerts


def test_stages_are_judged_apart() -> None:
    found = judge_predictions(ward(stages=(1, 2)), AkiEvaluationRequest(stage=2, draws=Draws(number=5)))
    assert [item.name for item in found.outcomes] == [
        "stage 1, 24 h",
        "stage 1, 48 h",
        "stage 2, 24 h",
        "stage 2, 48 h",
    ]
    assert found.main.name == "stage 2, 48 h"


def test_file_without_onsets_still_has_the_other_figures(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.parquet", [ward(with_onsets=False)])
    tables = evaluate_aki(tmp_path / "p.parquet", tmp_path / "out", FEW)
    assert "no onset_h, so no episode is counted" in tables[1].note
    assert (tmp_path / "out" / PAGE).read_text().count("data:image/webp;base64,") == 3


@pytest.mark.parametrize(
    ("request_", "match"),
    [
        (AkiEvaluationRequest(horizon_h=72), "no horizon 72: found 24, 48"),
        (AkiEvaluationRequest(stage=3), "no stage 3: found none"),
    ],
)
def test_what_is_not_there_is_refused(request_: AkiEvaluationRequest, match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        judge_predictions(ward(6), request_)


def test_labels_of_one_kind_are_refused() -> None:
    rows = ward(6)
    nobody = make_predictions(
        {
            "subject_id": rows.subjects[rows.patients],
            "time_h": rows.time_h,
            "horizon_h": rows.horizon_h,
            "probability": rows.probs,
            "low": rows.low,
            "high": rows.high,
            "label": np.zeros(len(rows.probs)),
        }
    )
    with pytest.raises(SettingsError, match="with and without injury"):
        judge_predictions(nobody, FEW)
