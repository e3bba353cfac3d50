"""Small data sets of known content."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.data.cases import CaseSet, SegmentationCase
from medpipe.data.slice_store import PreparedStudy
from medpipe.data.studies import StudyCase
from medpipe.io.dicom.write import SeriesLabels, series_datasets
from medpipe.io.nifti import write_label_map, write_volume
from medpipe.simulate.small_ct import small_ct

SHAPE = (5, 6, 7)
AFFINE = np.array([[2.0, 0, 0, 10], [0, 3.0, 0, -20], [0, 0, 4.0, 30], [0, 0, 0, 1]])

WriteImage = Callable[..., Path]


@pytest.fixture
def write_image() -> WriteImage:
    """Write a ramp image, first value ``start``."""

    def write(path: Path, *, start: int = 0, affine: np.ndarray = AFFINE, shape: tuple = SHAPE) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        ramp = torch.arange(start, start + int(np.prod(shape)), dtype=torch.float32).reshape(1, *shape)
        write_volume(path, Volume(ramp, affine, "", Source(kind=SourceKind.MEMORY)))
        return path

    return write


@pytest.fixture
def write_mask() -> WriteImage:
    """Write a mask: value 1 at (1, 2, 3), value 2 at (2, 3, 4) and (3, 3, 4)."""

    def write(path: Path, *, affine: np.ndarray = AFFINE, shape: tuple = SHAPE) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        labels = np.zeros(shape, np.uint8)
        labels[1, 2, 3] = 1
        labels[2:4, 3, 4] = 2
        write_label_map(path, labels, affine)
        return path

    return write


@pytest.fixture
def folder_of_cases(tmp_path: Path, write_image: WriteImage, write_mask: WriteImage) -> Path:
    """Return a folder with three cases ``c0`` to ``c2`` whose images begin at 0, 1000 and 2000."""
    for number in range(3):
        write_image(tmp_path / "imagesTr" / f"c{number}.nii.gz", start=1000 * number)
        write_mask(tmp_path / "labelsTr" / f"c{number}.nii.gz")
    return tmp_path


@pytest.fixture
def make_case_set() -> Callable[..., CaseSet]:
    """Build a data set without files from ids, patients and facts."""

    def make(ids: list[str], patients: list[str] | None = None, **columns: list) -> CaseSet:
        return CaseSet(
            "toy",
            tuple(
                SegmentationCase(
                    id=case_id,
                    images={"image": Path(f"/nowhere/{case_id}.nii")},
                    patient=patients[index] if patients else "",
                    facts={name: values[index] for name, values in columns.items()},
                )
                for index, case_id in enumerate(ids)
            ),
        )

    return make


@pytest.fixture
def write_head() -> Callable[..., list[str]]:
    """Write a small simulated CT as DICOM, slices named by ``names`` or numbered; return their UIDs."""

    def write(
        folder: Path,
        *,
        seed: str = "a",
        number: int = 1,
        num_slices: int = 4,
        names: Sequence[str] = (),
        **header: str | float,
    ) -> list[str]:
        folder.mkdir(parents=True, exist_ok=True)
        labels = SeriesLabels(
            seed=seed, series_description="simulated", patient_id=f"SIM-{seed}", series_number=number
        )
        datasets = series_datasets(small_ct(num_slices=num_slices, size=8), labels=labels)
        # Files are not in the order of their slices.
        for index in reversed(range(num_slices)):
            dataset = datasets[index]
            if names:
                dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = names[index]
            for keyword, value in header.items():
                setattr(dataset, keyword, value)
            file_name = names[index] if names else f"s{number}-{num_slices - index:03}"
            dataset.save_as(folder / f"{file_name}.dcm", enforce_file_format=True)
        return [dataset.SOPInstanceUID for dataset in datasets]

    return write


class Ramps:
    """Prepares studies without files: study sN has N + 2 slices, 5 mm apart, of the values 100 N + slice."""

    def __init__(self) -> None:
        self.prepared: list[str] = []

    def __call__(self, case: StudyCase) -> PreparedStudy:
        self.prepared.append(case.id)
        number = int(case.id.removeprefix("s"))
        values = np.arange(number + 2, dtype=np.int16) + 100 * number
        gaps_mm = np.full(number + 2, 5.0, dtype=np.float32)
        gaps_mm[0] = 0.0
        slices = np.broadcast_to(values[:, None, None], (number + 2, 3, 4))
        return PreparedStudy(slices, gaps_mm, tuple(map(str, range(number + 2))), (0.0, number + 80.0))


@pytest.fixture
def ramps() -> Ramps:
    return Ramps()
