"""Reading series: the rows of bad input that other readers get wrong, and good data against oracles."""

import logging
import struct
import zlib
from dataclasses import replace
from types import SimpleNamespace

import highdicom
import numpy as np
import pydicom
import pytest
import torch
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.content_hash import sha256_of, sha256_of_digests
from medpipe.io.dicom import codecs, decoding
from medpipe.io.dicom.headers import read_header
from medpipe.io.dicom.read import read_dicom
from medpipe.io.dicom.series import split_series
from medpipe.io.dicom.slices import volume_from_stack
from medpipe.io.series import Form, Limits, Trait

HEIGHTS = [0, 2.5, 5, 7.5, 10]
SIZE = (64, 96)


def codes(value):
    return [note.code for note in value.source.notes]


def refusal(builder, datasets, form=Form.VOLUME):
    with pytest.raises(RefusedError) as caught:
        builder.read(datasets, form)
    return caught.value


def expected_hu(builder, numbers, size=(5, 7)):
    """Return the ``(1, I, J, K)`` values of slices given by number."""
    slices = [builder.stored(number, *size).astype(np.float32).T - 1024 for number in numbers]
    return torch.from_numpy(np.stack(slices, axis=-1)[None])


class TestGoodSeries:
    def test_volume_holds_hu_with_columns_first(self, builder):
        volume = builder.volume(builder.axial(HEIGHTS))
        assert volume.array.dtype == torch.float32
        torch.testing.assert_close(volume.array, expected_hu(builder, range(5)))
        np.testing.assert_allclose(volume.affine[:3, 3], [10, -20, 0])
        assert volume.grid.spacing == (0.5, 0.75, 2.5)
        assert volume.modality == "CT"
        assert codes(volume) == []

    def test_stack_is_the_same_slices(self, builder):
        stack = builder.stack(builder.axial(HEIGHTS))
        assert stack.array.shape == (5, 1, 7, 5)
        torch.testing.assert_close(stack.array[:, 0].permute(1, 2, 0)[None], expected_hu(builder, range(5)))
        assert stack.positions_mm[:, 2].tolist() == HEIGHTS
        volume = volume_from_stack(stack)
        torch.testing.assert_close(volume.array, expected_hu(builder, range(5)))
        np.testing.assert_allclose(volume.affine, builder_affine(2.5))

    def test_source_names_instances_in_slice_order(self, builder):
        datasets = builder.axial(HEIGHTS)[::-1]
        volume = builder.volume(datasets)
        source = volume.source
        assert [one.sop_instance_uid for one in source.instances] == [
            ds.SOPInstanceUID for ds in datasets[::-1]
        ]
        assert (source.study_uid, source.series_uid, source.frame_of_reference_uid) == (
            "1.2.10",
            "1.2.11",
            "1.2.12",
        )
        assert source.study_datetime == "2020-01-02T03:04:05"
        paths = sorted(builder.folder.iterdir(), reverse=True)
        assert source.sha256 == sha256_of_digests([sha256_of([path]) for path in paths])
        assert all(check.passed for check in source.checks)
        assert len(source.checks) == 5

    def test_hash_can_be_left_out(self, builder):
        builder.write(builder.axial(HEIGHTS))
        (series,) = builder.series()
        assert read_dicom(series, form=Form.VOLUME, hash_files=False).source.sha256 == ""

    def test_agrees_with_highdicom(self, builder):
        oblique = [0.8, 0.6, 0, -0.48, 0.64, 0.6]
        normal = np.cross(oblique[:3], oblique[3:])
        datasets = builder.slices(
            [normal * 2.5 * k + [5, 6, 7] for k in range(6)], ImageOrientationPatient=oblique
        )
        volume = builder.volume(datasets)
        oracle = highdicom.get_volume_from_series(
            [pydicom.dcmread(p) for p in sorted(builder.folder.iterdir())]
        )
        assert_same_places(volume, oracle)

    def test_real_series_agrees_with_highdicom(self, shared_data):
        paths = sorted((shared_data / "body_ct_mr" / "example_ct_dicom").iterdir())
        (series,) = split_series([read_header(path) for path in paths])
        volume = read_dicom(series, form=Form.VOLUME)
        datasets = [pydicom.dcmread(path) for path in paths]
        for number, ds in enumerate(datasets):
            ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = "1.2", "1.3", f"1.4.{number}"
            ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        assert_same_places(volume, highdicom.get_volume_from_series(datasets))


def builder_affine(step):
    return [[-0.5, 0, 0, 10], [0, -0.75, 0, -20], [0, 0, step, 0], [0, 0, 0, 1]]


