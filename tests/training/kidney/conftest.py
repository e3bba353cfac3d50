"""A small YAIB task whose labels follow from creatinine: what is learned can be seen."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from medpipe.training.kidney.recipe import KidneyRecipe

NUM_STAYS = 60
RECIPE = """
name: small
task: {kind: yaib6, drop_after_onset: false}
labs: [creatinine]
inputs: {least_stays: 5}
split: {validation: 0.2, calibration: 0.2, test: 0.2}
network: {name: aki-rnn, arguments: {cell: gru, embedding: 8, highway_layers: 0, hidden: 8, layers: 1}}
loss: {labs: 0.1}
epochs: 15
patience: 0
batch_stays: 8
window: 8
optimiser: {learning_rate: 0.02, schedule: constant, ema_decay: 0}
seeds: [0, 1]
trees: {rounds: 40, leaves: 4, learning_rate: 0.1}
"""


def write_task(folder: Path, *, seed: int = 0, shuffled: bool = False) -> Path:
    """Write stays of 10 to 29 hours; in half of them creatinine doubles 6 hours after the first label.

    Shuffled labels are those of other stays of the same length.
    """
    rng = np.random.default_rng(seed)
    columns: dict[str, list[object]] = {"stay_id": [], "time": [], "crea": [], "hr": []}
    labels: list[bool] = []
    for stay in range(NUM_STAYS):
        length, is_ill = 10 + stay // 3, stay % 2 == 1
        onset = int(rng.integers(3, length - 3)) if is_ill else length
        creatinine = np.where(np.arange(length) >= onset, 2.4, 1.0) * rng.uniform(0.8, 1.2)
        columns["stay_id"] += [stay] * length
        columns["time"] += [timedelta(hours=hour) for hour in range(length)]
        columns["crea"] += creatinine.tolist()
        columns["hr"] += rng.normal(80, 10, length).tolist()
        labels += (np.arange(length) >= onset).tolist()
    if shuffled:
        labels = rng.permutation(labels).tolist()
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / "dyn.parquet")
    outcomes = {"stay_id": columns["stay_id"], "time": columns["time"], "label": labels}
    pq.write_table(pa.table(outcomes), folder / "outc.parquet")
    statics = {
        "stay_id": list(range(NUM_STAYS)),
        "age": rng.uniform(40, 80, NUM_STAYS).tolist(),
        "sex": ["Female", "Male"] * (NUM_STAYS // 2),
        "height": [170.0] * NUM_STAYS,
        "weight": [None] * NUM_STAYS,
    }
    pq.write_table(pa.table(statics), folder / "sta.parquet")
    return folder


@pytest.fixture(scope="session")
def kidney_recipe() -> KidneyRecipe:
    return KidneyRecipe.model_validate(yaml.safe_load(RECIPE))


@pytest.fixture(scope="session")
def task_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_task(tmp_path_factory.mktemp("yaib"))


@pytest.fixture(scope="session")
def shuffled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_task(tmp_path_factory.mktemp("shuffled"), shuffled=True)
