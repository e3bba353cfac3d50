"""The sample tree holds what its folders say."""

import csv
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medpipe.simulate.faults.catalogue import ALL_FAULTS
from medpipe.simulate.radiograph import chest_radiograph
from medpipe.simulate.sample import KEPT_OUT, SAMPLE_FAULTS, SampleEntry, write_sample

FEW_MEGABYTES = 20e6


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[SampleEntry]:
    return write_sample(tmp_path_factory.mktemp("sample"), many=2, head_cts=1, ward=2)


@pytest.mark.slow
class TestSample:
    def test_it_is_small(self, entries: list[SampleEntry]) -> None:
        files = [path for path in entries[0].folder.parent.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < FEW_MEGABYTES

    def test_simulated_images_say_so(self, entries: list[SampleEntry]) -> None:
        for entry in entries:
            if "simulated" in entry.folder.name:
                for path in entry.folder.rglob("*.dcm"):
                    assert "simulated" in pydicom.dcmread(path).SeriesDescription

    def test_a_handful_of_faults_is_written(self, entries: list[SampleEntry]) -> None:
        (faults,) = (entry for entry in entries if entry.folder.name == "07-faults")
        assert len(os.listdir(faults.folder)) == len(SAMPLE_FAULTS)

    def test_every_folder_of_dicom_files_is_a_study_of_its_own(self, entries: list[SampleEntry]) -> None:
        studies: dict[str, set[Path]] = {}
        for entry in entries:
            for path in entry.folder.rglob("IM0002.dcm"):
                studies.setdefault(pydicom.dcmread(path).StudyInstanceUID, set()).add(path.parent)
        assert len(studies) >= 5
        assert all(len(folders) == 1 for folders in studies.values())

    def test_many_are_written_on_request(self, entries: list[SampleEntry]) -> None:
        (many,) = (entry for entry in entries if entry.folder.name == "08-many-small-studies")
        assert len(os.listdir(many.folder)) == 2

    def test_head_cts_are_a_data_set_of_their_own(self, entries: list[SampleEntry]) -> None:
        (folder,) = (entry.folder for entry in entries if entry.folder.name == "10-simulated-head-cts")
        with (folder / "studies.csv").open(newline="") as stream:
            (row,) = csv.DictReader(stream)
        assert len(os.listdir(folder / row["image"])) == int(row["num_slices"])

    def test_stays_in_the_ward_are_a_data_set_of_their_own(self, entries: list[SampleEntry]) -> None:
        folder = entries[-1].folder
        assert folder.name == "11-simulated-ward"
        with (folder / "stays.csv").open(newline="") as stream:
            assert [row["patient"] for row in csv.DictReader(stream)] == ["ward-000000", "ward-000001"]

    def test_every_fault_is_written_on_request_and_again(self, tmp_path: Path) -> None:
        for _ in range(2):
            faults = write_sample(tmp_path, faults=True)[-1]
        assert len(os.listdir(faults.folder)) == len(ALL_FAULTS) - len(KEPT_OUT)


def test_radiograph_has_dark_lungs_and_its_heart_on_the_left_of_the_body() -> None:
    picture = chest_radiograph()
    lung, mediastinum, outside = picture[200, 110], picture[200, 224], picture[10, 5]
    assert outside < lung < mediastinum
    below_hilum = picture[320].astype(float)
    # The picture's right half is the left of the body.
    assert below_hilum[224:].mean() > below_hilum[:224].mean() + 10


def test_radiograph_follows_its_seed() -> None:
    np.testing.assert_array_equal(chest_radiograph(seed=3), chest_radiograph(seed=3))
    assert (chest_radiograph(seed=3) != chest_radiograph(seed=4)).any()
