"""Masks and scores from one network: missing truths, loss weights, the package and its findings."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torch.testing import assert_close

from medpipe.core.errors import RefusedError, SettingsError
from medpipe.core.findings import Measurement
from medpipe.data.case_table import read_table
from medpipe.data.cases import CaseSet
from medpipe.inference.score_evaluation import read_results
from medpipe.io.study_folder import StudyFolder
from medpipe.models.registry import build_network
from medpipe.runs.evaluate_segmentation import EvaluationRequest, evaluate_segmentation
from medpipe.runs.options import RunOptions
from medpipe.runs.single import run_stage
from medpipe.training.card import PackageFacts
from medpipe.training.folds import Fold
from medpipe.training.segmentation.fit import network_arguments
from medpipe.training.segmentation.module import SegmentationModule
from medpipe.training.segmentation.patches import PatchBatch
from medpipe.training.segmentation.recipe import TrainingRecipe
from medpipe.training.segmentation.score_values import fit_scores, score_values
from medpipe.training.segmentation.workflow import read_cases, train_segmentation
from medpipe.zoo.trial import verify_package

FACTS = PackageFacts("0.1.0", "Simulated blobs.", "CC0", "CC0-1.0", "Simulated data only.", "pytest")
SCORES = [
    {
        "kind": "regression",
        "name": "points",
        "code": {"scheme": "99MEDPIPE", "value": "points", "meaning": "Points"},
        "unit": "{score}",
        "low": 0,
        "high": 30,
    },
    {
        "kind": "ordinal",
        "name": "rating",
        "code": {"scheme": "99MEDPIPE", "value": "rating", "meaning": "Rating"},
        "levels": [0, 1, 2],
    },
]


@pytest.fixture
def recipe(recipe_text: str) -> TrainingRecipe:
    data = yaml.safe_load(recipe_text)
    data["schedule"].update(steps=4, validate_every=2)
    return TrainingRecipe.model_validate({**data, "scores": SCORES})


@pytest.fixture
def table(blob_folder: Path, tmp_path: Path) -> Path:
    """Return a table of six cases: one without a mask, one without points, one without a rating."""
    rows = ["id,image,mask,patient,points,rating"]
    for number in range(6):
        files = [f"{blob_folder}/{folder}/case{number}.nii.gz" for folder in ("images", "labels")]
        mask = "" if number == 1 else files[1]
        points = "" if number == 2 else str(10 + number)
        rating = "" if number == 3 else str(number % 3)
        rows.append(f"case{number},{files[0]},{mask},p{number},{points},{rating}")
    path = tmp_path / "cases.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def case_set(table: Path) -> CaseSet:
    return read_table(table, allow_outside=True)


def test_a_package_reads_scores_of_new_images(
    recipe: TrainingRecipe, case_set: CaseSet, blob_folder: Path, tmp_path: Path
) -> None:
    result = train_segmentation(recipe, case_set, tmp_path / "out", FACTS, validation=0.5)
    assert result.package is not None
    verify_package(result.package)
    assert "; reads Points, Rating" in result.package.manifest.summary
    assert {"mean_absolute_error", "scatter"} <= {item.metric for item in result.figures}
    truths = {
        item.case_id: item.truth
        for item in read_results(tmp_path / "out" / "predictions.csv")
        if item.score == "points"
    }
    assert truths.items() <= {f"case{number}": 10.0 + number for number in range(6)}.items()
    assert (tmp_path / "out" / "scatter_points.png").read_bytes().startswith(b"\x89PNG")

    package = str(result.package.path)
    request = EvaluationRequest(package, splits=tmp_path / "out" / "splits.json")
    evaluated = evaluate_segmentation(request, case_set, tmp_path / "evaluated")
    assert {(item.structure, item.metric) for item in evaluated} == {
        (item.structure, item.metric) for item in result.figures
    }
    scan = blob_folder / "images" / "case0.nii.gz"
    run_stage(
        "segment", [scan], tmp_path / "run", params={"package": package}, options=RunOptions("cpu", workers=0)
    )
    study = StudyFolder(next((tmp_path / "run" / "studies").iterdir()))
    found = {item.name: item for item in study.findings.findings if isinstance(item, Measurement)}
    assert 0 <= found["Points"].value <= 30
    assert found["Points"].unit == "{score}"
    assert found["Rating"].value in (0, 1, 2)
    assert found["Rating"].uncertainty is None  # three cases are too few for an interval


def test_folds_give_intervals_to_a_network_of_all_cases(
    recipe: TrainingRecipe, case_set: CaseSet, tmp_path: Path
) -> None:
    folders = (tmp_path / "fold-1", tmp_path / "fold-2")
    for index, folder in enumerate(folders, start=1):
        train_segmentation(recipe, case_set, folder, FACTS, fold=Fold(index, 2))
    result = train_segmentation(
        recipe, case_set, tmp_path / "all", FACTS, validation=0.0, figures_from=folders
    )
    assert {item.num_cases for item in result.figures if item.structure == "points"} == {5}
    assert {item.num_cases for item in result.figures if item.structure == "blob"} == {5}


def test_truth_that_is_not_there_changes_nothing(recipe: TrainingRecipe) -> None:
    torch.manual_seed(0)
    network = build_network("unet", network_arguments(recipe)).eval()
    module = SegmentationModule(network, recipe, fit_scores(recipe.scores, {"a": torch.tensor([12.0, 1.0])}))
    images = torch.randn(3, 1, 16, 16, 16)
    label_map = (torch.rand(3, 16, 16, 16) < 0.2).to(torch.uint8)
    scores = torch.tensor([[12.0, torch.nan], [torch.nan, 2.0], [torch.nan, torch.nan]])
    whole = PatchBatch(images, label_map, torch.tensor([True, True, False]), scores)
    other = whole._replace(label_map=torch.cat((label_map[:2], 1 - label_map[2:])))
    assert_close(module._losses(network(images), whole), module._losses(network(images), other))
    first = PatchBatch(*(part[:1] for part in whole))
    assert module._losses(network(images[:1]), first).keys() == {"masks", "points"}


@pytest.mark.parametrize("has_mask", [True, False])
def test_every_parameter_has_a_gradient_whatever_is_known(
    recipe: TrainingRecipe, has_mask: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build_network("unet", network_arguments(recipe))
    module = SegmentationModule(network, recipe, fit_scores(recipe.scores, {}))
    monkeypatch.setattr(module, "log", lambda *args, **kwargs: None)
    batch = PatchBatch(
        torch.randn(2, 1, 16, 16, 16),
        torch.zeros(2, 16, 16, 16, dtype=torch.uint8),
        torch.tensor([has_mask, has_mask]),
        torch.full((2, 2), torch.nan),
    )
    module.training_step(batch, 0).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert any(parameter.grad.any() for parameter in network.parameters()) is has_mask  # type: ignore[union-attr]


def test_text_in_a_column_names_the_case(recipe: TrainingRecipe, case_set: CaseSet, tmp_path: Path) -> None:
    cases = tuple(replace(case, facts={**case.facts, "points": "unknown"}) for case in case_set.cases)
    with pytest.raises(
        RefusedError, match=r"Case case\d: the score 'points' must be a number.*found 'unknown'"
    ):
        train_segmentation(recipe, replace(case_set, cases=cases), tmp_path / "out", FACTS)


def test_a_set_without_any_mask_is_refused(recipe: TrainingRecipe, case_set: CaseSet, tmp_path: Path) -> None:
    cases = tuple(replace(case, mask=None) for case in case_set.cases)
    with pytest.raises(SettingsError, match="No case to train on has a mask"):
        train_segmentation(recipe, replace(case_set, cases=cases), tmp_path / "out", FACTS)


def test_weights_of_unknown_losses_are_refused(recipe: TrainingRecipe) -> None:
    with pytest.raises(ValueError, match=r"loss\.weights names 'score'"):
        TrainingRecipe.model_validate({**recipe.model_dump(), "loss": {"weights": {"score": 1.0}}})


def test_scores_come_from_a_table_beside_the_data_set(
    recipe: TrainingRecipe, blob_folder: Path, table: Path
) -> None:
    case_set = read_cases(blob_folder, facts=table)
    values = score_values(recipe.scores, case_set.cases)
    assert values["case0"].tolist() == [10.0, 0.0]
    assert torch.isnan(values["case2"][0])