def assert_same_places(volume, oracle):
    """Compare values and world positions of all voxels with highdicom's (slice, row, column) in LPS."""
    size_k, size_j, size_i = oracle.array.shape
    i, j, k = np.meshgrid(range(size_i), range(size_j), range(size_k), indexing="ij")
    ours = volume.grid.to_world_mm(np.stack([i, j, k], axis=-1))
    inverse = np.linalg.inv(oracle.affine)
    indices = (ours * [-1, -1, 1]) @ inverse[:3, :3].T + inverse[:3, 3]
    np.testing.assert_allclose(indices, np.rint(indices), atol=1e-3)
    s, r, c = np.moveaxis(np.rint(indices).astype(int), -1, 0)
    np.testing.assert_array_equal(volume.array[0].numpy(), oracle.array[s, r, c])


class TestOrderOfSlices:
    def test_shuffled_instance_numbers_change_nothing(self, builder):
        datasets = builder.axial(HEIGHTS)
        for ds, number in zip(datasets, [3, 1, 5, 2, 4], strict=True):
            ds.InstanceNumber = number
        torch.testing.assert_close(builder.volume(datasets).array, expected_hu(builder, range(5)))

    def test_equal_instance_numbers_change_nothing(self, builder):
        volume = builder.volume(builder.axial(HEIGHTS, InstanceNumber=1))
        torch.testing.assert_close(volume.array, expected_hu(builder, range(5)))

    def test_missing_instance_numbers_change_nothing(self, builder):
        volume = builder.volume(builder.axial(HEIGHTS, InstanceNumber=None))
        torch.testing.assert_close(volume.array, expected_hu(builder, range(5)))


