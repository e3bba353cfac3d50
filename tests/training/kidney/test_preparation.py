"""Preparation of stays from a table of events: one's own KDIGO, codes, and stays too short for a step."""

from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.core.errors import SettingsError
from medpipe.data.ragged_store import RaggedStore
from medpipe.data.stay_windows import WindowKey, collate_windows
from medpipe.ehr.baseline import BaselineRule
from medpipe.training.kidney.data_module import stay_windows
from medpipe.training.kidney.preparation import check_labs, prepare_stays
from medpipe.training.kidney.reading import StayReader, fit_encoding
from medpipe.training.kidney.recipe import Aki48, InputsRecipe, KidneyRecipe

RECIPE = KidneyRecipe(
    name="own",
    task=Aki48(kind="aki48", baseline=BaselineRule.ADMISSION, horizons_h=(12.0, 24.0)),
    labs=("urea",),
    inputs=InputsRecipe(codes=True, least_stays=1),
)
ROWS = [
    ("a", 0, "admission", ""),
    ("a", 1, "creatinine", 80),
    ("a", 2, "drug//x", ""),
    ("a", 9, "urea", 6),
    ("a", 20, "creatinine", 130),
    ("a", 30, "discharge", ""),
    ("b", 0, "creatinine", 70),
    ("b", 3, "discharge", ""),
    ("c", 0, "creatinine", 70),
    ("c", 7, "drug//y", ""),
    ("c", 24, "sodium", 140),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("events") / "events.csv"
    units = {"creatinine": "umol/L", "urea": "mmol/L", "sodium": "mmol/L"}
    lines = [f"{who},{hour},{code},{value},{units.get(code, '')}" for who, hour, code, value in ROWS]
    path.write_text("\n".join(["patient,time,code,value,unit", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def store(table: Path, tmp_path_factory: pytest.TempPathFactory) -> RaggedStore:
    return prepare_stays(RECIPE, table, tmp_path_factory.mktemp("prepared") / "stays")


def test_stay_shorter_than_a_step_is_left_out_and_counted(store: RaggedStore) -> None:
    assert [item["patient"] for item in store.items] == ["a", "c"]
    assert store.facts["counts"] == {"patients": 3, "refused": 0, "stays": 2, "without_steps": 1}


def test_records_without_a_lab_are_refused_with_their_predicates(
    store: RaggedStore, table: Path, tmp_path: Path
) -> None:
    check_labs(store)
    unread = prepare_stays(RECIPE, table, tmp_path / "stays", predicates="ward")
    with pytest.raises(SettingsError, match=r"'ward' do not know the codes of 11 of 11 rows.*--predicates"):
        check_labs(unread)


def test_labels_are_those_of_its_own_creatinine(store: RaggedStore) -> None:
    # 80 to 130 umol/L at hour 20, steps at 6, 12, 18, 24 and 30.
    expected = [[0, 1], [1, 1], [1, 1], [np.nan] * 2, [np.nan] * 2]
    np.testing.assert_array_equal(store.read(0, "risks"), expected)
    assert store.read(0, "onset_h")[:3].tolist() == [20] * 3
    assert store.items[0]["has_event"]
    assert not store.items[1]["has_event"]
    assert store.read(0, "lab_maxima")[0, :, 0].tolist() == [6, 6]


def test_folder_that_holds_them_is_not_read_again(store: RaggedStore, table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stays"
    prepare_stays(RECIPE, table, folder)
    moved = tmp_path / table.name
    moved.write_text("patient,time,code,value,unit\nz,0,creatinine,1,umol/L\n")
    assert len(prepare_stays(RECIPE, moved, folder)) == len(store)


def test_windows_of_a_stay_are_its_steps_and_codes_known_in_training_are_kept(store: RaggedStore) -> None:
    encoding = fit_encoding(store, [0], RECIPE.inputs, seed=0)
    assert set(encoding.variables) == {"creatinine", "urea"}
    assert encoding.codes == ("drug//x",)
    reader = StayReader(store, encoding)
    assert reader.steps(1).codes.tolist() == []
    whole = reader.window(0, 0, 5).batch
    part = reader.window(0, 1, 3).batch
    assert torch.equal(whole.values[:, 1:3], part.values)
    assert whole.codes is not None
    assert whole.codes.tolist() == [0]
    assert part.codes is not None
    assert part.codes.tolist() == []
    assert collate_windows([reader.window(0, 0, 5), reader.window(1, 0, 4)]).batch.lengths.tolist() == [5, 4]


def test_windows_that_are_read_together_are_those_read_alone(store: RaggedStore) -> None:
    reader = StayReader(store, fit_encoding(store, [0, 1], RECIPE.inputs, seed=0))
    keys = [WindowKey(0, 1, 4), WindowKey(1, 0, 4), WindowKey(0, 5, 5), WindowKey(1, 1, 2)]
    for together, key in zip(reader.windows(keys), keys, strict=True):
        alone = reader.window(*key)
        assert together.start == key.start
        for found, expected in zip(
            (*together.batch, *together.truth), (*alone.batch, *alone.truth), strict=True
        ):
            torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    assert reader.windows([]) == []
    first, _, _, last = (item.batch.codes for item in reader.windows(keys))
    assert first is not None
    assert last is not None
    assert (first.tolist(), last.tolist()) == ([], [1])


def test_windows_beyond_what_is_kept_are_read_again(store: RaggedStore) -> None:
    reader = StayReader(store, fit_encoding(store, [0, 1], RECIPE.inputs, seed=0))
    keys = [WindowKey(0, 0, 4), WindowKey(1, 0, 4)]
    windows = stay_windows(reader, (1, 0), cached=1)
    first, again = windows.several(keys), windows.several(keys)
    assert again[0].batch is first[0].batch
    assert again[1].batch is not first[1].batch
    assert [item.batch.lengths.tolist() for item in again] == [[4], [4]]
    assert torch.equal(first[1].batch.values, reader.window(0, 0, 4).batch.values)
