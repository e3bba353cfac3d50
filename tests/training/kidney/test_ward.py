"""The simulated ward, from its MEDS folder to calibrated risks within 6 to 72 hours."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from medpipe.simulate.ward.writing import MEDS_FOLDER, write_ward
from medpipe.training.kidney.recipe import KidneyRecipe, read_kidney_recipe
from medpipe.training.kidney.workflow import PREDICTIONS, train_kidney

RECIPE = Path(__file__).resolve().parents[3] / "pipelines" / "train" / "aki.yaml"
SMALL = (
    "epochs=2",
    "seeds=[0]",
    "trees.rounds=5",
    "inputs.codes=true",
    "split={validation: 0.2, calibration: 0.3, test: 0.2}",
    "network={name: aki-rnn, arguments: {cell: gru, embedding: 8, hidden: 8, layers: 1}}",
)


@pytest.fixture(scope="module")
def recipe() -> KidneyRecipe:
    return read_kidney_recipe(RECIPE, overrides=SMALL)


@pytest.mark.slow
def test_risks_of_all_horizons_come_out_and_do_not_fall(recipe: KidneyRecipe, tmp_path: Path) -> None:
    write_ward(tmp_path / "ward", range(150))
    result = train_kidney(recipe, tmp_path / "ward" / MEDS_FOLDER, tmp_path / "out", predicates="ward")
    assert result.split.startswith("that of the records")
    with_split = pq.read_table(tmp_path / "ward" / MEDS_FOLDER / "metadata" / "subject_splits.parquet")
    held_out = {str(row["subject_id"]) for row in with_split.to_pylist() if row["split"] == "held_out"}
    assert set(pq.read_table(result.folder / PREDICTIONS)["subject_id"].to_pylist()) <= held_out
    assert [item.horizon_h for item in result.horizons] == [6, 12, 18, 24, 36, 48, 60, 72]
    prevalence = [item.prevalence for item in result.horizons]
    assert prevalence[0] < prevalence[-1]
    assert all(0 < item.observable < 1 for item in result.horizons)
    table = pq.read_table(result.folder / PREDICTIONS)
    risks = table["probability"].to_numpy().reshape(-1, 8)
    assert (np.diff(risks, axis=1) >= 0).all()
    labels = table["label"].to_numpy().reshape(-1, 8)
    onset_h, time_h = (table[name].to_numpy().reshape(-1, 8)[:, 0] for name in ("onset_h", "time_h"))
    comes_within_6_h = labels[:, 0] == 1
    assert comes_within_6_h.any()
    assert (onset_h[comes_within_6_h] - time_h[comes_within_6_h] <= 6 + 1e-6).all()
