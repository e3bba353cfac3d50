"""Times as text: hours, moments, moments with a zone, and mixtures of them."""

import numpy as np
import pyarrow as pa
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records.event_times import TimeForm, TimeReader


def read(*texts: str) -> list[object]:
    times: list[object] = TimeReader("own.csv").read(pa.array(texts, pa.string())).tolist()
    return times


def moments(*texts: str) -> list[object]:
    found: list[object] = np.array(texts, dtype="datetime64[us]").tolist()
    return found


def test_numbers_are_hours() -> None:
    assert read("0", " 1.5 ", "-3", "2e1") == [0.0, 1.5, -3.0, 20.0]


@pytest.mark.parametrize("text", ["2026-03-01T14:30:00", "2026-03-01 14:30", "2026-03-01T14:30:00.000000"])
def test_moments_without_a_zone_are_as_written(text: str) -> None:
    assert read(text) == moments("2026-03-01T14:30")


def test_date_alone_is_its_midnight() -> None:
    assert read("2026-03-01") == moments("2026-03-01T00:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T14:30:00Z", "2026-03-01T14:30:00"),
        ("2026-03-01 15:30+01:00", "2026-03-01T14:30:00"),
        ("2026-03-01T09:00:00-0530", "2026-03-01T14:30:00"),
        ("2026-03-02T00:30:00.5+10", "2026-03-01T14:30:00.5"),
    ],
)
def test_moments_with_zones_become_utc(text: str, expected: str) -> None:
    assert read(text) == moments(expected)


def test_zones_may_differ() -> None:
    # The hour that is there twice when summer time ends is told apart by its zone.
    assert read("2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00") == moments(
        "2026-10-25T00:30", "2026-10-25T01:30"
    )


def test_empty_texts_are_no_times() -> None:
    hours = TimeReader("x").read(pa.array(["", "1"], pa.string()))
    assert np.isnan(hours).tolist() == [True, False]
    times = TimeReader("x").read(pa.array(["2026-01-01", " "], pa.string()))
    assert np.isnat(times).tolist() == [False, True]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (("2026-03-01T14:30:00Z", "2026-03-01T14:30:00"), "moments without a time zone"),
        (("2026-03-01T14:30:00", "2026-03-01T14:30:00+01:00"), "moments with a time zone"),
        (("1.5", "2026-03-01"), "moments without a time zone"),
        (("2026-03-01", "1.5"), "hours as numbers"),
    ],
)
def test_two_forms_are_refused(texts: tuple[str, str], found: str) -> None:
    with pytest.raises(SettingsError, match=f"two forms, .* before row 2: found {found}") as caught:
        read(*texts)
    assert caught.value.code is Code.E_TIME


def test_form_holds_over_batches_and_rows_are_counted() -> None:
    reader = TimeReader("own.csv")
    reader.read(pa.array(["1", "2", "3"], pa.string()))
    with pytest.raises(SettingsError, match="before row 5"):
        reader.read(pa.array(["4", "2026-03-01"], pa.string()))
    assert reader.form is TimeForm.HOURS


@pytest.mark.parametrize("text", ["", "noon", "01.03.2026", "2026-3-1", "14:30"])
def test_what_is_no_time_is_refused_without_telling_it(text: str) -> None:
    with pytest.raises(SettingsError, match="a time cannot be read") as caught:
        read(text)
    assert "2026" not in caught.value.found


@pytest.mark.parametrize("text", ["2026-02-30", "2026-01-01T25:00", "2026-01-01T12:00:00+99:00"])
def test_what_is_in_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"not in the calendar: found among rows 1 to 1\. Mend"):
        read(text)
