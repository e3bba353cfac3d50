"""Lookups that begin with vectors of codes: equal to them, scaled; off where nothing is asked for."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.stay_splits import read_patient_split
from medpipe.ehr.stay_encoding import StayEncoding
from medpipe.ehr.stay_scales import Scale, StayScales
from medpipe.models.aki_rnn.model import AkiRnn
from medpipe.text.code_vector_file import read_code_vectors, write_code_vectors
from medpipe.text.code_vectors import CodeVectors, VectorOrigin, VectorSettings
from medpipe.text.word2vec import digest_of
from medpipe.training.kidney.code_start import CODE_VECTORS, check_code_vectors, start_lookups
from medpipe.training.kidney.recipe import KidneyRecipe
from medpipe.training.kidney.workflow import FIGURES, PREDICTIONS, SPLIT, KidneyResult, train_kidney

CODES = ("drug//a", "drug//b", "lactate//high", "lactate//low", "lactate//middle", "urea")


def vectors_of(dimension: int = 4) -> CodeVectors:
    origin = VectorOrigin(
        settings=VectorSettings(dimension=dimension), patients=1, patients_digest="", sentences=1
    )
    rows = np.random.default_rng(0).normal(5, 3, (len(CODES), dimension)).astype(np.float32)
    return CodeVectors(CODES, rows, origin)


def encoding_of(*variables: str, codes: tuple[str, ...]) -> StayEncoding:
    scales = StayScales(variables=tuple(Scale(name=name, centre=0.0, spread=1.0) for name in variables))
    return StayEncoding(scales=scales, codes=codes, has_course=False)


def network_of(encoding: StayEncoding) -> AkiRnn:
    torch.manual_seed(0)
    return AkiRnn(**encoding.network_arguments(), embedding=4, hidden=4, layers=1, num_labs=0)


def lookups(network: AkiRnn) -> dict[str, np.ndarray]:
    return {
        name: network.embedding.of(name).lookup.vectors.detach().numpy() for name in network.embedding.sets
    }


def test_lookups_are_the_vectors_centred_and_as_wide_as_the_draw() -> None:
    vectors = vectors_of()
    encoding = encoding_of("sodium", "urea", "lactate", codes=("drug//b", "drug//new", "drug//a"))
    network = network_of(encoding)
    before = {name: rows.copy() for name, rows in lookups(network).items()}
    start_lookups(network, vectors, encoding)
    after = lookups(network)
    centred = vectors.vectors - vectors.vectors.mean(axis=0)
    centred /= np.sqrt((centred**2).mean())
    wide = {name: np.sqrt((rows**2).mean()) for name, rows in before.items()}
    np.testing.assert_allclose(after["codes"][[2, 0]], wide["codes"] * centred[[0, 1]], rtol=1e-4)
    np.testing.assert_allclose(after["presence"][1], wide["presence"] * centred[5], rtol=1e-4)
    bands = centred[[2, 3, 4]].mean(axis=0)
    np.testing.assert_allclose(after["presence"][2], wide["presence"] * bands, rtol=1e-4)
    # What has no vector keeps its draw, and so does all the rest of the network.
    np.testing.assert_array_equal(after["codes"][1], before["codes"][1])
    np.testing.assert_array_equal(after["presence"][0], before["presence"][0])
    np.testing.assert_array_equal(after["numeric"], before["numeric"])


def test_a_network_without_codes_takes_those_of_its_variables() -> None:
    encoding = encoding_of("urea", codes=())
    network = network_of(encoding)
    before = lookups(network)["presence"].copy()
    start_lookups(network, vectors_of(), encoding)
    assert "codes" not in lookups(network)
    assert not np.allclose(lookups(network)["presence"], before)


def changed(recipe: KidneyRecipe, code_vectors: object, **changes: object) -> KidneyRecipe:
    data = recipe.model_dump(mode="json")
    data["inputs"]["code_vectors"] = code_vectors
    return KidneyRecipe.model_validate({**data, **changes})


def test_a_dimension_that_is_not_the_embedding_is_refused_before_any_work(
    kidney_recipe: KidneyRecipe, task_folder: Path, tmp_path: Path
) -> None:
    recipe = changed(kidney_recipe, {"dimension": 5})
    with pytest.raises(SettingsError, match=r"embedding, 8: found 5.*embedding to 5"):
        train_kidney(recipe, task_folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    write_code_vectors(tmp_path / "v", vectors_of())
    with pytest.raises(SettingsError, match="found 4"):
        check_code_vectors(changed(kidney_recipe, str(tmp_path / "v")))
    with pytest.raises(NoInputError):
        check_code_vectors(changed(kidney_recipe, str(tmp_path / "none")))
    check_code_vectors(kidney_recipe)


@pytest.mark.parametrize("wrong", [{"methods": "cbow"}, {"bands": 2}, {"method": "glove"}, 7])
def test_what_is_no_way_to_learn_vectors_is_refused(kidney_recipe: KidneyRecipe, wrong: object) -> None:
    with pytest.raises(ValueError, match="code_vectors"):
        changed(kidney_recipe, wrong)


SHORT = {"epochs": 1, "seeds": [0], "trees": None}


@pytest.fixture(scope="module")
def trained(
    kidney_recipe: KidneyRecipe, task_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> KidneyResult:
    return train_kidney(learned(kidney_recipe), task_folder, tmp_path_factory.mktemp("codes") / "on")


def learned(recipe: KidneyRecipe) -> KidneyRecipe:
    return changed(recipe, {"dimension": 8, "epochs": 2, "least_patients": 5}, **SHORT)


def test_a_training_learns_vectors_of_its_training_patients_alone(trained: KidneyResult) -> None:
    assert trained.lookups is not None
    assert trained.lookups.words == "code vectors: 0 of 0 codes and 2 of 2 variables begin with one"
    written = read_code_vectors(trained.folder / CODE_VECTORS)
    split = read_patient_split(trained.folder / SPLIT)
    assert written.made_by.patients_digest == digest_of(split.train)
    figures = json.loads((trained.folder / FIGURES).read_text())
    assert figures["code_vectors"] == trained.lookups._asdict()


def test_off_leaves_no_trace_and_gives_another_network(
    trained: KidneyResult, kidney_recipe: KidneyRecipe, task_folder: Path, tmp_path: Path
) -> None:
    off = train_kidney(changed(kidney_recipe, None, **SHORT), task_folder, tmp_path / "off")
    assert off.lookups is None
    assert not (off.folder / CODE_VECTORS).exists()
    assert "code_vectors" not in json.loads((off.folder / FIGURES).read_text())
    assert (off.folder / PREDICTIONS).read_bytes() != (trained.folder / PREDICTIONS).read_bytes()


@pytest.mark.slow
def test_the_same_again_and_the_same_from_a_file_give_the_same(
    trained: KidneyResult, kidney_recipe: KidneyRecipe, task_folder: Path, tmp_path: Path
) -> None:
    again = train_kidney(learned(kidney_recipe), task_folder, trained.folder)
    assert again.figures == trained.figures
    from_file = changed(kidney_recipe, str(trained.folder / CODE_VECTORS), **SHORT)
    assert train_kidney(from_file, task_folder, tmp_path / "file").figures == trained.figures


@pytest.mark.slow
def test_vectors_of_patients_who_are_not_trained_on_are_told(
    trained: KidneyResult, kidney_recipe: KidneyRecipe, task_folder: Path, tmp_path: Path
) -> None:
    recipe = changed(kidney_recipe, str(trained.folder / CODE_VECTORS), **SHORT, split_seed=1)
    start = train_kidney(recipe, task_folder, tmp_path / "other").lookups
    assert start is not None
    assert "other patients" in start.words
