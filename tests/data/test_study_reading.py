"""Reading studies: physical order, keys of slices, and which series it is."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.data.studies import StudyCase
from medpipe.data.study_reading import joined_keys, read_study
from medpipe.simulate.small_ct import small_ct

WriteHead = Callable[..., list[str]]


def numbered(uids: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{uid}|{number}" for number, uid in enumerate(uids))


def test_dicom_slices_ascend_and_are_named_by_their_uids(tmp_path: Path, write_head: WriteHead) -> None:
    uids = write_head(tmp_path / "scan")
    stack, keys = read_study(StudyCase("s1", tmp_path / "scan"))
    assert keys == numbered(uids)
    np.testing.assert_allclose(stack.gaps_mm, [5.0, 5.0, 5.0])
    assert (np.diff(stack.positions_mm[:, 2]) > 0).all()
    np.testing.assert_allclose(stack.array[:, 0].permute(1, 2, 0), small_ct(num_slices=4, size=8).array[0])


def test_nifti_slices_are_numbered_from_the_lowest(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    downwards = np.diag([2.0, 3.0, -4.0, 1.0])  # det < 0: the first slice of the file is the highest
    path = write_image(tmp_path / "a.nii.gz", affine=downwards)
    stack, keys = read_study(StudyCase("s1", path))
    assert keys == ("0", "1", "2", "3", "4", "5", "6")
    assert stack.array[:, 0, 0, 0].tolist() == [6, 5, 4, 3, 2, 1, 0]
    np.testing.assert_allclose(stack.gaps_mm, [4.0] * 6)


def test_named_files_are_read_alone(tmp_path: Path, write_head: WriteHead) -> None:
    write_head(tmp_path, number=1)
    uids = write_head(tmp_path, number=2, num_slices=3)
    files = tuple(path.name for path in tmp_path.glob("s2-*"))
    assert set(read_study(StudyCase("s1", tmp_path, files=files)).keys) == set(numbered(uids))


def test_localiser_beside_the_series_is_set_aside(tmp_path: Path, write_head: WriteHead) -> None:
    uids = write_head(tmp_path, number=1)
    write_head(tmp_path, number=2, num_slices=2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert read_study(StudyCase("s1", tmp_path)).keys == numbered(uids)


def test_several_series_are_ambiguous(tmp_path: Path, write_head: WriteHead) -> None:
    write_head(tmp_path, number=1)
    write_head(tmp_path, number=2, num_slices=5)
    words = (
        "Case s1: A study to learn from takes one series of slices: found CT of [45] slices, CT of [45] sl"
    )
    with pytest.raises(RefusedError, match=words) as caught:
        read_study(StudyCase("s1", tmp_path))
    assert caught.value.code is Code.E_AMBIGUOUS


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("nothing")
    with pytest.raises(RefusedError, match=r"Case s1: .*found none") as caught:
        read_study(StudyCase("s1", tmp_path))
    assert caught.value.code is Code.E_NO_MATCH


def test_real_slices_are_named_along_their_normal(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "dicom2nifti" / "generic" / "compressed" / "001"
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in folder.iterdir()]
    row, column = np.reshape(headers[0].ImageOrientationPatient, (2, 3)).astype(float)
    height = np.cross(row, column)
    in_order = sorted(headers, key=lambda header: np.dot(height, header.ImagePositionPatient))
    assert read_study(StudyCase("s1", folder)).keys == numbered(
        [header.SOPInstanceUID for header in in_order]
    )
    assert len(in_order) == 4


def test_real_slices_without_uids_are_numbered(shared_data: Path) -> None:
    study = read_study(StudyCase("s1", shared_data / "body_ct_mr" / "example_ct_dicom"))
    assert study.keys == tuple(map(str, range(20)))


def test_missing_source_is_refused_with_the_case(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="Case s1: There is nothing to read"):
        read_study(StudyCase("s1", tmp_path / "gone"))


def test_damaged_file_is_refused_with_the_case(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"")
    with pytest.raises(RefusedError, match="Case s1: The file holds no bytes"):
        read_study(StudyCase("s1", tmp_path / "a.nii.gz"))


def test_slabs_have_the_names_of_all_their_slices() -> None:
    assert joined_keys(("a|0", "b|1", "c|2"), [1, 0, 0]) == ("b|1|c|2", "a|0")
