"""Small simulated cases to learn from."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from medpipe.data.cases import SegmentationCase
from medpipe.data.decathlon import read_decathlon
from medpipe.training.card import PackageFacts
from medpipe.training.result import TrainingResult
from medpipe.training.segmentation.recipe import TrainingRecipe, read_recipe
from medpipe.training.segmentation.workflow import train_segmentation

RECIPE = """
name: blob
labels: [{value: 1, name: blob, code: {scheme: 99MEDPIPE, value: blob, meaning: Blob}}]
preprocessing:
  channels: [{name: image, modality: MR, intensity: {kind: zscore}}]
  patch_shape: [16, 16, 16]
  multiple_of: 4
network: {arguments: {channels: [4, 8, 8]}}
sampling: {augmentation: mr}
optimiser: {learning_rate: 0.01, ema_decay: 0.9}
schedule: {steps: 6, steps_per_epoch: 2, batch_size: 2, validate_every: 1, precision: fp32}
"""


@pytest.fixture
def recipe_text() -> str:
    return RECIPE


@pytest.fixture
def make_recipe():  # type: ignore[no-untyped-def]
    """Return a builder of the recipe with another schedule."""

    def make(**schedule: object) -> TrainingRecipe:
        data = yaml.safe_load(RECIPE)
        data["schedule"].update(schedule)
        return TrainingRecipe.model_validate(data)

    return make


@pytest.fixture(scope="session")
def blob_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set of bright balls in noise, called simulated: ``images/`` and ``labels/``."""
    folder = tmp_path_factory.mktemp("blobs")
    rng = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(*[np.arange(size) for size in (18, 20, 17)], indexing="ij"))
    for number in range(6):
        centre = rng.uniform(6, 11, 3)
        mask = (np.linalg.norm(grid - centre[:, None, None, None], axis=0) < 4).astype(np.uint8)
        image = (rng.normal(0, 20, mask.shape) + 100 * mask + 100).astype(np.float32)
        for name, values in (("images", image), ("labels", mask)):
            (folder / name).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(values, np.eye(4)), folder / name / f"case{number}.nii.gz")
    return folder


@pytest.fixture(scope="session")
def cases(blob_folder: Path) -> tuple[SegmentationCase, ...]:
    return tuple(
        SegmentationCase(
            f"case{number}",
            {"image": blob_folder / "images" / f"case{number}.nii.gz"},
            blob_folder / "labels" / f"case{number}.nii.gz",
        )
        for number in range(4)
    )


@pytest.fixture(scope="session")
def trained(blob_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingResult, Path]:
    """Return a network that finds the balls, and its training folder."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "blob.yaml").write_text(RECIPE)
    recipe = read_recipe(
        folder / "blob.yaml",
        overrides=("schedule.steps=80", "schedule.steps_per_epoch=20", "schedule.validate_every=4"),
    )
    facts = PackageFacts("0.1.0", "Simulated blobs.", "CC0", "CC0-1.0", "Simulated data only.", "pytest")
    case_set = read_decathlon(blob_folder)
    return train_segmentation(recipe, case_set, folder / "out", facts, validation=0.34), folder / "out"
