"""Enhanced multi-frame files: judged by the rules of single slices, with highdicom as the oracle."""

import highdicom
import numpy as np
import pydicom
import pytest
import torch
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.dicom.read import read_dicom
from medpipe.io.series import Form

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def item(sequence, **attributes):
    """Return a functional group that holds one item."""
    inner = Dataset()
    for keyword, value in attributes.items():
        setattr(inner, keyword, value)
    group = Dataset()
    setattr(group, sequence, Sequence([inner]))
    return group


def merged(*groups):
    result = Dataset()
    for group in groups:
        result.update(group)
    return result


def enhanced(builder, heights, *, slopes=None, orientations=None, **changes):
    """Return an enhanced CT whose frames lie at heights along S."""
    ds = builder.axial([0], SOPClassUID=ENHANCED_CT)[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        del ds[keyword]
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        del ds[keyword]
    ds.NumberOfFrames = len(heights)
    ds.PixelData = b"".join(builder.stored(number).tobytes() for number in range(len(heights)))
    ds.SharedFunctionalGroupsSequence = Sequence(
        [item("PixelMeasuresSequence", PixelSpacing=[0.75, 0.5], SliceThickness=3)]
    )
    slopes = slopes or [1] * len(heights)
    orientations = orientations or [[1, 0, 0, 0, 1, 0]] * len(heights)
    ds.PerFrameFunctionalGroupsSequence = Sequence(
        merged(
            item("PlanePositionSequence", ImagePositionPatient=[-10, 20, height]),
            item("PlaneOrientationSequence", ImageOrientationPatient=orientation),
            item(
                "PixelValueTransformationSequence",
                RescaleSlope=slope,
                RescaleIntercept=-1024,
                RescaleType="HU",
            ),
        )
        for height, slope, orientation in zip(heights, slopes, orientations, strict=True)
    )
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


def refusal(builder, dataset, form=Form.VOLUME):
    with pytest.raises(RefusedError) as caught:
        builder.read([dataset], form)
    return caught.value.code


def test_frames_are_sorted_and_rescaled_each_by_its_own_slope(builder):
    volume = builder.volume([enhanced(builder, [5, 0, 2.5], slopes=[1, 2, 3])])
    assert volume.array.shape == (1, 7, 5, 3)
    # The lowest slice is frame 2 (values from 100, slope 2), then frame 3 (200, slope 3), then frame 1.
    assert volume.array[0, 0, 0].tolist() == [200 - 1024, 600 - 1024, 0 - 1024]
    np.testing.assert_allclose(volume.affine[:3, 3], [10, -20, 0])
    assert volume.grid.spacing == (0.5, 0.75, 2.5)
    assert [one.frame for one in volume.source.instances] == [2, 3, 1]


def test_agrees_with_highdicom(builder):
    volume = builder.volume([enhanced(builder, [5, 0, 2.5])])
    oracle = highdicom.imread(next(builder.folder.iterdir())).get_volume(dtype=np.float32)
    corners = np.array([[0, 0, 0], [0, 0, 6], [0, 4, 0], [2, 4, 6]])
    lps = corners @ oracle.affine[:3, :3].T + oracle.affine[:3, 3]
    i, j, k = np.rint(volume.grid.to_voxels(lps * [-1, -1, 1])).astype(int).T
    np.testing.assert_allclose(volume.grid.to_world_mm(np.stack([i, j, k], 1)) * [-1, -1, 1], lps, atol=1e-6)
    np.testing.assert_array_equal(volume.array[0].numpy()[i, j, k], oracle.array[tuple(corners.T)])


def test_single_frame_is_a_slice_of_its_thickness(builder):
    volume = builder.volume([enhanced(builder, [5])])
    assert volume.grid.spacing == (0.5, 0.75, 3.0)
    assert [note.code for note in volume.source.notes] == [Code.W_SINGLE_SLICE]


def test_uneven_frames_are_slices(builder):
    stack = builder.stack([enhanced(builder, [0, 4, 8, 15, 22])])
    assert stack.positions_mm[:, 2].tolist() == [0, 4, 8, 15, 22]


@pytest.mark.parametrize(
    ("heights", "changes", "code"),
    [
        ([0, 2.5, 7.5, 10], {}, Code.E_GAP),
        ([0, 2.5, 2.5, 5], {}, Code.E_DIMS),
        ([0, 2.5], {"slopes": [1, 0]}, Code.E_RESCALE),
        ([0, 2.5], {"orientations": [[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]]}, Code.E_DIMS),
        ([0, 2.5], {"NumberOfFrames": 100000}, Code.E_TRUNCATED),
    ],
)
def test_bad_frames_are_refused(builder, heights, changes, code):
    assert refusal(builder, enhanced(builder, heights, **changes)) is code


def test_enhanced_mr_without_frame_of_reference_is_refused(builder):
    ds = enhanced(builder, [0, 2.5], SOPClassUID=ENHANCED_MR, Modality="MR")
    del ds.FrameOfReferenceUID
    assert refusal(builder, ds) is Code.E_FRAME


def test_film_loop_is_refused(builder):
    ds = enhanced(builder, [0, 2.5], SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1", Modality="US")
    assert refusal(builder, ds) is Code.E_DIMS


def test_each_file_is_a_series_of_its_own(builder):
    builder.write([enhanced(builder, [0, 2.5]), enhanced(builder, [0, 2.5])])
    first, second = builder.series()
    assert (first.part, first.num_slices, second.part) == (0, 2, 1)
    torch.testing.assert_close(
        read_dicom(first, form=Form.VOLUME).array, read_dicom(second, form=Form.VOLUME).array
    )


def test_deflated_file_is_refused(builder):
    builder.write([enhanced(builder, [0, 2.5])], pydicom.uid.DeflatedExplicitVRLittleEndian)
    (series,) = builder.series()
    with pytest.raises(RefusedError, match="Deflated") as caught:
        read_dicom(series, form=Form.VOLUME)
    assert caught.value.code is Code.E_SYNTAX
