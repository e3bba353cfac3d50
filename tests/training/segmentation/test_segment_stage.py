"""The stage ``segment`` with a trained network: cleaning, measures, and images not as they should be."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from medpipe.cli.main import app
from medpipe.core.codes import Code
from medpipe.core.errors import MedpipeError
from medpipe.core.findings import Measurement, QualityFlag, Structure
from medpipe.io.study_folder import StudyFolder
from medpipe.runs.evaluate_segmentation import EvaluationRequest, evaluate_segmentation
from medpipe.runs.options import RunOptions
from medpipe.runs.single import run_stage
from medpipe.runs.summary import RunSummary
from medpipe.tasks.cleaning import Cleaning
from medpipe.training.result import TrainingResult
from medpipe.training.segmentation.workflow import read_cases

AFFINE = np.array([[1.0, 0, 0, -20], [0, 0.96, 0.28, 5], [0, -0.28, 0.96, 3], [0, 0, 0, 1]])
"""Turned about the left-right axis, voxels of 1 mm."""

SHAPE = (34, 20, 17)
LARGE, SMALL = ((9.0, 9.0, 8.0), 4.5), ((25.0, 10.0, 8.0), 3.5)
"""Centres and radii of two balls."""

Array = npt.NDArray[Any]
Segment = Callable[..., RunSummary]


def ball(shape: tuple[int, int, int], centre: tuple[float, float, float], radius: float) -> Array:
    offsets = np.moveaxis(np.indices(shape), 0, -1) - centre
    mask: Array = np.linalg.norm(offsets, axis=-1) < radius
    return mask


def image_of(mask: Array) -> Array:
    """Return an image as the network was trained on."""
    noise = np.random.default_rng(5).normal(0, 20, mask.shape)
    return (noise + 100 * mask + 100).astype(np.float32)


def study_of(summary: RunSummary) -> StudyFolder:
    return StudyFolder(next((summary.folder / "studies").iterdir()))


def only(study: StudyFolder, kind: type[Any]) -> list[Any]:
    return [item for item in study.findings.findings if isinstance(item, kind)]


@pytest.fixture
def package(trained: tuple[TrainingResult, Path]) -> str:
    found = trained[0].package
    assert found is not None
    return str(found.path)


@pytest.fixture
def segment(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Segment:
    """Return the stage as a run over one image."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def work(values: Array, **params: Any) -> RunSummary:
        nib.save(nib.Nifti1Image(values, AFFINE), tmp_path / "scan.nii.gz")
        return run_stage(
            "segment",
            [tmp_path / "scan.nii.gz"],
            tmp_path / f"run-{len(list(tmp_path.glob('run-*')))}",
            params={"package": package, **params},
            options=RunOptions("cpu", workers=0),
        )

    return work


