"""Faults of a DICOM series: order, spacing, tilt, mixtures (rows of table B.1, C.4 rows 34 to 36)."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Final

import numpy as np
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.io.dicom.uids import derive_uid
from medpipe.io.dicom.write import SeriesLabels, series_datasets
from medpipe.simulate.faults.registry import done, flagged, refused
from medpipe.simulate.phantom import tilted_affine
from medpipe.simulate.small_ct import small_ct

NUM_SLICES: Final = 12
SIZE: Final = 32

_SHUFFLED: Final = (7, 2, 11, 5, 1, 9, 12, 3, 8, 4, 10, 6)


def good_datasets(
    seed: str, *, description: str, number: int = 1, affine: Array | None = None
) -> list[Dataset]:
    """Return the slices of a small simulated CT series without any fault, for a fault to be put into."""
    labels = SeriesLabels(
        seed=seed,
        series_description=f"simulated, {description}",
        series_number=number,
        patient_name="SIM^FAULT",
        patient_id="SIM-FAULT",
    )
    return series_datasets(small_ct(num_slices=NUM_SLICES, size=SIZE, affine=affine), labels=labels)


def save_all(datasets: Iterable[Dataset], folder: Path, *, prefix: str = "IM") -> None:
    """Write data sets as they are, named by their order."""
    for index, dataset in enumerate(datasets, start=1):
        dataset.save_as(folder / f"{prefix}{index:04d}.dcm", enforce_file_format=True)


@done()
def instance_numbers_shuffled(folder: Path, seed: str) -> None:
    """The instance numbers follow no order in space."""
    datasets = good_datasets(seed, description="shuffled instance numbers")
    for dataset, number in zip(datasets, _SHUFFLED, strict=True):
        dataset.InstanceNumber = number
    save_all(sorted(datasets, key=lambda dataset: int(dataset.InstanceNumber)), folder)


@done()
def instance_numbers_equal(folder: Path, seed: str) -> None:
    """Every slice has the same instance number."""
    datasets = good_datasets(seed, description="equal instance numbers")
    for dataset in datasets:
        dataset.InstanceNumber = 1
    save_all(reversed(datasets), folder)


@refused(Code.E_GAP, slices_flag=Code.W_GAP)
def slice_missing(folder: Path, seed: str) -> None:
    """One slice is missing."""
    datasets = good_datasets(seed, description="slice 6 missing")
    save_all(datasets[:5] + datasets[6:], folder)


@flagged(Code.W_DUPLICATE)
def slice_twice(folder: Path, seed: str) -> None:
    """One slice was sent twice."""
    datasets = good_datasets(seed, description="slice 4 twice")
    save_all([*datasets, _copy_of(datasets[3])], folder)


@refused(Code.E_DUPLICATE)
def slice_twice_differing(folder: Path, seed: str) -> None:
    """Two different slices share a position."""
    datasets = good_datasets(seed, description="two slices at one position")
    copy = _copy_of(datasets[3])
    copy.PixelData = datasets[8].PixelData
    save_all([*datasets, copy], folder)


@flagged(Code.W_TILT)
def gantry_tilt(folder: Path, seed: str) -> None:
    """The gantry was tilted by 15 degrees."""
    save_all(good_datasets(seed, description="gantry tilt 15 degrees", affine=tilted(15.0)), folder)


@refused(Code.E_TILT)
def gantry_tilt_beyond_limit(folder: Path, seed: str) -> None:
    """Slices are sheared by 35 degrees, more than any gantry tilts."""
    save_all(good_datasets(seed, description="tilt 35 degrees", affine=tilted(35.0)), folder)


@refused(Code.E_SPACING, slices_flag=Code.W_SPACING)
def spacing_variable(folder: Path, seed: str) -> None:
    """Slice spacing changes from 4 mm to 7 mm."""
    datasets = good_datasets(seed, description="4 mm slices, then 7 mm")
    _move(datasets, [0, 4, 8, 12, 16, 20, 27, 34, 41, 48, 55, 62])
    save_all(datasets, folder)


@flagged(Code.W_SPACING)
def spacing_uneven(folder: Path, seed: str) -> None:
    """Slice spacing is uneven by 5 %."""
    datasets = good_datasets(seed, description="spacing uneven by 5 %")
    # Every other slice lies 0.125 mm too high: gaps alternate between 5.125 and 4.875 mm.
    _move(datasets, [5.0 * index + 0.125 * (index % 2) for index in range(NUM_SLICES)])
    save_all(datasets, folder)


@done(num_images=2)
def two_series(folder: Path, seed: str) -> None:
    """A folder holds two series of one study."""
    for number in (1, 2):
        datasets = good_datasets(seed, description=f"series {number} of two", number=number)
        save_all(datasets, folder, prefix=f"S{number}IM")


@done(num_images=2)
def localizer_inside(folder: Path, seed: str) -> None:
    """A localizer lies among the slices."""
    datasets = good_datasets(seed, description="localizer inside")
    localizer = _copy_of(datasets[0])
    localizer.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    localizer.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    localizer.InstanceNumber = 0
    save_all([localizer, *datasets], folder)


@done(num_images=2)
def derived_beside(folder: Path, seed: str) -> None:
    """A derived series lies beside the original."""
    save_all(good_datasets(seed, description="original"), folder)
    derived = good_datasets(seed, description="derived", number=2)
    for dataset in derived:
        dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    save_all(derived, folder, prefix="DERIVED")


@done(num_images=2)
def rows_mixed(folder: Path, seed: str) -> None:
    """Slices of two sizes share a series."""
    datasets = good_datasets(seed, description="mixed rows")
    for dataset in datasets[NUM_SLICES // 2 :]:
        dataset.Rows = SIZE // 2
        dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]
    save_all(datasets, folder)


@flagged(Code.W_INVERTED)
def monochrome1_ct(folder: Path, seed: str) -> None:
    """A CT states MONOCHROME1, which does not change its Hounsfield units."""
    _save_with(folder, seed, "MONOCHROME1", {"PhotometricInterpretation": "MONOCHROME1"})


@done()
def slope_per_slice(folder: Path, seed: str) -> None:
    """Every slice has a rescale slope of its own."""
    datasets = good_datasets(seed, description="a slope per slice")
    for index, dataset in enumerate(datasets):
        slope = 1 + index % 2
        stored = np.frombuffer(dataset.PixelData, dtype="<i2")
        dataset.PixelData = (stored // slope).astype("<i2").tobytes()
        dataset.RescaleSlope = slope
    save_all(datasets, folder)


@refused(Code.E_POSITION)
def position_missing(folder: Path, seed: str) -> None:
    """Slices state no position."""
    datasets = good_datasets(seed, description="no position")
    for dataset in datasets:
        del dataset.ImagePositionPatient
    save_all(datasets, folder)


@refused(Code.E_PIXEL_SPACING)
def pixel_spacing_zero(folder: Path, seed: str) -> None:
    """Pixel spacing is zero."""
    _save_with(folder, seed, "pixel spacing 0", {"PixelSpacing": [0, 0]})


@refused(Code.E_ORIENTATION)
def orientation_zero(folder: Path, seed: str) -> None:
    """The orientation vectors are zero."""
    _save_with(folder, seed, "orientation 0", {"ImageOrientationPatient": [0] * 6})


@refused(Code.E_ORIENTATION)
def orientation_skewed(folder: Path, seed: str) -> None:
    """Rows and columns are not perpendicular."""
    _save_with(folder, seed, "skewed orientation", {"ImageOrientationPatient": [1, 0, 0, 0.6, 0.8, 0]})


@refused(Code.E_RESCALE)
def slope_zero(folder: Path, seed: str) -> None:
    """The rescale slope is zero."""
    _save_with(folder, seed, "slope 0", {"RescaleSlope": 0})


@refused(Code.E_RESCALE)
def slope_nan(folder: Path, seed: str) -> None:
    """The rescale slope is not a number."""
    with disable_value_validation():  # pydicom knows that it is no number
        _save_with(folder, seed, "slope NaN", {"RescaleSlope": "NaN"})


def _save_with(folder: Path, seed: str, description: str, attributes: Mapping[str, object]) -> None:
    datasets = good_datasets(seed, description=description)
    for dataset in datasets:
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
    save_all(datasets, folder)


def _copy_of(dataset: Dataset) -> Dataset:
    """Return the slice as an instance of its own."""
    copy = deepcopy(dataset)
    copy.SOPInstanceUID = derive_uid(dataset.SOPInstanceUID, "copy")
    copy.file_meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
    return copy


def _move(datasets: list[Dataset], offsets_mm: Sequence[float]) -> None:
    """Put axial slices at these distances above the first."""
    x, y, z = datasets[0].ImagePositionPatient
    for dataset, offset in zip(datasets, offsets_mm, strict=True):
        dataset.ImagePositionPatient = [x, y, float(z) + float(offset)]
        dataset.pop("SpacingBetweenSlices")


def tilted(degrees: float) -> Array:
    """Return the grid of the small CT under gantry tilt."""
    return tilted_affine(degrees, pixel_mm=(6.0, 6.0), step_mm=5.0, origin=(95.0, 80.0, -40.0))
