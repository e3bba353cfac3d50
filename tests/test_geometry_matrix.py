"""Every marker of the phantom is read where it was written: all orientations, orders, obliques and tilts."""

from pathlib import Path

import numpy as np
import pytest

from medpipe.core.affine import Array
from medpipe.core.volume import Volume
from medpipe.io.dicom.write import SeriesLabels, write_series
from medpipe.io.load import read_series
from medpipe.io.nifti import write_volume
from medpipe.io.series import Form
from medpipe.io.tree import index_tree
from medpipe.simulate.phantom import (
    PHANTOM_SHAPE,
    all_orientations,
    marker_errors_mm,
    marker_phantom,
    orientation_affine,
    random_oblique_affine,
    rotations,
    tilted_affine,
)

TOLERANCE_MM = 1e-3
NUMBERS = range(1, PHANTOM_SHAPE[2] + 1)
SHUFFLED = [int(number) for number in np.random.default_rng(0).permutation(NUMBERS)]


def read_only_image(folder: Path) -> Volume:
    ((series,),) = (study.series for study in index_tree((folder,)).studies)
    volume = read_series(series, form=Form.VOLUME)
    assert isinstance(volume, Volume)
    return volume


def largest_error_as_dicom(affine: Array, numbers: list[int], folder: Path) -> float:
    phantom = marker_phantom(affine)
    labels = SeriesLabels(seed="matrix", series_description="simulated phantom")
    write_series(phantom.volume, folder, labels=labels, instance_numbers=numbers)
    read = read_only_image(folder)
    return float(marker_errors_mm(read.array[0].numpy(), read.affine, phantom.markers).max())


@pytest.mark.parametrize("codes", all_orientations())
def test_nifti_of_every_orientation(codes: str, tmp_path: Path) -> None:
    phantom = marker_phantom(orientation_affine(codes))
    write_volume(tmp_path / "phantom.nii.gz", phantom.volume)
    read = read_only_image(tmp_path)
    assert read.grid.orientation == codes
    assert marker_errors_mm(read.array[0].numpy(), read.affine, phantom.markers).max() < TOLERANCE_MM


@pytest.mark.parametrize("codes", rotations())
@pytest.mark.parametrize(
    "numbers", [list(NUMBERS), list(reversed(NUMBERS)), SHUFFLED], ids=["up", "down", "mixed"]
)
def test_dicom_of_every_rotation(codes: str, numbers: list[int], tmp_path: Path) -> None:
    assert largest_error_as_dicom(orientation_affine(codes), numbers, tmp_path) < TOLERANCE_MM


@pytest.mark.parametrize("seed", range(8))
def test_random_oblique(seed: int, tmp_path: Path) -> None:
    assert largest_error_as_dicom(random_oblique_affine(seed), SHUFFLED, tmp_path) < TOLERANCE_MM


@pytest.mark.parametrize("degrees", [-30.0, -15.0, 15.0, 30.0])
def test_gantry_tilt(degrees: float, tmp_path: Path) -> None:
    affine = tilted_affine(degrees, pixel_mm=(10.0, 12.0), step_mm=7.0, origin=(60, 50, -70))
    assert largest_error_as_dicom(affine, SHUFFLED, tmp_path) < TOLERANCE_MM
