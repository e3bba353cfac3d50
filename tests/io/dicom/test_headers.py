"""Headers: read whole, or refused with a code; nothing else escapes."""

import contextlib
import struct
import zlib

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.dicom.elements import looks_like_dicom
from medpipe.io.dicom.headers import read_header


@pytest.fixture
def one_file(builder):
    return builder.write(builder.axial([0]))[0]


def refusal(path):
    with pytest.raises(RefusedError) as caught:
        read_header(path)
    return caught.value


def rewrite(path, change):
    path.write_bytes(change(path.read_bytes()))
    return path


class TestContent:
    @pytest.mark.parametrize(
        "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]
    )
    def test_every_syntax_gives_the_same_header(self, builder, syntax):
        header = read_header(builder.write(builder.axial([2.5]), syntax)[0])
        assert header.is_image
        assert (header.study_uid, header.series_uid) == ("1.2.10", "1.2.11")
        assert header.position_mm == (-10.0, 20.0, 2.5)
        assert header.orientation == (1, 0, 0, 0, 1, 0)
        assert header.pixel_spacing_mm == (0.75, 0.5)
        assert header.study_datetime == "2020-01-02T03:04:05"
        assert (header.pixels.rows, header.pixels.columns, header.pixels.frames) == (5, 7, 1)
        assert header.pixels.length == 70
        assert header.rescale.intercept == -1024
        assert header.notes == ()

    def test_big_endian_header_is_read(self, builder):
        ds = builder.axial([2.5])[0]
        ds.PixelData = b"\0" * 70
        header = read_header(builder.write([ds], ExplicitVRBigEndian)[0])
        assert (header.pixels.rows, header.pixels.columns) == (5, 7)

    def test_pixels_are_located(self, one_file, builder):
        header = read_header(one_file)
        data = one_file.read_bytes()
        assert data[header.pixels.offset :] == builder.axial([0])[0].PixelData

    def test_sequences_before_the_pixels_are_passed_over(self, builder):
        item = Dataset()
        item.Rows = 999
        item.ReferencedImageSequence = Sequence([Dataset()])
        (ds,) = builder.axial([0])
        ds.SourceImageSequence = Sequence([item] * 100)
        ds["SourceImageSequence"].is_undefined_length = True
        assert read_header(builder.write([ds])[0]).pixels.rows == 5

    def test_numbers_that_are_garbled_become_nan(self, builder):
        (path,) = builder.write(builder.axial([0]))
        rewrite(path, lambda data: data.replace(b"0.75\\0.5", b"x.75\\0.5"))
        first, second = read_header(path).pixel_spacing_mm
        assert first != first
        assert second == 0.5

    def test_acquisition_facts_hold_no_names(self, builder):
        header = read_header(
            builder.write(builder.axial([0], Manufacturer="ACME", PatientName="A^B", InstitutionName="C"))[0]
        )
        assert header.acquisition == {"manufacturer": "ACME", "slice_thickness_mm": "3.0"}

    @pytest.mark.parametrize(("second", "window"), [("81", (0.0, 80.0)), ("100", None)])
    def test_a_window_is_the_series_where_all_slices_state_it(self, builder, second, window):
        datasets = builder.axial([0, 5, 10], WindowCenter="40.5", WindowWidth="81")
        datasets[1].WindowWidth = second
        assert builder.stack(datasets).source.window == window


class TestNotes:
    def test_slices_of_inverted_display_are_flagged_and_their_values_kept(self, builder):
        datasets = builder.axial([0, 5, 10], PhotometricInterpretation="MONOCHROME1")
        stack = builder.stack(datasets)
        assert [note.code for note in stack.source.notes] == [Code.W_INVERTED]
        stored = torch.from_numpy(datasets[1].pixel_array.astype("float32").T) - 1024
        torch.testing.assert_close(stack.array[1, 0], stored)

    def test_file_without_preamble_is_read_and_flagged(self, one_file):
        rewrite(one_file, lambda data: data[132:])
        header = read_header(one_file)
        assert [note.code for note in header.notes] == [Code.W_PREAMBLE]
        assert header.pixels.rows == 5

    @pytest.mark.parametrize("start", [b"MZ", b"\x7fELF"])
    def test_executable_preamble_is_flagged(self, one_file, start):
        rewrite(one_file, lambda data: start + data[len(start) :])
        assert [note.code for note in read_header(one_file).notes] == [Code.W_EXECUTABLE]

    @pytest.mark.parametrize(
        ("uid", "is_kept"), [("1.2.03.4", True), ("../../etc/pwd", False), ("<b>1</b>", False)]
    )
    def test_bad_uid_is_flagged_and_never_acts_as_a_path(self, one_file, uid, is_kept):
        padded = uid.encode().ljust(len(uid) + len(uid) % 2, b"\0")
        old = b"\x20\x00\x0e\x00UI\x06\x00" + b"1.2.11"
        new = b"\x20\x00\x0e\x00UI" + struct.pack("<H", len(padded)) + padded
        rewrite(one_file, lambda data: data.replace(old, new))
        header = read_header(one_file)
        assert [(note.code, note.found) for note in header.notes] == [(Code.W_UID, "0020,000E")]
        assert (header.series_uid == uid) is is_kept
        assert set(header.series_uid) <= set("0123456789.")

    def test_blanked_uids_get_stand_ins_from_the_frame_of_reference(self, builder):
        paths = builder.write(builder.axial([0, 1], StudyInstanceUID="", SeriesInstanceUID=""))
        first, second = map(read_header, paths)
        assert first.study_uid == second.study_uid != ""
        assert first.series_uid == second.series_uid != ""
        assert [note.code for note in first.notes] == [Code.W_UID]