class TestBadGeometry:
    def test_missing_slice(self, builder):
        error = refusal(builder, builder.axial([0, 2.5, 7.5, 10]))
        assert error.code is Code.E_GAP
        assert error.found == "5.00 mm between slices 2 and 3"

    def test_identical_duplicate_is_dropped(self, builder):
        datasets = builder.axial(HEIGHTS)
        volume = builder.volume([*datasets, builder.slice(datasets[2].ImagePositionPatient, 2)])
        torch.testing.assert_close(volume.array, expected_hu(builder, range(5)))
        assert codes(volume) == [Code.W_DUPLICATE]
        assert volume.source.notes[0].found == "1 of 6 files"
        assert len(volume.source.instances) == 5

    def test_different_slices_at_one_position(self, builder):
        error = refusal(builder, builder.axial([*HEIGHTS, 5]))
        assert error.code is Code.E_DUPLICATE

    def test_gantry_tilt_keeps_the_shear(self, builder):
        lean = np.tan(np.radians(15))
        volume = builder.volume(builder.slices([(0, lean * height, height) for height in HEIGHTS]))
        assert codes(volume) == [Code.W_TILT]
        np.testing.assert_allclose(volume.affine[:3, 2], [0, -2.5 * lean, 2.5])

    def test_sequential_head_ct_is_slices(self, builder):
        heights = [0, 4, 8, 12, 19, 26]
        positions = [(0, np.tan(np.radians(18)) * height, height) for height in heights]
        stack = builder.stack(builder.slices(positions))
        assert codes(stack) == [Code.W_TILT, Code.W_SPACING]
        np.testing.assert_allclose(stack.gaps_mm, [4, 4, 4, 7, 7])
        with pytest.raises(RefusedError) as caught:
            volume_from_stack(stack)
        assert caught.value.code is Code.E_SPACING

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"ImagePositionPatient": None}, Code.E_POSITION),
            ({"PixelSpacing": [0, 0]}, Code.E_PIXEL_SPACING),
            ({"PixelSpacing": None}, Code.E_PIXEL_SPACING),
            ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, Code.E_ORIENTATION),
            ({"ImageOrientationPatient": [1, 0, 0, 0.2, 1, 0]}, Code.E_ORIENTATION),
            ({"ImageOrientationPatient": None}, Code.E_ORIENTATION),
        ],
    )
    def test_unusable_planes(self, builder, changes, code):
        assert refusal(builder, builder.axial(HEIGHTS, **changes)).code is code

    def test_localizer_inside_a_series_is_set_apart(self, builder):
        builder.write(builder.axial(HEIGHTS))
        builder.write(builder.axial([50], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
        image, localizer = builder.series()
        assert localizer.traits == {Trait.LOCALIZER}
        assert codes(read_dicom(image, form=Form.VOLUME)) == []

    def test_mixed_rows_are_judged_alone(self, builder):
        builder.write(builder.axial([0, 2.5, 5]))
        builder.write(builder.axial([7.5, 10], Rows=7, Columns=5))
        shapes = [tuple(read_dicom(one, form=Form.VOLUME).array.shape) for one in builder.series()]
        assert shapes == [(1, 7, 5, 3), (1, 5, 7, 2)]


class TestIntensities:
    def test_monochrome1_ct_is_not_inverted(self, builder):
        volume = builder.volume(builder.axial(HEIGHTS, PhotometricInterpretation="MONOCHROME1"))
        torch.testing.assert_close(volume.array, expected_hu(builder, range(5)))

    def test_slope_of_each_slice_is_applied_to_it(self, builder):
        datasets = builder.axial(HEIGHTS)
        for number, ds in enumerate(datasets):
            ds.RescaleSlope = 1 + 0.5 * number
        volume = builder.volume(datasets)
        # Slice 2, row 0, column 3: 203 * 2 - 1024.
        assert volume.array[0, 3, 0, 2] == -618
        # Slice 3, row 0, column 0: 300 * 2.5 - 1024.
        assert volume.array[0, 0, 0, 3] == -274

    @pytest.mark.parametrize(
        ("signed", "stored", "value"),
        [(0, 0xF123, 0x123), (1, 0xF123, 0x123), (1, 0x0800, -2048), (1, 0x0FFF, -1)],
    )
    def test_only_stored_bits_count(self, builder, signed, stored, value):
        pixels = np.full((5, 7), stored, dtype="<u2").tobytes()
        volume = builder.volume(
            builder.axial([0], PixelData=pixels, BitsStored=12, HighBit=11, PixelRepresentation=signed)
        )
        assert volume.array.unique().tolist() == [value - 1024]

    def test_high_bit_places_the_stored_bits(self, builder):
        pixels = np.full((5, 7), 0x123F, dtype="<u2").tobytes()
        volume = builder.volume(
            builder.axial([0], PixelData=pixels, BitsStored=12, HighBit=15, PixelRepresentation=0)
        )
        assert volume.array.unique().tolist() == [0x123 - 1024]

    def test_padding_of_ct_becomes_air(self, builder):
        pixels = builder.stored(0).copy()
        pixels[0, 0] = -2000
        (ds,) = builder.axial([0], PixelData=pixels.tobytes())
        ds.add_new("PixelPaddingValue", "SS", -2000)
        volume = builder.volume([ds])
        assert volume.array[0, 0, 0, 0] == -1024
        assert volume.array[0, 1, 0, 0] == 1 - 1024

    @pytest.mark.parametrize("slope", ["0", "nan", "inf", "x"])
    def test_unusable_slope(self, builder, slope):
        (path,) = builder.write(builder.axial([0], RescaleSlope=7))
        before, after = (b"\x53\x10DS\x04\x00" + text for text in (b"7.0 ", slope.encode().ljust(4)))
        path.write_bytes(path.read_bytes().replace(before, after))
        (series,) = builder.series()
        with pytest.raises(RefusedError) as caught:
            read_dicom(series, form=Form.VOLUME)
        assert caught.value.code is Code.E_RESCALE

    def test_ct_without_hounsfield_units(self, builder):
        error = refusal(builder, builder.axial([0], RescaleType="US"))
        assert error.code is Code.E_RESCALE
        assert error.found == "RescaleType 'US'"


class TestPixelsThatLie:
    def test_short_pixel_data(self, builder):
        (path,) = builder.write(builder.axial([0]))
        path.write_bytes(path.read_bytes()[:-10])
        (series,) = builder.series()
        with pytest.raises(RefusedError, match=r"found 60 bytes for 1 frames of 7 x 5") as caught:
            read_dicom(series, form=Form.VOLUME)
        assert caught.value.code is Code.E_TRUNCATED

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"Rows": 65535, "Columns": 65535}, Code.E_BUDGET),
            ({"Rows": 30000, "Columns": 30000}, Code.E_TRUNCATED),
            ({"NumberOfFrames": 100000}, Code.E_TRUNCATED),
            ({"BitsAllocated": 12}, Code.E_BITS),
            ({"HighBit": 16}, Code.E_BITS),
            ({"HighBit": 3}, Code.E_BITS),
        ],
    )
    def test_declarations_are_refused_before_allocation(self, builder, changes, code):
        assert refusal(builder, builder.axial([0], **changes)).code is code

    def test_budget_counts_all_slices(self, builder):
        builder.write(builder.axial(HEIGHTS))
        (series,) = builder.series()
        with pytest.raises(RefusedError, match="175 voxels declared, at most 174"):
            read_dicom(series, form=Form.VOLUME, limits=Limits(max_voxels=174))

    def test_deflated_bomb_is_refused_by_its_ratio(self, builder):
        (ds,) = builder.axial([0], Rows=16384, Columns=16384)
        (path,) = builder.write([ds], DeflatedExplicitVRLittleEndian)
        data = path.read_bytes()
        start = read_header(path).pixels.data_set_offset
        header = zlib.decompress(data[start:], -15)
        header = header[: header.index(b"\xe0\x7f\x10\x00OW")]
        packer = zlib.compressobj(wbits=-15)
        bomb = packer.compress(header + b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<I", 1 << 29))
        bomb += b"".join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()
        path.write_bytes(data[:start] + bomb)
        assert path.stat().st_size < 1e6
        (series,) = builder.series()
        with pytest.raises(RefusedError, match="over 200 to 1") as caught:
            read_dicom(series, form=Form.VOLUME)
        assert caught.value.code is Code.E_RATIO

    def test_files_that_changed_since_indexing(self, builder):
        (path,) = builder.write(builder.axial([0]))
        (series,) = builder.series()
        path.write_bytes(path.read_bytes() + b"more")
        with pytest.raises(RefusedError) as caught:
            read_dicom(series, form=Form.VOLUME)
        assert caught.value.code is Code.E_CHANGED

    def test_colour_is_refused(self, builder):
        datasets = builder.axial(
            [0], SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0
        )
        assert refusal(builder, datasets).code is Code.E_DIMS

    def test_a_volume_is_no_radiograph(self, builder):
        assert refusal(builder, builder.axial([0]), Form.PLANAR).code is Code.E_KIND


class TestSyntaxes:
    @pytest.mark.parametrize(
        "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]
    )
    def test_native_pixels(self, builder, syntax):
        builder.write(builder.axial(HEIGHTS), syntax)
        (series,) = builder.series()
        torch.testing.assert_close(read_dicom(series, form=Form.VOLUME).array, expected_hu(builder, range(5)))

    def test_big_endian_pixels(self, builder):
        datasets = builder.axial(HEIGHTS)
        for number, ds in enumerate(datasets):
            ds.PixelData = builder.stored(number).astype(">i2").tobytes()
        builder.write(datasets, ExplicitVRBigEndian)
        (series,) = builder.series()
        torch.testing.assert_close(read_dicom(series, form=Form.VOLUME).array, expected_hu(builder, range(5)))

    @pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
    def test_compressed_pixels(self, builder, syntax):
        datasets = compressed(builder, HEIGHTS, syntax)
        builder.write(datasets, syntax)
        (series,) = builder.series()
        volume = read_dicom(series, form=Form.VOLUME)
        torch.testing.assert_close(volume.array, expected_hu(builder, range(5), SIZE))

    def test_large_compressed_series_is_decoded_in_processes(self, builder, monkeypatch):
        monkeypatch.setattr(decoding, "MIN_PIXELS_FOR_PROCESSES", 1)
        builder.write(compressed(builder, HEIGHTS, JPEG2000Lossless), JPEG2000Lossless)
        (series,) = builder.series()
        volume = read_dicom(series, form=Form.VOLUME, workers=2)
        torch.testing.assert_close(volume.array, expected_hu(builder, range(5), SIZE))

    def test_refusal_travels_from_the_process(self, builder, monkeypatch):
        monkeypatch.setattr(decoding, "MIN_PIXELS_FOR_PROCESSES", 1)
        builder.write([garbage(ds) for ds in builder.axial(HEIGHTS)], JPEG2000Lossless)
        (series,) = builder.series()
        with pytest.raises(RefusedError, match="Frame 1 of JPEG 2000") as caught:
            read_dicom(series, form=Form.VOLUME, workers=2)
        assert caught.value.code is Code.E_DECODE

    def test_garbage_jpeg_2000(self, builder, monkeypatch):
        shown = []
        monkeypatch.setattr(logging.getLogger(), "handlers", [handler := logging.NullHandler()])
        monkeypatch.setattr(handler, "handle", shown.append)
        builder.write([garbage(ds) for ds in builder.axial([0])], JPEG2000Lossless)
        (series,) = builder.series()
        with pytest.raises(RefusedError, match=r"found pylibjpeg: .*; pillow: ") as caught:
            read_dicom(series, form=Form.VOLUME)
        assert caught.value.code is Code.E_DECODE
        assert not shown  # what the decoders said is in the error, so that no traceback is for the screen

    def test_garbage_run_lengths(self, builder):
        # The Rust decoder panics on segments that run over the end of the frame.
        (ds,) = builder.axial([0])
        segments = struct.pack("<16L", 2, 64, 70, *[0] * 13)
        ds.PixelData = encapsulate([segments + b"\x81\x00\x81\x00\x81\x00" + b"\x7f" * 3])
        ds["PixelData"].is_undefined_length = True
        builder.write([ds], RLELossless)
        (series,) = builder.series()
        with pytest.raises(RefusedError) as caught:
            read_dicom(series, form=Form.VOLUME)
        assert caught.value.code is Code.E_DECODE

    def test_cut_compressed_pixels(self, builder):
        (path,) = builder.write(compressed(builder, [0], JPEG2000Lossless), JPEG2000Lossless)
        path.write_bytes(path.read_bytes()[:-40])
        (series,) = builder.series()
        with pytest.raises(RefusedError) as caught:
            read_dicom(series, form=Form.VOLUME)
        assert caught.value.code is Code.E_TRUNCATED

    def test_jpeg_without_its_decoder_names_the_extra(self, builder, monkeypatch):
        builder.write([garbage(ds) for ds in builder.axial([0])], JPEGLosslessSV1)
        (series,) = builder.series()
        monkeypatch.setattr(codecs, "get_decoder", lambda syntax: SimpleNamespace(is_available=False))
        with pytest.raises(RefusedError, match=r"pip install 'medpipe\[jpeg\]'") as caught:
            read_dicom(series, form=Form.VOLUME)
        assert caught.value.code is Code.E_SYNTAX

    def test_encapsulated_pixels_in_an_uncompressed_syntax(self, builder):
        builder.write([garbage(ds) for ds in builder.axial([0])], JPEG2000Lossless)
        (path,) = builder.folder.iterdir()
        old, new = str(JPEG2000Lossless).encode(), b"1.2.840.10008.1.2.1".ljust(22, b"\0")
        path.write_bytes(path.read_bytes().replace(old, new))
        (series,) = builder.series()
        with pytest.raises(RefusedError, match="encapsulated") as caught:
            read_dicom(series, form=Form.VOLUME)
        assert caught.value.code is Code.E_HEADER

    def test_unsupported_syntax_is_named(self, builder):
        builder.write([garbage(ds) for ds in builder.axial([0])], "1.2.840.10008.1.2.4.102")
        (series,) = builder.series()
        with pytest.raises(RefusedError, match="MPEG-4") as caught:
            read_dicom(series, form=Form.VOLUME)
        assert caught.value.code is Code.E_SYNTAX


def compressed(builder, heights, syntax):
    """Return compressed slices, larger than usual: JPEG 2000 halves the size several times."""
    datasets = builder.axial(heights, Rows=SIZE[0], Columns=SIZE[1])
    for number, ds in enumerate(datasets):
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, 0
        ds.PixelData = builder.stored(number, *SIZE).tobytes()
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.compress(syntax, generate_instance_uid=False)
    return datasets


def garbage(ds):
    ds.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(range(200))])
    ds["PixelData"].is_undefined_length = True
    return ds


