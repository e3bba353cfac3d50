"""Radiographs: brightness, and what the spacing refers to."""

import pytest
import torch
from pydicom.uid import DigitalXRayImageStorageForPresentation

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.findings import Laterality
from medpipe.core.planar import Photometric, SpacingKind
from medpipe.io.dicom.headers import read_header
from medpipe.io.dicom.read import read_dicom
from medpipe.io.dicom.series import split_series
from medpipe.io.series import Form


def exposure(builder, **changes):
    base = {
        "Modality": "DX",
        "SOPClassUID": DigitalXRayImageStorageForPresentation,
        "ImagePositionPatient": None,
        "ImageOrientationPatient": None,
        "RescaleIntercept": 0,
        "RescaleType": "US",
        "BitsStored": 10,
        "HighBit": 9,
        "PixelRepresentation": 0,
        "PixelSpacing": None,
    }
    return builder.axial([0], **{**base, **changes})[0]


def codes(planar):
    return [note.code for note in planar.source.notes]


def test_values_run_along_columns_first(builder):
    planar = builder.planar(exposure(builder))
    assert planar.array.shape == (1, 7, 5)
    torch.testing.assert_close(planar.array[0].T, torch.from_numpy(builder.stored(0)).float())
    assert planar.photometric is Photometric.MONOCHROME2


def test_monochrome1_is_inverted(builder):
    planar = builder.planar(exposure(builder, PhotometricInterpretation="MONOCHROME1"))
    # 10 bits: stored 0 was white and becomes 1023; stored 46 in the far corner becomes 977.
    assert planar.array[0, 0, 0] == 1023
    assert planar.array[0, 6, 4] == 977
    assert planar.photometric is Photometric.MONOCHROME1


@pytest.mark.parametrize(
    ("changes", "spacing", "kind"),
    [
        ({}, None, SpacingKind.NONE),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.1, 0.2), SpacingKind.DETECTOR),
        ({"PixelSpacing": [0.2, 0.1]}, (0.1, 0.2), SpacingKind.DETECTOR),
        ({"PixelSpacing": [0.2, 0.1], "ImagerPixelSpacing": [0.2, 0.1]}, (0.1, 0.2), SpacingKind.DETECTOR),
        (
            {"PixelSpacing": [0.18, 0.09], "ImagerPixelSpacing": [0.2, 0.1]},
            (0.09, 0.18),
            SpacingKind.CALIBRATED,
        ),
        (
            {"PixelSpacing": [0.2, 0.1], "PixelSpacingCalibrationType": "FIDUCIAL"},
            (0.1, 0.2),
            SpacingKind.CALIBRATED,
        ),
    ],
)
def test_spacing_is_calibrated_only_where_the_header_says_so(builder, changes, spacing, kind):
    planar = builder.planar(exposure(builder, **changes))
    assert planar.pixel_spacing_mm == spacing
    assert planar.spacing_kind is kind
    assert (Code.W_CALIBRATION in codes(planar)) is (kind is not SpacingKind.CALIBRATED)


def test_zero_spacing_is_refused(builder):
    with pytest.raises(RefusedError, match="found 0 x 0") as caught:
        builder.planar(exposure(builder, PixelSpacing=[0, 0]))
    assert caught.value.code is Code.E_PIXEL_SPACING


def test_view_side_and_burned_in_text_are_told(builder):
    planar = builder.planar(
        exposure(builder, ViewPosition="PA", ImageLaterality="R", BurnedInAnnotation="YES")
    )
    assert (planar.view, planar.laterality) == ("PA", Laterality.RIGHT)
    assert Code.W_BURNED_IN in codes(planar)


def test_real_jpeg_marked_monochrome1_is_the_inverse(shared_data):
    """The shared folder holds one chest x-ray twice, the copy with its photometric interpretation changed."""
    paths = (shared_data / "dicom" / "cxr_dicom_torchxrayvision" / "tests").glob("*.dcm")
    first, second = (
        read_dicom(series, form=Form.PLANAR) for series in split_series([read_header(path) for path in paths])
    )
    assert {first.photometric, second.photometric} == set(Photometric)
    torch.testing.assert_close(first.array + second.array, torch.full((1, 1024, 1024), 255.0))
