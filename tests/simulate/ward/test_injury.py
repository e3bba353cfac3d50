"""Exposures and injuries: odds, order of harm, healing."""

from dataclasses import replace

import numpy as np
import pytest

from medpipe.simulate.ward.injury import filtration_share, tubular_function
from medpipe.simulate.ward.insult import Exposure, Injury, InsultKind, draw_insults, harm_probability
from medpipe.simulate.ward.patient import draw_patient

HOURS = np.arange(0.0, 600.0)
INJURY = Injury(
    tubular_from_h=10.0,
    lead_h=12.0,
    tubular_harm=0.8,
    loss=0.5,
    build_h=20.0,
    hold_h=30.0,
    recovery_h=40.0,
    lasting=0.2,
)
HEALTHY = replace(
    draw_patient(np.random.default_rng(0)),
    age_years=65.0,
    has_ckd=False,
    has_diabetes=False,
    has_heart_failure=False,
)
INFECTION = Exposure(InsultKind.SEPSIS, 0.0, 100.0, 0.5)


class TestCourse:
    def test_the_kidney_is_well_before(self) -> None:
        assert (tubular_function(HOURS, [INJURY])[:11] == 1.0).all()
        assert (filtration_share(HOURS, [INJURY])[:23] == 1.0).all()

    def test_tubules_suffer_first(self) -> None:
        tubules, filtration = tubular_function(HOURS, [INJURY]), filtration_share(HOURS, [INJURY])
        # Half of the way at 10 + 20 / 2, and 12 h later.
        assert tubules[20] == pytest.approx(1.0 - 0.8 / 2)
        assert filtration[20] == 1.0
        assert filtration[32] == pytest.approx(1.0 - 0.5 / 2)

    def test_the_worst_is_held(self) -> None:
        held = filtration_share(HOURS, [INJURY])[42:73]
        np.testing.assert_allclose(held, 0.5)

    def test_healing_leaves_what_lasts(self) -> None:
        filtration = filtration_share(HOURS, [INJURY])
        # 40 h after the hold: 0.2 of the loss stays, 1 / e of the rest is left.
        assert filtration[112] == pytest.approx(1.0 - 0.5 * (0.2 + 0.8 / np.e))
        assert filtration[-1] == pytest.approx(1.0 - 0.5 * 0.2, abs=1e-4)

    def test_two_injuries_multiply(self) -> None:
        np.testing.assert_allclose(filtration_share(HOURS, [INJURY, INJURY])[42:73], 0.25)

    def test_disturbed_tubules_leave_filtration_alone(self) -> None:
        mild = replace(INJURY, loss=0.0)
        assert (filtration_share(HOURS, [mild]) == 1.0).all()
        assert tubular_function(HOURS, [mild]).min() == pytest.approx(0.2)


class TestOdds:
    def test_without_illness_they_are_those_of_the_kind(self) -> None:
        # Log odds of -2.1: 1 / (1 + e^2.1).
        assert harm_probability(INFECTION, HEALTHY, [INFECTION]) == pytest.approx(0.1091, abs=1e-4)

    @pytest.mark.parametrize("illness", ["has_ckd", "has_diabetes", "has_heart_failure"])
    def test_illness_raises_them(self, illness: str) -> None:
        ill = replace(HEALTHY, **{illness: True})
        assert harm_probability(INFECTION, ill, [INFECTION]) > harm_probability(
            INFECTION, HEALTHY, [INFECTION]
        )

    def test_severity_and_age_raise_them(self) -> None:
        well = harm_probability(INFECTION, HEALTHY, [INFECTION])
        assert harm_probability(replace(INFECTION, severity=0.9), HEALTHY, [INFECTION]) > well
        assert harm_probability(INFECTION, replace(HEALTHY, age_years=85.0), [INFECTION]) > well

    @pytest.mark.parametrize(("start_h", "counts"), [(50.0, True), (101.0, False)])
    def test_another_exposure_counts_while_it_goes_along(self, start_h: float, counts: bool) -> None:
        other = Exposure(InsultKind.CONTRAST, start_h, start_h + 1.0)
        alone = harm_probability(INFECTION, HEALTHY, [INFECTION])
        assert (harm_probability(INFECTION, HEALTHY, [INFECTION, other]) > alone) is counts

    def test_an_exposure_of_four_days_ago_still_counts(self) -> None:
        contrast = Exposure(InsultKind.CONTRAST, 190.0, 190.5)
        alone = harm_probability(contrast, HEALTHY, [contrast])
        assert harm_probability(contrast, HEALTHY, [contrast, INFECTION]) > alone  # 90 h after its end
        later = replace(contrast, start_h=197.0, end_h=197.5)
        assert harm_probability(later, HEALTHY, [later, INFECTION]) == alone


def test_a_short_course_of_a_slow_poison_is_harmless() -> None:
    rng = np.random.default_rng(0)
    short = [Exposure(InsultKind.AMINOGLYCOSIDE, 0.0, 60.0)] * 200
    assert all(one.injury is None for one in draw_insults(rng, short, HEALTHY))
    long = [replace(one, end_h=240.0) for one in short]
    assert any(one.is_harmful for one in draw_insults(rng, long, HEALTHY))


def test_some_exposures_disturb_the_tubules_and_no_more() -> None:
    drawn = draw_insults(np.random.default_rng(0), [INFECTION] * 400, HEALTHY)
    mild = [one for one in drawn if one.injury is not None and not one.is_harmful]
    assert 40 < len(mild) < 200
    assert all(one.injury is not None and one.injury.tubular_harm <= 0.6 for one in mild)
