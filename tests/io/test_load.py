"""One door for every format: an indexed image is read into the form that was asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.planar import Planar
from medpipe.core.slice_stack import SliceStack
from medpipe.core.volume import Volume
from medpipe.io.dicom.write import SeriesLabels, write_series
from medpipe.io.load import read_series
from medpipe.io.nifti import write_volume
from medpipe.io.series import Form, Series
from medpipe.io.tree import index_tree
from medpipe.simulate.small_ct import small_ct


def indexed(path: Path) -> Series:
    ((series,),) = [study.series for study in index_tree([path]).studies]
    return series


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_slices_of_a_nifti_lie_where_its_voxels_do(tmp_path: Path, sign: float) -> None:
    affine = np.diag([2.0, 3.0, sign * 4.0, 1.0])
    affine[:3, 3] = 10, 20, 30
    volume = small_ct(num_slices=5, size=6, affine=affine)
    write_volume(tmp_path / "a.nii.gz", volume)
    stack = read_series(indexed(tmp_path / "a.nii.gz"), form=Form.SLICES)
    assert isinstance(stack, SliceStack)
    assert (stack.positions_mm @ stack.normal).tolist() == sorted(stack.positions_mm @ stack.normal)
    last = int(np.argmin(np.abs(stack.positions_mm[:, 2] - volume.grid.to_world_mm([0, 0, 4])[2])))
    torch.testing.assert_close(stack.array[last, 0], volume.array[0, :, :, 4])


def test_every_kind_is_read(tmp_path: Path) -> None:
    volume = small_ct(num_slices=3, size=8)
    write_volume(tmp_path / "a.nii.gz", volume)
    labels = SeriesLabels(seed="a", series_description="simulated", patient_name="SIM", patient_id="1")
    write_series(volume, tmp_path / "dicom", labels=labels)
    Image.new("L", (5, 4)).save(tmp_path / "b.png")
    from_nifti = read_series(indexed(tmp_path / "a.nii.gz"), form=Form.VOLUME)
    from_dicom = read_series(indexed(tmp_path / "dicom"), form=Form.VOLUME)
    from_picture = read_series(indexed(tmp_path / "b.png"), form=Form.PLANAR)
    assert isinstance(from_nifti, Volume)
    assert isinstance(from_dicom, Volume)
    assert isinstance(from_picture, Planar)
    assert from_nifti.grid.matches(volume.grid)
    assert from_dicom.grid.matches(volume.grid)
    torch.testing.assert_close(from_nifti.array, from_dicom.array)


@pytest.mark.parametrize(
    ("name", "form"), [("a.nii", Form.PLANAR), ("a.png", Form.VOLUME), ("a.png", Form.SLICES)]
)
def test_form_that_a_file_cannot_take_is_refused(tmp_path: Path, name: str, form: Form) -> None:
    if name == "a.nii":
        write_volume(tmp_path / name, small_ct(num_slices=3, size=8))
    else:
        Image.new("L", (5, 4)).save(tmp_path / name)
    with pytest.raises(RefusedError, match=f"cannot be read as {form.value}") as caught:
        read_series(indexed(tmp_path / name), form=form)
    assert caught.value.code == "E_KIND"


def test_refusal_of_the_index_is_raised(tmp_path: Path) -> None:
    Image.new("L", (5, 4)).save(tmp_path / "a.png")
    refusal = RefusedError(Code.E_PATIENT, "Two patients")
    with pytest.raises(RefusedError, match="Two patients"):
        read_series(replace(indexed(tmp_path), refusal=refusal), form=Form.PLANAR)