def test_every_shared_series_is_read_or_refused_with_its_code(shared_data):
    expected = {
        "dicom/dicom2nifti/generic/rgb/001": {Code.E_DIMS},
        "dicom/dicom2nifti/ge/anatomical/001_single_slice": {Code.E_SPACING},
        "dicom/nema_wg04/data/WG04/JPLY": {Code.E_DECODE},
        "dicom/torchio/tests/image_data/dicom": {Code.E_RESCALE},
    }
    seen = {}
    folders = {path.parent for path in (shared_data / "dicom").rglob("*") if path.is_file()}
    for folder in sorted(folders):
        for one in split_series(image_headers(folder)):
            form = Form.PLANAR if one.form is Form.PLANAR else Form.VOLUME
            try:
                value = read_dicom(one, form=form)
            except RefusedError as error:
                seen.setdefault(str(folder.relative_to(shared_data)), set()).add(error.code)
            else:
                assert torch.isfinite(value.array).all()
    assert seen == expected


def image_headers(folder):
    headers = []
    for path in sorted(folder.iterdir()):
        try:
            headers.append(read_header(path))
        except (RefusedError, IsADirectoryError):
            continue
    # Some folders hold one picture in several transfer syntaxes, under one series UID.
    return [replace(header, series_uid=header.series_uid + str(folder)) for header in headers]
