"""The page of a run over health records: counts add up, the highest risk comes first, nothing is markup."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medpipe.core.errors import ShapeError
from medpipe.core.findings import NOT_FOR_DIAGNOSIS
from medpipe.reports.kidney_cohort import (
    MAX_ROWS,
    KidneyCohort,
    KidneyStay,
    RefusedPatient,
    write_kidney_cohort_page,
)

EVIL = "<script>alert(1)</script>"
STAYS = (
    KidneyStay("p-low", highest_risk=0.04, followed_h=48.0),
    KidneyStay("p-none", followed_h=0.0),
    KidneyStay(
        "p-high",
        "2",
        highest_risk=0.91,
        num_alerts=3,
        followed_h=24.0,
        first_alert_h=12.0,
        onset_h=42.5,
        page="stays/p-high.html",
    ),
    KidneyStay(EVIL, highest_risk=0.5, num_alerts=1, followed_h=24.0, first_alert_h=6.0, page="../x.html"),
)


def cohort(**changes: Any) -> KidneyCohort:
    fields: dict[str, Any] = {
        "run": "run-1",
        "model": "aki 1.0.0",
        "alert_horizon_h": 48.0,
        "threshold": 0.5,
        "num_shards": 3,
        "num_patients": 5,
        "stays": STAYS,
    }
    return KidneyCohort(**{**fields, **changes})


@pytest.fixture
def page_of(tmp_path: Path, read_page: Callable[[Path], Any]) -> Callable[..., Any]:
    """Return a function that writes the page of a run and reads it."""

    def build(**changes: Any) -> Any:
        write_kidney_cohort_page(cohort(**changes), tmp_path / "index.html")
        page = read_page(tmp_path / "index.html")
        page.assert_safe()
        return page

    return build


def test_highest_risk_comes_first_and_unknown_last(page_of: Callable[..., Any]) -> None:
    keys = [tag["data-key"] for tag in page_of().all("th") if "data-key" in tag]
    assert keys == ["p-high", EVIL, "p-low", "p-none"]


def test_alerts_a_patient_day(page_of: Callable[..., Any]) -> None:
    assert cohort().alerts_per_patient_day == 1.0  # four alerts in 96 hours
    assert "4 alerts in 4 patient-days: 1 a patient-day." in page_of().text


def test_nobody_followed_has_no_rate(page_of: Callable[..., Any]) -> None:
    page = page_of(stays=())
    assert cohort(stays=()).alerts_per_patient_day is None
    for words in ("not known", "No stays.", "No stay has a risk.", "no alerts in 0 patient-days."):
        assert words in page.text


def test_row_states_risk_alerts_and_lead_time(page_of: Callable[..., Any]) -> None:
    text = page_of().text.replace("\u202f", " ")
    for words in ("91.0 %", "12 h", "42.5 h", "30.5 h", "4.0 %", "2 (50.0 %)", NOT_FOR_DIAGNOSIS):
        assert words in text


def test_only_pages_below_are_linked(page_of: Callable[..., Any]) -> None:
    links = [tag["href"] for tag in page_of().all("a") if not tag["href"].startswith("#")]
    assert links == ["./stays/p-high.html"]


def test_histogram_parts_stays_with_a_known_injury(page_of: Callable[..., Any]) -> None:
    (picture,) = page_of().all("img")
    assert "3 stays: 2 reach the threshold of 0.50, 1 of them with a known injury" in picture["alt"]


def test_hostile_words_are_text(page_of: Callable[..., Any]) -> None:
    page = page_of(
        run=EVIL,
        refused=(RefusedPatient(EVIL, "E_RECORD", EVIL),),
        left_out={EVIL: 1},
        unknown_codes={EVIL: 1},
        facts={EVIL: EVIL},
    )
    assert page.text.count(EVIL) >= 8
    assert len(page.all("script")) == 1


def test_what_is_left_out_is_counted_largest_first(page_of: Callable[..., Any]) -> None:
    page = page_of(
        refused=(RefusedPatient("p-bad", "E_RECORD", "Birth lies after admission."),),
        rows_kept=12345,
        left_out={"beyond limits": 5, "unknown code": 1200},
        unknown_codes={"LAB//9": 1100, "LAB//8": 100},
    )
    text = page.text.replace("\u202f", " ")
    for words in ("12 345 rows used, 1 205 rows left out", "2 codes not known", "p-bad", "E_RECORD"):
        assert words in text
    assert text.index("unknown code") < text.index("beyond limits")
    assert text.index("LAB//9") < text.index("LAB//8")


def test_long_tables_are_cut_at_the_highest_risks(page_of: Callable[..., Any]) -> None:
    stays = [KidneyStay(f"p-{number:04d}", highest_risk=number / 2000) for number in range(MAX_ROWS + 50)]
    page = page_of(stays=stays)
    keys = [tag["data-key"] for tag in page.all("th") if "data-key" in tag]
    assert (len(keys), keys[0], keys[-1]) == (MAX_ROWS, "p-1049", "p-0050")
    assert "1\u202f000 stays of the highest risk are listed" in page.text


@pytest.mark.parametrize(
    ("stay", "found"),
    [
        (KidneyStay("p", highest_risk=1.2), "1.2"),
        (KidneyStay("p", highest_risk=float("nan")), "nan"),
        (KidneyStay("p", followed_h=float("nan")), "0 in nan h"),
        (KidneyStay("p", num_alerts=-1), "-1 in"),
    ],
)
def test_impossible_numbers_are_refused(tmp_path: Path, stay: KidneyStay, found: str) -> None:
    with pytest.raises(ShapeError, match=found):
        write_kidney_cohort_page(cohort(stays=(stay,)), tmp_path / "index.html")