class TestCleaningAndMeasures:
    def image(self) -> Array:
        return image_of(ball(SHAPE, *LARGE) | ball(SHAPE, *SMALL))

    def test_smaller_object_goes_flagged_and_what_is_left_is_measured(self, segment: Segment) -> None:
        values = self.image()
        study = study_of(segment(values, max_objects=1, measures=("intensity", "centre")))
        mask = np.asarray(nib.load(study.path / "masks" / "image_blob.nii.gz").dataobj) == 1
        assert mask[:18].any()
        assert not mask[18:].any()
        (blob,) = only(study, Structure)
        assert blob.volume_ml == pytest.approx(np.count_nonzero(mask) / 1000)
        centre_mm = AFFINE[:3, :3] @ np.argwhere(mask).mean(axis=0) + AFFINE[:3, 3]
        assert blob.centre_mm == pytest.approx(centre_mm, abs=1e-3)
        assert np.linalg.norm(centre_mm - (AFFINE @ (*LARGE[0], 1))[:3]) < 1
        (intensity,) = only(study, Measurement)
        assert (intensity.name, intensity.unit) == ("blob mean intensity", "[arb'U]")
        assert intensity.value == pytest.approx(values[mask].mean(), rel=1e-4)
        (cleaned,) = [item for item in only(study, QualityFlag) if item.flag is Code.W_CLEANED]
        assert cleaned.found.startswith("Blob: ")
        page = (study.path / "report.html").read_text()
        assert "blob mean intensity" in page
        assert "a.u." in page
        assert "centre L " in page

    def test_nothing_is_cleaned_or_measured_unasked(self, segment: Segment) -> None:
        study = study_of(segment(self.image()))
        mask = np.asarray(nib.load(study.path / "masks" / "image_blob.nii.gz").dataobj)
        assert mask[:18].any()
        assert mask[18:].any()
        assert not only(study, Measurement)
        assert only(study, Structure)[0].centre_mm is None
        assert Code.W_CLEANED not in {item.flag for item in only(study, QualityFlag)}

    def test_label_that_cleaning_drops_altogether_is_said_to_be(self, segment: Segment) -> None:
        study = study_of(segment(self.image(), min_object_ml=5.0, measures=("intensity", "centre")))
        assert {item.flag for item in only(study, QualityFlag)} >= {Code.W_CLEANED, Code.W_NOT_FOUND}
        assert not only(study, Measurement)


def test_evaluation_cleans_as_the_stage_does(package: str, tmp_path: Path) -> None:
    truth = ball(SHAPE, *LARGE)
    for name, values in (
        ("images", image_of(truth | ball(SHAPE, *SMALL))),
        ("labels", truth.astype(np.uint8)),
    ):
        (tmp_path / name).mkdir()
        nib.save(nib.Nifti1Image(values, AFFINE), tmp_path / name / "case1.nii.gz")
    found = {}
    for most in (0, 1):
        request = EvaluationRequest(package, tolerance_mm=2.0, cleaning=Cleaning(max_objects=most))
        figures = evaluate_segmentation(request, read_cases(tmp_path), tmp_path / f"evaluated-{most}")
        found[most] = {item.metric: item.mean for item in figures}
    assert found[1]["dice"] > 0.8 > found[0]["dice"]
    assert found[1]["nsd_at_2_mm"] > 0.95 > found[0]["nsd_at_2_mm"]
    assert found[1]["assd_mm"] < 1 < found[0]["assd_mm"]


class TestUnusualImages:
    def test_volume_smaller_than_a_patch_is_padded_and_labelled_in_place(self, segment: Segment) -> None:
        truth = ball((11, 13, 10), (5, 6, 5), 4)
        study = study_of(segment(image_of(truth)))
        mask = np.asarray(nib.load(study.path / "masks" / "image_blob.nii.gz").dataobj) == 1
        assert 2 * np.count_nonzero(mask & truth) > 0.8 * (mask.sum() + truth.sum())

    def test_single_slice_is_refused(self, segment: Segment) -> None:
        (state,) = segment(image_of(ball((18, 20, 1), (9, 9, 0), 4))).states.values()
        assert state.reasons[0].code is Code.E_DIMS
        assert "found 18 x 20 x 1 voxels" in state.reasons[0].message
        assert "Give the whole series" in state.reasons[0].message

    def test_few_voxels_that_are_no_numbers_are_replaced_and_flagged(self, segment: Segment) -> None:
        truth = ball((18, 20, 17), (9, 9, 8), 4)
        values = image_of(truth)
        values[0, 0, :3] = np.nan
        study = study_of(segment(values))
        assert [item.found for item in only(study, QualityFlag) if item.flag is Code.W_NAN] == [
            "3 of 6120 voxels"
        ]
        mask = np.asarray(nib.load(study.path / "masks" / "image_blob.nii.gz").dataobj) == 1
        assert 2 * np.count_nonzero(mask & truth) > 0.8 * (mask.sum() + truth.sum())

    def test_many_voxels_that_are_no_numbers_are_refused(self, segment: Segment) -> None:
        (state,) = segment(np.full((18, 20, 17), np.nan, np.float32)).states.values()
        assert state.reasons[0].code is Code.E_NAN
        assert "found 6120 of 6120 voxels" in state.reasons[0].message


