"""Small studies differ in their identifiers and in nothing else."""

from pathlib import Path

import pydicom

from medpipe.simulate.faults.catalogue import ALL_FAULTS
from medpipe.simulate.studies import write_small_studies, write_small_study


def test_two_seeds_share_pixels_and_no_identifier(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_small_study(tmp_path / str(seed), seed, num_slices=3, size=16)
    first, second = (pydicom.dcmread(tmp_path / seed / "IM0002.dcm") for seed in ("1", "2"))
    changed = {element.keyword for element in first if element != second[element.tag]}
    assert changed == {
        "SOPInstanceUID",
        "PatientID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "FrameOfReferenceUID",
    }
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID


def test_slices_of_one_study_share_its_series(tmp_path: Path) -> None:
    write_small_study(tmp_path, 7, num_slices=4, size=16)
    datasets = [pydicom.dcmread(path) for path in sorted(tmp_path.iterdir())]
    assert len({d.SeriesInstanceUID for d in datasets}) == 1
    assert len({d.SOPInstanceUID for d in datasets}) == 4


def test_broken_studies_are_spread_and_each_is_its_own(tmp_path: Path) -> None:
    fault = ALL_FAULTS["slice_missing"]
    folders = write_small_studies(tmp_path, 8, num_slices=5, size=16, broken=(fault, fault))
    counts = [len(list(folder.iterdir())) for folder in folders]
    assert counts == [5, 5, 11, 5, 5, 11, 5, 5]
    uids = {pydicom.dcmread(folder / "IM0001.dcm").StudyInstanceUID for folder in folders}
    assert len(uids) == 8
