"""Pages of stays: alerts, lead times, labs and drivers are on them, and nothing of it is markup."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe.core.findings import NOT_FOR_DIAGNOSIS, Maker
from medpipe.core.trajectory import (
    Driver,
    ForecastMaxima,
    KnownOnset,
    MeasuredCourse,
    StayFacts,
    StayTrajectory,
    StepDrivers,
)
from medpipe.reports.driver_cards import BAR_WIDTH, MAX_CARDS, driver_cards
from medpipe.reports.stay_words import format_risk, lead_words, plain_name
from medpipe.reports.trajectory import write_trajectory_page

EVIL = "<script>alert(1)</script>"
NAN = float("nan")
FIELDS: dict[str, Any] = {
    "patient_id": "p-1",
    "start_h": 100.0,
    "facts": StayFacts(sex="F", age_years=71.26, unit="MICU"),
    "horizons_h": (24.0, 48.0),
    "end_h": (106.0, 112.0, 118.0),
    "probs": ((0.1, 0.2), (0.4, 0.5), (0.1, 0.6)),
    "low": ((0.1, 0.1), (0.3, 0.45), (NAN, NAN)),
    "high": ((0.1, 0.3), (0.4, 0.55), (NAN, NAN)),
    "alert_horizon_h": 48.0,
    "threshold": 0.45,
    "alerts": (112.0, 118.0),
    "onsets": (KnownOnset(hour=142.0, stage=2),),
    "measured": (
        MeasuredCourse(
            name="creatinine", unit="umol/L", hours=(99.0, 110.0, 130.0), values=(80.0, 91.26, 133.0)
        ),
        MeasuredCourse(name="urine", unit="mL", hours=(110.0,), values=(200.0,)),
    ),
    "forecast": (
        ForecastMaxima(name="creatinine", unit="umol/L", maxima=np.full((3, 2), 100.0)),
        ForecastMaxima(name="potassium", unit="mmol/L", maxima=np.full((3, 2), 4.5)),
    ),
    "drivers": (
        StepDrivers(
            hour=112.0,
            drivers=(
                Driver(variable="creatinine", log_odds=0.69315),
                Driver(variable="mean_pressure", log_odds=-1.2, value=95.0, unit="mmHg"),
                Driver(variable="phosphate", log_odds=0.01),
            ),
        ),
    ),
    "made_by": Maker(name="aki", version="1.0.0"),
}
BARE = {
    "facts": StayFacts(),
    "low": (),
    "high": (),
    "alerts": (),
    "onsets": (),
    "measured": (),
    "forecast": (),
    "drivers": (),
}


def stay(**changes: Any) -> StayTrajectory:
    return StayTrajectory(**{**FIELDS, **changes})


@pytest.fixture
def page_of(tmp_path: Path, read_page: Callable[[Path], Any]) -> Callable[..., Any]:
    """Return a function that writes the page of a stay and reads it."""

    def build(**changes: Any) -> Any:
        write_trajectory_page(stay(**changes), tmp_path / "stay.html")
        page = read_page(tmp_path / "stay.html")
        page.assert_safe()
        return page

    return build


class TestPage:
    def test_alerts_stand_with_risk_interval_and_lead_time(self, page_of: Callable[..., Any]) -> None:
        page = page_of()
        text = page.text.replace("\u202f", " ")
        # Alerts at 12 h and 18 h of the stay, the injury at 42 h.
        for words in ("12 h", "50.0 %", "45.0 % to 55.0 %", "30 h", "24 h", "within 48 h before stage 2"):
            assert words in text
        assert page.text.count("▼ 1") == page.text.count("▼ 2") == 1
        assert "2, first at 12 h" in text
        assert "female, 71.3 years, MICU" in text
        assert "stage 2 at 42 h" in text
        assert NOT_FOR_DIAGNOSIS in text
        assert "aki 1.0.0" in text

    def test_interval_without_width_is_not_told(self, page_of: Callable[..., Any]) -> None:
        page = page_of(low=FIELDS["probs"], high=FIELDS["probs"])
        assert "50.0 % to" not in page.text.replace("\u202f", " ")

    def test_charts_are_risk_then_creatinine_then_others(self, page_of: Callable[..., Any]) -> None:
        alts = [tag["alt"] for tag in page_of().all("img")]
        assert [alt.split(" ")[0] for alt in alts] == ["Risk", "Creatinine:", "Potassium:"]
        assert "Urine: 1 measured" in alts[2]
        assert "µmol/L" in alts[1]

    def test_drivers_have_plain_names_last_values_and_signs(self, page_of: Callable[..., Any]) -> None:
        text = page_of().text.replace("\u202f", " ")
        for words in ("Mean pressure", "95 mmHg", "−1.20", "odds × 0.3", "91.3 µmol/L", "+0.69", "odds × 2"):
            assert words in text
        assert "20.0 % → 50.0 %" in text
        assert "Creatinine, Phosphate" in text  # what raised the first alert most

    def test_hostile_words_are_text(self, page_of: Callable[..., Any]) -> None:
        page = page_of(
            patient_id=EVIL,
            stay=EVIL,
            facts=StayFacts(sex=EVIL, unit="\u202eward"),
            interval=EVIL,
            measured=(MeasuredCourse(name=EVIL, unit="$x_1$", hours=(110.0,), values=(1.0,)),),
            forecast=(),
            drivers=(
                StepDrivers(hour=112.0, drivers=(Driver(variable=EVIL, log_odds=1, value=1, unit=EVIL),)),
            ),
            made_by=Maker(name=EVIL, version="1"),
        )
        assert not page.all("script")
        assert page.text.count(EVIL) >= 6
        assert "⟨U+202E⟩ward" in page.text

    def test_bare_stay_says_what_there_is_not(self, page_of: Callable[..., Any]) -> None:
        page = page_of(**BARE)
        text = page.text.replace("\u202f", " ")
        for words in ("No alerts at a threshold of 45.0 % within 48 h.", "none known", "not stated"):
            assert words in text
        assert len(page.all("img")) == 1
        assert "#labs" not in [tag["href"] for tag in page.all("a")]
        assert "#drivers" not in [tag["href"] for tag in page.all("a")]

    def test_stay_without_steps_has_a_page(self, page_of: Callable[..., Any]) -> None:
        page = page_of(**BARE, end_h=(), probs=())
        assert "The stay has no step" in page.text
        assert "no steps" in page.text
        assert not page.all("img")

    def test_one_step_and_unknown_risks(self, page_of: Callable[..., Any]) -> None:
        page = page_of(**BARE, end_h=(106.0,), probs=((NAN, NAN),))
        assert "1 step" in page.text
        assert "–" in page.text

    def test_five_hundred_steps_with_an_alert_each(self, page_of: Callable[..., Any]) -> None:
        ends = 100.0 + 6.0 * np.arange(1, 501)
        page = page_of(**{**BARE, "end_h": ends, "probs": np.full((500, 2), 0.5), "alerts": ends})
        assert "480 later alerts" in page.text
        assert "▼ 500" in page.text


class TestWords:
    def test_lead_time_is_to_the_next_injury(self) -> None:
        onsets = (KnownOnset(hour=110.0, stage=1), KnownOnset(hour=161.0, stage=3))
        lead, meaning = lead_words(stay(onsets=onsets), 112.0)
        assert (lead, meaning) == ("49\u202fh", "more than 48\u202fh before stage 3")
        lead, meaning = lead_words(stay(onsets=onsets), 113.0)
        assert (lead, meaning) == ("48\u202fh", "within 48\u202fh before stage 3")

    def test_alert_at_or_after_the_last_injury_has_none(self) -> None:
        onsets = (KnownOnset(hour=112.0, stage=1),)
        assert lead_words(stay(onsets=onsets), 112.0) == ("–", "after the injury at 12\u202fh")
        assert lead_words(stay(onsets=()), 112.0) == ("–", "no injury known")

    @pytest.mark.parametrize(
        ("risk", "text"),
        [
            (None, "–"),
            (0.0, "0.0 %"),
            (0.0004, "<0.1 %"),
            (0.123, "12.3 %"),
            (0.9996, ">99.9 %"),
            (1.0, "100.0 %"),
        ],
    )
    def test_risks_are_never_rounded_to_none_or_certain(self, risk: float | None, text: str) -> None:
        assert format_risk(risk).replace("\u202f", " ") == text

    def test_names(self) -> None:
        names = [plain_name(name) for name in ("ph", "inr", "oxygen_saturation", "c_reactive_protein")]
        assert names == ["pH", "INR", "Oxygen saturation", "C-reactive protein"]


class TestDrivers:
    def test_bars_lie_on_one_scale_around_the_middle(self) -> None:
        (card,) = driver_cards(stay())
        strongest, second, third = card.bars
        assert (strongest.name, strongest.start, strongest.width) == ("Mean pressure", 0.0, BAR_WIDTH / 2)
        assert (second.start, second.raises) == (BAR_WIDTH / 2, True)
        assert second.width == pytest.approx(BAR_WIDTH / 2 * 0.69315 / 1.2, abs=0.01)
        assert third.last == ""

    def test_extreme_driver_leaves_the_others_visible(self) -> None:
        drivers = (Driver(variable="a", log_odds=900.0), Driver(variable="b", log_odds=-1.5))
        (card,) = driver_cards(stay(drivers=(StepDrivers(hour=112.0, drivers=drivers),)))
        assert [bar.width for bar in card.bars] == [BAR_WIDTH / 2, BAR_WIDTH / 4]

    def test_alerts_are_kept_before_rises(self) -> None:
        ends = 100.0 + np.arange(1, 21)
        steps = tuple(StepDrivers(hour=hour, drivers=()) for hour in ends)
        probs = np.repeat(np.linspace(0.0, 0.9, 20)[:, None] ** 2, 2, axis=1)
        cards = driver_cards(
            stay(**{**BARE, "end_h": ends, "probs": probs, "alerts": ends[:2], "drivers": steps})
        )
        assert len(cards) == MAX_CARDS
        assert [card.is_alert for card in cards] == [True] * 2 + [False] * (MAX_CARDS - 2)
        # The rises grow with time: the last ten are the largest, in the order of time.
        assert [card.title for card in cards[2:4]] == [
            "Change of risk at 11\u202fh",
            "Change of risk at 12\u202fh",
        ]

    def test_weak_drivers_are_summed_up(self) -> None:
        drivers = tuple(Driver(variable=f"v{number}", log_odds=1 + number / 8) for number in range(10))
        (card,) = driver_cards(stay(drivers=(StepDrivers(hour=112.0, drivers=drivers),)))
        assert [bar.name for bar in card.bars[:2]] == ["V9", "V8"]
        assert card.others == "2 more, together +2.12"

    def test_value_measured_later_is_not_shown(self) -> None:
        drivers = (Driver(variable="urine", log_odds=1.0),)
        (card,) = driver_cards(stay(drivers=(StepDrivers(hour=106.0, drivers=drivers),)))
        assert card.bars[0].last == "not measured yet"
