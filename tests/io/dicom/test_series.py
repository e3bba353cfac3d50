"""Splitting headers into series."""

import pytest
from pydicom.uid import DigitalXRayImageStorageForPresentation, SecondaryCaptureImageStorage

from medpipe.core.codes import Code
from medpipe.io.series import Form, Trait


def shapes(series):
    return [(one.part, one.num_slices) for one in series]


def test_one_series_stays_whole(builder):
    builder.write(builder.axial([0, 1, 2], InstanceNumber=1))
    (series,) = builder.series()
    assert (series.uid, series.part, series.form, series.num_slices) == ("1.2.11", 0, Form.VOLUME, 3)
    assert series.size == (7, 5)
    assert series.modality == "CT"
    assert series.traits == frozenset()
    assert series.facts["transfer_syntax"] == "Explicit VR Little Endian"


def test_two_series_in_one_folder_are_two(builder):
    builder.write(builder.axial([0, 1]))
    builder.write(builder.axial([0, 1, 2], SeriesInstanceUID="1.2.99"))
    assert [(one.uid, one.num_slices) for one in builder.series()] == [("1.2.11", 2), ("1.2.99", 3)]


def test_objects_without_an_image_are_passed_over(builder):
    builder.write(builder.axial([0, 1]))
    builder.write(builder.axial([0], SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33"))
    assert shapes(builder.series()) == [(0, 2)]


@pytest.mark.parametrize(
    "changes",
    [
        {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
        {"PixelSpacing": [0.75, 0.6]},
        {"Rows": 1, "Columns": 35},
        {"SOPClassUID": SecondaryCaptureImageStorage},
        {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"FrameOfReferenceUID": "1.2.77"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_one_image_cannot_mix_is_split(builder, changes):
    builder.write(builder.axial([0, 1, 2]))
    builder.write(builder.axial([3], **changes))
    assert shapes(builder.series()) == [(0, 3), (1, 1)]


def test_rounded_orientations_stay_together(builder):
    builder.write(builder.axial([0, 1]))
    builder.write(builder.axial([2], ImageOrientationPatient=[1, 0.00005, 0, 0, 1, 0]))
    assert shapes(builder.series()) == [(0, 3)]


class TestRepeatedPositions:
    @pytest.mark.parametrize(
        ("keyword", "first", "second", "is_time"),
        [
            ("TemporalPositionIdentifier", 1, 2, True),
            ("TriggerTime", 0, 400, True),
            ("AcquisitionNumber", 1, 2, False),
            ("EchoNumbers", 1, 2, False),
            ("DiffusionBValue", 0.0, 1000.0, False),
        ],
    )
    def test_are_split_by_what_tells_them_apart(self, builder, keyword, first, second, is_time):
        builder.write(builder.axial([0, 1, 2], **{keyword: first}))
        builder.write(builder.axial([0, 1, 2], **{keyword: second}))
        series = builder.series()
        assert shapes(series) == [(0, 3), (1, 3)]
        assert all((Trait.TIME_SERIES in one.traits) is is_time for one in series)

    def test_keys_that_differ_without_repeats_split_nothing(self, builder):
        builder.write(builder.axial([0, 1], AcquisitionNumber=1))
        builder.write(builder.axial([2, 3], AcquisitionNumber=2))
        assert shapes(builder.series()) == [(0, 4)]

    def test_a_key_of_its_own_for_each_slice_splits_nothing(self, builder):
        for number, height in enumerate([0, 1, 2, 2]):
            builder.write(builder.axial([height], TriggerTime=10 * number))
        assert shapes(builder.series()) == [(0, 4)]


class TestForms:
    def test_each_radiograph_is_an_image_of_its_own(self, builder):
        changes = {"Modality": "DX", "SOPClassUID": DigitalXRayImageStorageForPresentation}
        builder.write(builder.axial([0, 0], ImagePositionPatient=None, **changes))
        assert [(one.part, one.form) for one in builder.series()] == [(0, Form.PLANAR), (1, Form.PLANAR)]

    def test_secondary_capture_without_a_place_is_planar(self, builder):
        builder.write(
            builder.axial(
                [0],
                Modality="OT",
                SOPClassUID=SecondaryCaptureImageStorage,
                ImagePositionPatient=None,
                ImageOrientationPatient=None,
            )
        )
        (series,) = builder.series()
        assert series.form is Form.PLANAR
        assert series.traits == {Trait.SECONDARY}

    def test_ct_without_position_is_no_radiograph(self, builder):
        builder.write(builder.axial([0], ImagePositionPatient=None))
        assert builder.series()[0].form is Form.VOLUME

    def test_colour_is_known_to_be_refused(self, builder):
        builder.write(
            builder.axial([0], SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
        )
        (series,) = builder.series()
        assert series.traits == {Trait.COLOUR}
        assert series.refusal.code is Code.E_DIMS
        assert series.refusal.found == "RGB, 3 samples a pixel"

    def test_mosaic_is_known_to_be_refused(self, builder):
        builder.write(builder.axial([0], Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]))
        assert builder.series()[0].refusal.code is Code.E_DIMS
