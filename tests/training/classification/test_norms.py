"""Batch norm: settled on slices of many studies, and left alone by whole studies."""

import copy
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from medpipe.data.slice_store import SliceStore
from medpipe.data.slice_store_build import open_slice_store
from medpipe.models.registry import build_network
from medpipe.models.slice_aggregator.model import SliceAggregator
from medpipe.training.classification.fit import fitted_labels, fitted_scores, network_arguments
from medpipe.training.classification.module import StudyModule
from medpipe.training.classification.norms import batch_norms, settle_norms
from medpipe.training.classification.preparation import StudyPreparation
from medpipe.training.classification.reading import read_studies
from medpipe.training.classification.recipe import ClassificationRecipe

from .conftest import SpotStudies


@pytest.fixture
def store(spot_studies: SpotStudies, recipe: ClassificationRecipe, tmp_path: Path) -> SliceStore:
    preparation = StudyPreparation(recipe.preprocessing)
    cases = read_studies(spot_studies.table, recipe).cases
    return open_slice_store(tmp_path / "store", cases, preparation, settings=preparation.settings)


def network_of(recipe: ClassificationRecipe) -> SliceAggregator:
    torch.manual_seed(0)
    network = build_network(recipe.network.name, network_arguments(recipe))
    assert isinstance(network, SliceAggregator)
    return network


def test_what_is_normal_comes_from_the_slices_of_the_studies(
    recipe: ClassificationRecipe, store: SliceStore
) -> None:
    network = network_of(recipe)
    before = copy.deepcopy(network.state_dict())
    settle_norms(network, recipe.preprocessing, store, store.ids, seed=0)
    seen: list[torch.Tensor] = []
    first = batch_norms(network.encoder)[0]
    first.register_forward_pre_hook(lambda norm, inputs: seen.append(inputs[0]))
    for case_id in store.ids:
        values = torch.from_numpy(store.slices(case_id).copy()).float()[:, None] / 100
        network.eval().encode(values.clamp(0, 1), [len(values)])
    values = torch.cat([item.transpose(0, 1).flatten(1) for item in seen], dim=1)
    # Slices are drawn, and means of batches are averaged: near, not equal.
    assert_close(first.running_mean, values.mean(dim=1), rtol=0.1, atol=0.02)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.rsplit(".", 1)[1] for name in changed} == {
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }
    assert {norm.momentum for norm in batch_norms(network.encoder)} == {0.1}


def test_the_same_seed_settles_alike(recipe: ClassificationRecipe, store: SliceStore) -> None:
    first, second = network_of(recipe), network_of(recipe)
    for network in (first, second):
        settle_norms(network, recipe.preprocessing, store, store.ids, seed=3)
    assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("norms", ["kept", "learned"])
def test_whole_studies_leave_it_alone_where_asked_but_not_dropout(
    recipe: ClassificationRecipe, norms: str
) -> None:
    module = StudyModule(
        network_of(recipe),
        recipe,
        recipe.stages[-1].model_copy(update={"norms": norms}),
        labels=fitted_labels(recipe, []),
        scores=fitted_scores(recipe, []),
        steps=1,
    )
    module.eval()
    module.train()
    assert {norm.training for norm in batch_norms(module.network.encoder)} == {norms == "learned"}
    assert module.network.dropout.training
    slices = torch.rand(7, 1, 32, 32)
    alone = module.network.encode(slices[:3], [3])
    together = module.network.encode(slices, [3, 4])
    assert torch.allclose(together[:3], alone, atol=1e-5) is (norms == "kept")
