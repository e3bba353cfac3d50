"""A series that medpipe writes holds the same voxels at the same places for independent readers."""

import shutil
import subprocess
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.affine import LPS_FROM_RAS, Array, apply_affine
from medpipe.core.errors import ShapeError
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.io.dicom.uids import derive_uid
from medpipe.io.dicom.write import Rescale, SeriesLabels, series_datasets, slices_of, write_series

LABELS = SeriesLabels(seed="test", series_description="simulated arange")
SOURCE = Source(kind=SourceKind.MEMORY)
STRAIGHT = np.array([[-1.5, 0, 0, 30], [0, -0.75, 0, 20], [0, 0, 4.0, -10], [0, 0, 0, 1.0]])

lengths = st.floats(0.3, 8.0)


@st.composite
def rigid_affines(draw: st.DrawFn) -> Array:
    """Rotations by three angles, either handedness, any spacing."""
    x, y, z = (np.radians(draw(st.integers(-180, 180))) for _ in range(3))
    turn_x = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    turn_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    turn_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    affine = np.eye(4)
    affine[:3, :3] = np.array(turn_z) @ turn_y @ turn_x * [draw(lengths), draw(lengths), draw(lengths)]
    affine[:3, 2] *= draw(st.sampled_from([-1, 1]))
    affine[:3, 3] = [draw(st.floats(-500, 500)) for _ in range(3)]
    return affine


def arange_volume(affine: Array, modality: str = "CT") -> Volume:
    values = torch.arange(4 * 5 * 6, dtype=torch.float32).reshape(1, 4, 5, 6)
    return Volume(values, affine, modality, SOURCE)


def world_of_pixel(dataset: pydicom.Dataset, column: int, row: int) -> Array:
    """Equation C.7.6.2.1-1 of PS3.3, turned to RAS."""
    position = np.array(dataset.ImagePositionPatient, dtype=float)
    along_row, along_column = np.array(dataset.ImageOrientationPatient, dtype=float).reshape(2, 3)
    between_rows, between_columns = (float(value) for value in dataset.PixelSpacing)
    place = position + along_row * between_columns * column + along_column * between_rows * row
    return place @ LPS_FROM_RAS[:3, :3]


class TestGeometry:
    @given(affine=rigid_affines())
    def test_every_pixel_lies_where_the_affine_puts_its_voxel(self, affine: Array) -> None:
        volume = arange_volume(affine)
        for k, dataset in enumerate(series_datasets(volume, labels=LABELS)):
            hu = dataset.pixel_array.astype(float) * dataset.RescaleSlope + dataset.RescaleIntercept
            assert hu[2, 3] == volume.array[0, 3, 2, k]
            np.testing.assert_allclose(
                world_of_pixel(dataset, column=3, row=2), apply_affine(affine, [3, 2, k]), atol=1e-6
            )

    @given(affine=rigid_affines())
    def test_highdicom_reads_the_same_voxel_at_the_same_place(self, affine: Array) -> None:
        volume = arange_volume(affine)
        read = highdicom.get_volume_from_series(series_datasets(volume, labels=LABELS))
        ras = LPS_FROM_RAS @ read.affine  # of indices slice, row, column
        for voxel in ([0, 0, 0], [3, 1, 5], [1, 4, 2]):
            found = np.argwhere(read.array == float(volume.array[(0, *voxel)]))
            assert len(found) == 1
            np.testing.assert_allclose(apply_affine(ras, found[0]), apply_affine(affine, voxel), atol=1e-5)

    def test_tilt_is_stated_and_thickness_is_measured_along_the_normal(self) -> None:
        affine = STRAIGHT.copy()
        affine[:3, 2] = [0, 3.0, 4.0]  # 3 across, 4 along the normal: 5 mm at atan(3/4) = 36.87 degrees
        dataset = series_datasets(arange_volume(affine), labels=LABELS)[0]
        assert float(dataset.GantryDetectorTilt) == pytest.approx(36.8699, abs=1e-4)
        assert float(dataset.SliceThickness) == pytest.approx(4.0)
        assert float(dataset.SpacingBetweenSlices) == pytest.approx(4.0)

    def test_straight_scan_states_no_tilt(self) -> None:
        assert "GantryDetectorTilt" not in series_datasets(arange_volume(STRAIGHT), labels=LABELS)[0]

    def test_uneven_stack_keeps_each_position_and_states_no_spacing(self) -> None:
        even = slices_of(arange_volume(STRAIGHT))
        positions = even.positions_mm.copy()
        positions[:, 2] = [0, 4, 8, 15, 22, 29]
        stack = SliceStack(even.array, even.in_plane_mm, positions, np.full(6, np.nan), "CT", SOURCE)
        datasets = series_datasets(stack, labels=LABELS)
        assert [float(d.ImagePositionPatient[2]) for d in datasets] == [0, 4, 8, 15, 22, 29]
        assert "SpacingBetweenSlices" not in datasets[0]
        assert datasets[0].SliceThickness is None

    def test_skewed_pixels_are_refused(self) -> None:
        affine = STRAIGHT.copy()
        affine[:3, 1] = [-0.75, -0.75, 0]
        with pytest.raises(ShapeError, match=r"cosine of 0\.7071"):
            series_datasets(arange_volume(affine), labels=LABELS)