class TestBadData:
    """Through the shell: each refusal names the case, what was found and what to do."""

    @pytest.fixture
    def data(self, blob_folder: Path, tmp_path: Path) -> Path:
        return shutil.copytree(blob_folder, tmp_path / "data")

    def refusal(self, *arguments: object) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert isinstance(result.exception, MedpipeError), result.exception
        return f"{result.exception.code}: {result.exception}"

    def train(self, data: Path, recipe: str) -> str:
        path = data.parent / "recipe.yaml"
        path.write_text(recipe)
        return self.refusal(
            "train", "segment", path, data, "-o", data.parent / "out", "--data-licence", "CC0"
        )

    def change(self, path: Path, change: Callable[[Array], Array]) -> None:
        values = np.asarray(nib.load(path).dataobj).astype(np.float32)
        nib.save(nib.Nifti1Image(change(values), np.eye(4)), path)

    def test_single_slice(self, data: Path, recipe_text: str, package: str) -> None:
        for folder in ("images", "labels"):
            self.change(data / folder / "case1.nii.gz", lambda values: values[:, :, 8:9])
        for message in (
            self.train(data, recipe_text),
            self.refusal("evaluate", "segment", package, data, "-o", data.parent / "evaluated"),
        ):
            assert message.startswith("E_DIMS: Case case1: ")
            assert "found 18 x 20 x 1 voxels" in message

    def test_mask_with_a_voxel_that_is_no_number(self, data: Path, recipe_text: str) -> None:
        self.change(data / "labels" / "case1.nii.gz", lambda values: np.where(values > 0, np.nan, 0))
        message = self.train(data, recipe_text)
        assert message.startswith("E_NAN: Case case1, mask: Voxels are not finite numbers")

    def test_mask_with_a_value_between_labels(self, data: Path, recipe_text: str, package: str) -> None:
        self.change(data / "labels" / "case1.nii.gz", lambda values: values / 2)
        for message in (
            self.train(data, recipe_text),
            self.refusal("evaluate", "segment", package, data, "-o", data.parent / "evaluated"),
        ):
            assert message.startswith("E_LABEL: Case case1: ")
            assert "found 0.5 in" in message

    def test_mask_that_is_text(self, data: Path, recipe_text: str) -> None:
        (data / "labels" / "case1.nii.gz").write_text("liver\n")
        assert self.train(data, recipe_text).startswith("E_HEADER: Case case1, mask: ")

    def test_recipe_of_more_classes_than_a_label_map_holds(self, data: Path, recipe_text: str) -> None:
        code = "{scheme: 99MEDPIPE, value: part, meaning: Part}"
        labels = "".join(
            f"  - {{value: {value}, name: part{value}, code: {code}}}\n" for value in range(1, 301)
        )
        lines = [line for line in recipe_text.splitlines() if not line.startswith("labels:")]
        message = self.train(data, "\n".join([*lines, "labels:", labels]))
        assert message.startswith("E_SETTINGS: recipe.yaml, line ")
        assert "hold 255 structures at most: merge some, or train two models" in message
        assert "found 256" in message

    def test_masks_of_more_classes_than_a_label_map_holds(self, data: Path) -> None:
        values = (np.arange(18 * 20 * 17) % 301).reshape(18, 20, 17).astype(np.int16)
        for path in (data / "labels").iterdir():
            nib.save(nib.Nifti1Image(values, np.eye(4)), path)
        message = self.refusal("train", "plan", data, "-o", data.parent / "plan.yaml", "--modality", "MR")
        assert message.startswith("E_LABEL: Case case0: ")
        assert "Number the labels from 1 to at most 255; more structures need two models" in message