class TestRefusals:
    def test_empty_file(self, tmp_path):
        path = tmp_path / "empty.dcm"
        path.touch()
        assert refusal(path).code is Code.E_EMPTY

    def test_text_named_dcm_is_not_dicom(self, tmp_path):
        path = tmp_path / "text.dcm"
        path.write_text("This is no image. " * 50)
        assert refusal(path).code is Code.E_SYNTAX
        assert not looks_like_dicom(path.read_bytes())

    def test_header_cut_at_400_bytes(self, one_file):
        rewrite(one_file, lambda data: data[:400])
        assert refusal(one_file).code is Code.E_HEADER

    def test_every_cut_of_the_header_is_refused(self, one_file):
        whole = one_file.read_bytes()
        for length in range(133, read_header(one_file).pixels.offset - 12):
            one_file.write_bytes(whole[:length])
            assert refusal(one_file).code is Code.E_HEADER

    @pytest.mark.parametrize("length", [None, "defined"])
    def test_5000_nested_sequences(self, one_file, length):
        nest = b""
        for _ in range(5000):
            size = 0xFFFFFFFF if length is None else len(nest)
            ends = b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"
            item = b"\xfe\xff\x00\xe0" + struct.pack("<I", size) + nest + (ends[0] if length is None else b"")
            size = size if length is None else len(item)
            nest = (
                b"\x08\x00\x40\x11SQ\0\0"
                + struct.pack("<I", size)
                + item
                + (ends[1] if length is None else b"")
            )
        tag = b"\x10\x00\x20\x00LO"
        rewrite(one_file, lambda data: data.replace(tag, nest + tag))
        error = refusal(one_file)
        assert error.code is Code.E_NESTED
        assert error.found == "more than 64 levels"

    def test_deflated_zeros_without_end_stay_small(self, builder):
        (path,) = builder.write(builder.axial([0]), DeflatedExplicitVRLittleEndian)
        data = path.read_bytes()
        start = read_header(path).pixels.data_set_offset
        packer = zlib.compressobj(wbits=-15)
        # One private element of 256 MB of zeros before any pixels.
        bomb = packer.compress(b"\x09\x00\x00\x10OB\0\0" + struct.pack("<I", 1 << 28))
        bomb += b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
        path.write_bytes(data[:start] + bomb)
        error = refusal(path)
        assert (error.code, error.found) == (Code.E_HEADER, "an element that needs 268435468 bytes of file")

    def test_missing_file_is_an_os_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            read_header(tmp_path / "absent.dcm")


class TestObjectsWithoutImages:
    @pytest.mark.parametrize(
        "sop_class",
        [
            "1.2.840.10008.5.1.4.1.1.88.33",  # SR
            "1.2.840.10008.5.1.4.1.1.88.59",  # key objects
            "1.2.840.10008.5.1.4.1.1.11.1",  # presentation state
            "1.2.840.10008.5.1.4.1.1.66.4",  # segmentation, although it has pixels
            "1.2.840.10008.5.1.4.1.1.481.3",  # RTSTRUCT
        ],
    )
    def test_object_is_no_image(self, builder, sop_class):
        header = read_header(builder.write(builder.axial([0], SOPClassUID=sop_class))[0])
        assert not header.is_image
        assert header.study_uid == "1.2.10"

    def test_dicomdir_is_recognised(self, builder):
        header = read_header(builder.write(builder.axial([0], SOPClassUID="1.2.840.10008.1.3.10"))[0])
        assert header.is_directory
        assert not header.is_image


@pytest.fixture
def one_file_bytes(one_file):
    return one_file.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_damaged_headers_are_read_or_refused(one_file, one_file_bytes, data):
    damaged = bytearray(one_file_bytes[: data.draw(st.integers(1, len(one_file_bytes)))])
    for position in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=8)):
        damaged[position] = data.draw(st.integers(0, 255))
    one_file.write_bytes(damaged)
    with contextlib.suppress(RefusedError):
        read_header(one_file)
