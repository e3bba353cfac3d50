"""Reading with a network: windows of long stays carry its state on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.models.aki_rnn.model import AkiRnn
from medpipe.models.registry import build_network
from medpipe.training.kidney.fit import fit_network, fitted_task, network_arguments, risk_logits
from medpipe.training.kidney.module import mean_figures
from medpipe.training.kidney.preparation import prepare_stays
from medpipe.training.kidney.reading import StayReader, fit_encoding
from medpipe.training.kidney.recipe import KidneyRecipe
from medpipe.training.trainer import FitOptions

STAYS = tuple(range(0, 60, 7))


@pytest.fixture(scope="module")
def reader(
    kidney_recipe: KidneyRecipe, task_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> StayReader:
    store = prepare_stays(kidney_recipe, task_folder, tmp_path_factory.mktemp("prepared") / "stays")
    return StayReader(store, fit_encoding(store, STAYS, kidney_recipe.inputs, seed=0))


@pytest.fixture(scope="module")
def network(kidney_recipe: KidneyRecipe, reader: StayReader) -> AkiRnn:
    network = build_network("aki-rnn", network_arguments(kidney_recipe, reader))
    assert isinstance(network, AkiRnn)
    return network


def test_windows_give_what_whole_stays_give(reader: StayReader, network: AkiRnn) -> None:
    whole, cut, alone = (
        risk_logits(network, reader, STAYS, batch_stays=batch, window=window, device="cpu")
        for batch, window in ((9, 100), (4, 3), (1, 100))
    )
    assert whole.shape == (int(reader.store.lengths("end_h")[list(STAYS)].sum()), 1)
    np.testing.assert_allclose(cut, whole, atol=1e-5)
    np.testing.assert_allclose(alone, whole, atol=1e-5)


def test_training_that_stopped_early_is_not_begun_again(
    kidney_recipe: KidneyRecipe, reader: StayReader, tmp_path: Path
) -> None:
    recipe = kidney_recipe.model_copy(update={"patience": 1, "epochs": 12})
    first, again = (
        fit_network(
            recipe,
            reader,
            tmp_path,
            train=STAYS,
            validation=tuple(range(1, 60, 7)),
            seed=0,
            options=FitOptions(),
        )
        for _ in range(2)
    )
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_labs_are_scaled_by_the_stays_trained_on(kidney_recipe: KidneyRecipe, reader: StayReader) -> None:
    (lab,) = fitted_task(kidney_recipe, reader, STAYS).labs
    maxima = np.concatenate([reader.store.read(stay, "lab_maxima") for stay in STAYS])
    assert (lab.name, lab.unit) == ("creatinine", "umol/L")
    assert lab.scale.mean == pytest.approx(np.nanmean(maxima.astype(float)))


def test_figures_of_the_validation_leave_out_horizons_of_one_outcome() -> None:
    logits = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert mean_figures(logits, np.array([[0.0, 0.0], [1.0, 0.0]])) == {"auroc": 1.0, "auprc": 1.0}
    assert mean_figures(logits, np.full((2, 2), np.nan)) == {"auroc": 0.0, "auprc": 0.0}
