"""Reading cases: channels and mask on one grid, faults named by case."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, ShapeError
from medpipe.data.cases import SegmentationCase
from medpipe.data.decathlon import read_decathlon
from medpipe.data.reading import find_faults, read_case, read_labelled
from medpipe.io.nifti import read_label_map, write_label_map

AFFINE = np.array([[2.0, 0, 0, 10], [0, 3.0, 0, -20], [0, 0, 4.0, 30], [0, 0, 0, 1]])
SHIFTED = np.array([[2.0, 0, 0, 99], [0, 3.0, 0, -20], [0, 0, 4.0, 30], [0, 0, 0, 1]])

Write = Callable[..., Path]


def test_image_and_mask_are_read_on_their_grid(folder_of_cases: Path) -> None:
    images = read_case(read_decathlon(folder_of_cases).cases[1])
    volume = images.volumes["image"]
    assert volume.array.flatten()[0] == 1000
    assert volume.grid.spacing == (2.0, 3.0, 4.0)
    assert images.label_map is not None
    assert images.label_map[1, 2, 3] == 1
    assert images.label_map[3, 3, 4] == 2


def test_channels_are_stacked_in_their_order(tmp_path: Path, write_image: Write, write_mask: Write) -> None:
    images = {
        "t2": write_image(tmp_path / "t2.nii.gz", start=7),
        "t1": write_image(tmp_path / "t1.nii.gz", start=500),
    }
    labelled = read_labelled(SegmentationCase("c", images, write_mask(tmp_path / "m.nii.gz")))
    assert labelled.image[:, 0, 0, 0].tolist() == [7.0, 500.0]
    assert labelled.image.dtype == torch.float32
    assert labelled.label_map.shape == labelled.image.shape[1:]
    assert labelled.spacing_mm == (2.0, 3.0, 4.0)


def test_case_without_mask_has_no_label_map(tmp_path: Path, write_image: Write) -> None:
    case = SegmentationCase("c", {"image": write_image(tmp_path / "i.nii.gz")})
    assert read_case(case).label_map is None
    with pytest.raises(ShapeError, match="needs a mask"):
        read_labelled(case)


def test_mask_with_other_axes_is_turned_to_its_image(
    tmp_path: Path, write_image: Write, write_mask: Write
) -> None:
    image, mask = write_image(tmp_path / "i.nii.gz"), write_mask(tmp_path / "m.nii.gz")
    # The same voxels stored from the right: i runs from 4 down to 0, the first voxel lies at 10 + 4 * 2.
    flipped = AFFINE @ np.array([[-1.0, 0, 0, 4], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    labels = read_label_map(mask)
    write_label_map(mask, labels[::-1], flipped)
    found = read_case(SegmentationCase("c", {"image": image}, mask)).label_map
    np.testing.assert_array_equal(found, labels)


def test_dicom_series_takes_a_nifti_mask(shared_data: Path) -> None:
    folder = shared_data / "body_ct_mr"
    case = SegmentationCase("c", {"ct": folder / "example_ct_dicom"}, folder / "example_seg_dicom.nii.gz")
    images = read_case(case)
    assert images.volumes["ct"].modality == "CT"
    assert images.label_map is not None
    # Spleen, kidneys, liver, lungs and bones are denser than the background, most of which is air.
    labelled = torch.from_numpy(images.label_map > 0)
    assert images.volumes["ct"].array[0][labelled].mean() > images.volumes["ct"].array[0][~labelled].mean()


class TestFaults:
    def refused(self, case: SegmentationCase, **options: object) -> RefusedError:
        with pytest.raises(RefusedError) as caught:
            read_case(case, **options)
        return caught.value

    @pytest.fixture
    def case(self, tmp_path: Path, write_image: Write, write_mask: Write) -> SegmentationCase:
        image, mask = write_image(tmp_path / "i.nii.gz"), write_mask(tmp_path / "m.nii.gz")
        return SegmentationCase("c7", {"image": image}, mask)

    def test_mask_elsewhere_is_refused(self, case: SegmentationCase, write_mask: Write) -> None:
        write_mask(case.mask, affine=SHIFTED)
        error = self.refused(case)
        assert error.code is Code.E_GRID
        assert "Case c7: image and mask lie on different grids" in str(error)
        assert "corners up to 89 mm apart" in error.found

    def test_unknown_label_is_refused(self, case: SegmentationCase) -> None:
        error = self.refused(case, known_labels=(1,))
        assert error.code is Code.E_LABEL
        assert str(error).startswith("Case c7: ")
        assert error.found == "2 in 2 voxels"

    def test_cut_file_is_refused_with_the_reader_s_code(self, case: SegmentationCase) -> None:
        path = case.images["image"]
        path.write_bytes(path.read_bytes()[:-40])
        error = self.refused(case)
        assert error.code in (Code.E_CHECKSUM, Code.E_TRUNCATED)
        assert error.what.startswith("Case c7, image: ")

    @pytest.mark.parametrize("which", ["image", "mask"])
    def test_file_that_vanished_is_refused(self, case: SegmentationCase, which: str) -> None:
        (case.images["image"] if which == "image" else case.mask).unlink()
        error = self.refused(case)
        assert error.code in (Code.E_NO_INPUT, Code.E_UNREADABLE)
        assert error.what.startswith(f"Case c7, {which}: ")

    def test_text_is_no_image(self, case: SegmentationCase) -> None:
        case.images["image"].write_text("text")
        assert self.refused(case).what.startswith("Case c7, image: ")

    def test_faults_of_a_set_are_found_together(self, folder_of_cases: Path) -> None:
        cases = read_decathlon(folder_of_cases).cases
        (folder_of_cases / "imagesTr/c2.nii.gz").write_bytes(b"")
        faults = find_faults(cases, read_case)
        assert list(faults) == ["c2"]
        assert "Case c2, image" in str(faults["c2"])
