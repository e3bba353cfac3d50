"""Small simulated studies to learn from: a bright spot in some of the slices, or none."""

import csv
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from medpipe.training.card import PackageFacts
from medpipe.training.classification.reading import read_studies
from medpipe.training.classification.recipe import ClassificationRecipe
from medpipe.training.classification.workflow import train_classification
from medpipe.training.result import TrainingResult

RECIPE = """
name: spots
task: classification
labels:
  - {name: spot, code: {scheme: 99MEDPIPE, value: spot, meaning: Spot}}
  - {name: edge, code: {scheme: 99MEDPIPE, value: edge, meaning: Edge}, by_slice: false}
scores:
  - {kind: regression, name: brightness, code: {scheme: 99MEDPIPE, value: brightness, meaning: Brightness}}
preprocessing:
  modality: CT
  pixel_mm: 2
  shape: [32, 32]
  fill: 0
  slab_mm: 3
  channels: [{name: all, intensity: {kind: window, low_hu: 0, high_hu: 100}}]
network: {name: slice-aggregator, arguments: {encoder: resnet10t, features: 8, hidden: 4, neighbours: 3}}
augmentation: {reverse: 0.5, drop: 0.5, mirror: 0.5, fill: 0}
stages:
  - {train: slices, epochs: 1, batch_slices: 16, positive_share: 0.5}
  - {train: aggregator, epochs: 2, batch_slices: 24}
  - {train: whole, epochs: 1, batch_slices: 24}
"""
NUM_STUDIES = 16
FACTS = PackageFacts(
    version="0.1.0",
    data="Simulated spots.",
    data_licence="CC0-1.0",
    licence="Apache-2.0",
    limits="Simulated.",
    command="medpipe train classify",
)


@dataclass(frozen=True)
class SpotStudies:
    """Files of a data set of simulated studies."""

    table: Path
    slices: Path


def write_spots(folder: Path) -> SpotStudies:
    """Write studies of 5 to 9 slices; every other has a spot in its slices 2 and 3."""
    rng = np.random.default_rng(0)
    studies, slices = [], []
    for number in range(NUM_STUDIES):
        name, count, has_spot = f"study-{number:02d}", 5 + number % 5, number % 2
        image = rng.normal(20, 3, size=(40, 36, count))
        brightness = 60 + number
        if has_spot:
            image[18:24, 14:20, 2:4] = brightness
        affine = np.diag([-2.0, -2.0, 4.0, 1.0])
        nib.save(nib.Nifti1Image(image.round().astype(np.int16), affine), folder / f"{name}.nii.gz")
        seen = brightness if has_spot else ""
        studies.append((name, f"{name}.nii.gz", f"p{number // 2}", has_spot, number % 2, seen))
        slices += [(name, index, int(has_spot and index in (2, 3))) for index in range(count)]
    table, slice_table = folder / "studies.csv", folder / "slices.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "image", "patient", "spot", "edge", "brightness"), *studies])
    with slice_table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "slice", "spot"), *slices])
    return SpotStudies(table, slice_table)


@pytest.fixture(scope="session")
def spot_studies(tmp_path_factory: pytest.TempPathFactory) -> SpotStudies:
    return write_spots(tmp_path_factory.mktemp("spots"))


@pytest.fixture(scope="session")
def recipe() -> ClassificationRecipe:
    return ClassificationRecipe.model_validate(yaml.safe_load(RECIPE))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained") / "spots"


@pytest.fixture(scope="session")
def trained(spot_studies: SpotStudies, recipe: ClassificationRecipe, folder: Path) -> TrainingResult:
    study_set = read_studies(spot_studies.table, recipe, slices=spot_studies.slices)
    return train_classification(recipe, study_set, folder, FACTS, validation=0.65)