class TestValues:
    def test_hounsfield_units_survive(self) -> None:
        dataset = series_datasets(arange_volume(STRAIGHT), labels=LABELS)[2]
        assert (dataset.RescaleSlope, dataset.RescaleIntercept) == (1, -1024)
        # Slice 2 of an arange (4, 5, 6): voxel (i, j) holds 30 i + 6 j + 2; rows run along J.
        assert dataset.pixel_array[3, 1] - 1024 == 30 * 1 + 6 * 3 + 2

    def test_a_slope_keeps_fractions(self) -> None:
        volume = arange_volume(STRAIGHT, "MR")
        halves = volume.with_array(volume.array / 2)
        dataset = series_datasets(halves, labels=LABELS, rescale=Rescale(0.5))[0]
        assert float(dataset.RescaleSlope) == 0.5
        assert dataset.pixel_array[0, 1] * 0.5 == 15.0

    def test_values_beyond_16_bits_are_refused(self) -> None:
        volume = arange_volume(STRAIGHT)
        with pytest.raises(ShapeError, match="to 120024"):
            series_datasets(volume.with_array(volume.array * 1000), labels=LABELS)

    def test_nan_is_refused(self) -> None:
        volume = arange_volume(STRAIGHT)
        with pytest.raises(ShapeError, match="nan"):
            series_datasets(volume.with_array(volume.array * float("nan")), labels=LABELS)

    def test_other_modalities_are_refused(self) -> None:
        with pytest.raises(ShapeError, match="US with 1 channels"):
            series_datasets(arange_volume(STRAIGHT, "US"), labels=LABELS)


class TestIdentity:
    def test_same_seed_gives_the_same_bytes(self, tmp_path: Path) -> None:
        first = write_series(arange_volume(STRAIGHT), tmp_path / "a", labels=LABELS)
        second = write_series(arange_volume(STRAIGHT), tmp_path / "b", labels=LABELS)
        assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]

    def test_slices_share_their_series_and_differ_in_their_instance(self) -> None:
        datasets = series_datasets(arange_volume(STRAIGHT), labels=LABELS)
        assert len({d.SeriesInstanceUID for d in datasets}) == 1
        assert len({d.SOPInstanceUID for d in datasets}) == len(datasets)

    def test_series_of_one_seed_share_study_and_frame_of_reference(self) -> None:
        other = SeriesLabels(seed="test", series_description="simulated", series_number=2)
        first, second = (series_datasets(arange_volume(STRAIGHT), labels=x)[0] for x in (LABELS, other))
        assert first.StudyInstanceUID == second.StudyInstanceUID
        assert first.FrameOfReferenceUID == second.FrameOfReferenceUID
        assert first.SeriesInstanceUID != second.SeriesInstanceUID

    def test_instance_numbers_name_the_files(self, tmp_path: Path) -> None:
        numbers = [6, 2, 4, 1, 3, 5]
        paths = write_series(arange_volume(STRAIGHT), tmp_path, labels=LABELS, instance_numbers=numbers)
        assert [path.name for path in paths][:2] == ["IM0006.dcm", "IM0002.dcm"]
        assert [pydicom.dcmread(path).InstanceNumber for path in paths] == numbers

    @given(text=st.text(max_size=20), number=st.integers())
    def test_uids_are_valid_and_all_of_one_length(self, text: str, number: int) -> None:
        uid = pydicom.uid.UID(derive_uid(text, number))
        assert uid.is_valid
        assert len(uid) == 44


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_dciodvfy_finds_no_error(modality: str, tmp_path: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is absent (Debian package dicom3tools)")
    affine = STRAIGHT.copy()
    affine[1, 2] = 1.0  # sheared, so that the tilt is written too
    path = write_series(arange_volume(affine, modality), tmp_path, labels=LABELS)[3]
    report = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    assert f"{modality}Image" in report.stderr
    assert "Error" not in report.stderr
