"""Real series load, or are flagged or refused with the right code."""

from pathlib import Path

import numpy as np
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.volume import Volume
from medpipe.io.load import read_series
from medpipe.io.series import Series
from medpipe.io.tree import index_tree

NEMA = "dicom/nema_wg04/data/WG04"
DICOM2NIFTI = "dicom/dicom2nifti"

LOADS = [
    "dicom/dcmqi_ct_seg/data/segmentations/ct-3slice",
    "dicom/lungmask_chest_ct/tests/testdata",
    f"{DICOM2NIFTI}/ge/anatomical/001",
    f"{DICOM2NIFTI}/hitachi/anatomical/001",
    f"{DICOM2NIFTI}/philips/anatomical/001",
    f"{DICOM2NIFTI}/siemens/anatomical/001",
    f"{DICOM2NIFTI}/generic/anatomical/001",
    f"{DICOM2NIFTI}/generic/anatomical/002_non_isotropic",
    "body_ct_mr/example_ct.nii.gz",
    "body_ct_mr/example_mr_sm.nii.gz",
]
FLAGGED = [
    ("body_ct_mr/example_ct_dicom", Code.W_UID),
    ("dicom/cxr_dicom_torchxrayvision/tests/00000001_000.png", Code.W_CALIBRATION),
    ("dicom/cxr_dicom_torchxrayvision/tests/Fake_MONOHR1.dcm", Code.W_CALIBRATION),
    (f"{NEMA}/REF/CT1_UNC.dcm", Code.W_SINGLE_SLICE),
]
REFUSED = [
    (f"{DICOM2NIFTI}/generic/rgb/001", Code.E_DIMS),
    ("dicom/torchio/tests/image_data/dicom", Code.E_RESCALE),
    (f"{NEMA}/JPLY/MR1_JPLY", Code.E_DECODE),
]
LOSSLESS = ["J2KR/CT1_J2KR", "J2KR/MR1_J2KR", "JLSL/CT2_JLSL", "JPLL/CT1_JPLL", "RLE/CT2_RLE"]


def only_series(path: Path) -> Series:
    """Return the one image of a folder or file, read without what lies beside it."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    ((series,),) = (study.series for study in index_tree(files).studies)
    return series


@pytest.mark.parametrize("name", LOADS)
def test_real_series_loads(name: str, shared_data: Path) -> None:
    series = only_series(shared_data / name)
    assert not read_series(series, form=series.form).source.notes


@pytest.mark.parametrize(("name", "code"), FLAGGED)
def test_real_series_is_flagged(name: str, code: Code, shared_data: Path) -> None:
    series = only_series(shared_data / name)
    notes = read_series(series, form=series.form).source.notes
    assert {note.code for note in notes} - {Code.W_LOSSY} == {code}


@pytest.mark.parametrize(("name", "is_lossy"), [("J2KI/CT1_J2KI", True), ("J2KR/CT1_J2KR", False)])
def test_lossy_compression_is_told(name: str, is_lossy: bool, shared_data: Path) -> None:
    series = only_series(shared_data / NEMA / name)
    notes = read_series(series, form=series.form).source.notes
    assert (Code.W_LOSSY in {note.code for note in notes}) is is_lossy


@pytest.mark.parametrize(("name", "code"), REFUSED)
def test_real_series_is_refused(name: str, code: Code, shared_data: Path) -> None:
    series = only_series(shared_data / name)
    with pytest.raises(RefusedError) as refusal:
        read_series(series, form=series.form)
    assert refusal.value.code is code


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_encodings_hold_the_values_of_the_plain_file(name: str, shared_data: Path) -> None:
    plain = only_series(shared_data / NEMA / "REF" / f"{Path(name).name[:3]}_UNC.dcm")
    encoded = only_series(shared_data / NEMA / name)
    expected, found = (read_series(series, form=series.form) for series in (plain, encoded))
    assert isinstance(expected, Volume)
    assert isinstance(found, Volume)
    assert found.grid.matches(expected.grid)
    np.testing.assert_array_equal(found.array.numpy(), expected.array.numpy())
