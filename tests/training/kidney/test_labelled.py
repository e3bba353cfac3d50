"""Outcomes of a share of the patients: drawn with and without the outcome, and nothing else is taken away."""

from pathlib import Path

import numpy as np
import pytest

from medpipe.data.stay_windows import WindowKey
from medpipe.training.kidney.data_module import stay_windows
from medpipe.training.kidney.labelled import labelled_stays
from medpipe.training.kidney.preparation import prepare_stays
from medpipe.training.kidney.reading import StayReader, fit_encoding
from medpipe.training.kidney.recipe import KidneyRecipe


@pytest.fixture(scope="module")
def reader(
    kidney_recipe: KidneyRecipe, task_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> StayReader:
    store = prepare_stays(kidney_recipe, task_folder, tmp_path_factory.mktemp("labelled") / "stays")
    stays = range(len(store.items))
    return StayReader(store, fit_encoding(store, stays, kidney_recipe.inputs, seed=0))


def test_share_keeps_both_kinds_and_grows_by_patients(reader: StayReader) -> None:
    store, train = reader.store, range(len(reader.store.items))
    few, more = (labelled_stays(store, train, share, seed=0) for share in (0.01, 0.5))
    assert sorted(store.items[stay]["has_event"] for stay in few) == [False, True]
    assert set(few) < set(more) < set(train)
    assert labelled_stays(store, train, 1.0, seed=0) == tuple(train)


def test_stays_without_label_keep_everything_but_their_outcomes(reader: StayReader) -> None:
    stays = (0, 1)
    key = [WindowKey(0, 0, 4), WindowKey(1, 0, 4)]
    told = stay_windows(reader, stays).__getitems__(key)
    kept, hidden = stay_windows(reader, stays, labelled=frozenset([0])).__getitems__(key)
    np.testing.assert_array_equal(kept.truth.risks, told[0].truth.risks)
    assert hidden.truth.risks.isnan().all()
    np.testing.assert_array_equal(hidden.truth.lab_maxima, told[1].truth.lab_maxima)
    np.testing.assert_array_equal(hidden.batch.values, told[1].batch.values)
