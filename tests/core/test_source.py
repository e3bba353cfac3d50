"""Sources: notes become flags, each with an id of its own."""

import pytest

from medpipe.core.codes import Code
from medpipe.core.findings import FindingsRecord, Maker
from medpipe.core.source import GeometryNote, Source, SourceKind, flags_of_notes

MAKER = Maker(name="load", version="1")
TILT = GeometryNote(code=Code.W_TILT, message="tilted", found="15 degrees")
COPIES = GeometryNote(code=Code.W_DUPLICATE, message="copies dropped", found="2 files")


def test_flag_says_what_the_note_says() -> None:
    (made,) = flags_of_notes((TILT,), source="image", maker=MAKER)
    assert (made.flag, made.message, made.found) == (Code.W_TILT, "tilted", "15 degrees")
    assert (made.source, made.made_by) == ("image", MAKER)


def test_second_note_of_a_code_gets_a_number() -> None:
    flags = flags_of_notes((TILT, COPIES, TILT), source="image", maker=MAKER)
    assert [item.id for item in flags] == [
        "load/image/w_tilt",
        "load/image/w_duplicate",
        "load/image/w_tilt/2",
    ]
    FindingsRecord(study="st-1", findings=flags)


def test_notes_are_added_to_a_copy() -> None:
    source = Source(kind=SourceKind.DICOM, notes=(TILT,))
    assert source.with_notes(COPIES).notes == (TILT, COPIES)
    assert source.notes == (TILT,)


def test_source_is_read_back_equal() -> None:
    source = Source(kind=SourceKind.NIFTI, sha256="0" * 64, notes=(TILT,), acquisition={"kvp": "120"})
    assert Source.model_validate_json(source.model_dump_json()) == source


def windowed(centre: str, width: str) -> Source:
    return Source(kind=SourceKind.DICOM, acquisition={"window_centre": centre, "window_width": width})


def test_window_is_the_first_of_the_header() -> None:
    # PS3.3 C.11.2.1.2.1: centre 40.5 and width 81 show 0 to 80.
    assert windowed("40.5", "81").window == (0.0, 80.0)
    assert windowed("40.5\\600", "81\\2800").window == (0.0, 80.0)


@pytest.mark.parametrize(("centre", "width"), [("", "80"), ("40", "1"), ("nan", "80"), ("forty", "80")])
def test_window_that_shows_nothing_is_none(centre: str, width: str) -> None:
    assert windowed(centre, width).window is None
