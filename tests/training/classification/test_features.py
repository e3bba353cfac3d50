"""Features computed once: those of the network, which is left as it was."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from medpipe.data.slice_store_build import open_slice_store
from medpipe.inference.slices import slice_channels
from medpipe.models.registry import build_network
from medpipe.models.slice_aggregator.model import SliceAggregator
from medpipe.training.classification.features import compute_features
from medpipe.training.classification.fit import network_arguments
from medpipe.training.classification.preparation import StudyPreparation
from medpipe.training.classification.reading import read_studies
from medpipe.training.classification.recipe import ClassificationRecipe

from .conftest import SpotStudies


@pytest.mark.parametrize("is_training", [True, False])
def test_network_keeps_its_mode(
    recipe: ClassificationRecipe,
    spot_studies: SpotStudies,
    tmp_path_factory: pytest.TempPathFactory,
    is_training: bool,
) -> None:
    cases = read_studies(spot_studies.table, recipe).cases[:2]
    preparation = StudyPreparation(recipe.preprocessing)
    folder = tmp_path_factory.mktemp("features") / "store"
    store = open_slice_store(folder, cases, preparation, settings=preparation.settings)
    network = build_network(recipe.network.name, network_arguments(recipe))
    assert isinstance(network, SliceAggregator)
    network.train(is_training)
    found = compute_features(network, recipe.preprocessing, store, [case.id for case in cases])
    # Lightning trains in the mode that it finds: without it there is no dropout, and batch norm stands still.
    assert network.training is is_training
    assert network.encoder.network.training is is_training
    values = torch.from_numpy(np.array(store.slices(cases[0].id))).float()
    with torch.inference_mode():
        expected = network.eval().encode(
            slice_channels(values, recipe.preprocessing, torch.full((2,), torch.nan)), [len(values)]
        )
    assert_close(torch.from_numpy(found.slices(cases[0].id)), expected)
