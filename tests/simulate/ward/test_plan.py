"""What is drawn from a seed: the same again, within limits, and as often as stated."""

import numpy as np
import pytest

from medpipe.simulate.ward.exposures import PROFILES, Reason
from medpipe.simulate.ward.insult import InsultKind
from medpipe.simulate.ward.plan import WardPlan, draw_plan

COUNT = 2000
FOUR_DEVIATIONS = 4 * 0.5 / COUNT**0.5


@pytest.fixture(scope="module")
def plans() -> list[WardPlan]:
    return [draw_plan(seed) for seed in range(COUNT)]


def test_a_seed_gives_one_plan() -> None:
    assert draw_plan(5) == draw_plan(5)
    assert draw_plan(5) != draw_plan(6)


def test_stays_last_2_to_30_days(plans: list[WardPlan]) -> None:
    days = np.array([plan.end_h for plan in plans]) / 24.0
    assert 2.0 <= days.min() <= days.max() <= 30.0
    assert 4.0 < np.median(days) < 8.0


def test_injury_prolongs_the_stay_of_those_who_live(plans: list[WardPlan]) -> None:
    alive = [plan for plan in plans if not plan.dies]
    injured = [plan.end_h for plan in alive if any(one.is_harmful for one in plan.insults)]
    others = [plan.end_h for plan in alive if not any(one.is_harmful for one in plan.insults)]
    assert np.mean(injured) > np.mean(others) + 48.0


def test_patients_are_adults_within_limits(plans: list[WardPlan]) -> None:
    for plan in plans:
        assert 18.0 <= plan.patient.age_years <= 96.0
        assert 42.0 <= plan.patient.weight_kg <= 150.0
        assert plan.patient.has_ckd == (plan.patient.egfr < 60.0)
        assert 0.0 <= plan.admission_clock_h < 24.0


def test_medical_stays_are_about_as_frequent_as_stated(plans: list[WardPlan]) -> None:
    share = np.mean([plan.reason is Reason.MEDICAL for plan in plans])
    # Heart failure takes stays from the others where the heart fails, and gives some back where it does not.
    assert share == pytest.approx(PROFILES[Reason.MEDICAL].share, abs=FOUR_DEVIATIONS)


def test_every_kind_of_insult_hurts_some_and_spares_most(plans: list[WardPlan]) -> None:
    for kind in InsultKind:
        harmful = [one.is_harmful for plan in plans for one in plan.insults if one.exposure.kind is kind]
        assert np.mean(harmful) > 0
        if kind is not InsultKind.UNSEEN:
            assert np.mean(harmful) < 0.45


def test_injury_follows_its_exposure(plans: list[WardPlan]) -> None:
    for plan in plans:
        for one in plan.insults:
            assert one.injury is None or one.injury.tubular_from_h >= one.exposure.start_h
