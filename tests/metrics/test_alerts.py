"""Alerts at a threshold: two patients with an episode and one without, worked by hand."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import ShapeError
from medpipe.metrics.alerts import alerts_at, false_alerts, operating_point, thresholds_at_precisions
from medpipe.metrics.estimates import Draws
from medpipe.metrics.risk_steps import RiskSteps, risk_steps

NAN = np.nan
FEW = Draws(number=30)

# Horizon 24 h, a step every 12 h. Patient 0 falls ill at 60 h, patient 1 at 10 h, patient 2 never.
WARD = risk_steps(
    [0, 0, 0, 0, 0, 0, 1, 1, 2, 2],
    [0, 12, 24, 36, 48, 60, 0, 12, 0, 12],
    [0.9, 0.1, 0.2, 0.6, 0.9, 0.9, 0.1, 0.9, 0.7, 0.1],
    [0, 0, 0, 1, 1, NAN, 1, NAN, 0, NAN],
    horizon_h=24,
    onset_patients=[1, 0],
    onset_h=[10, 60],
)


class TestSteps:
    def test_onsets_around_each_step(self) -> None:
        assert WARD.next_onset_h.tolist() == [60] * 5 + [np.inf, 10] + [np.inf] * 3
        assert WARD.last_onset_h.tolist() == [-np.inf] * 5 + [60, -np.inf, 10] + [-np.inf] * 2

    def test_steps_after_an_onset_whose_truth_is_unknown_stay_silent(self) -> None:
        assert np.flatnonzero(~WARD.may_alert).tolist() == [5, 7]

    def test_days_are_those_of_steps_that_may_alert(self) -> None:
        assert WARD.step_h == 12
        assert WARD.patient_days == 8 * 12 / 24

    def test_order_of_the_rows_does_not_matter(self) -> None:
        order = np.array([9, 3, 0, 8, 1, 7, 2, 6, 5, 4])
        again = risk_steps(
            WARD.patients[order],
            WARD.time_h[order],
            WARD.probs[order],
            WARD.truth[order],
            horizon_h=24,
            onset_patients=[0, 1],
            onset_h=[60, 10],
        )
        assert operating_point(again, 0.5, draws=FEW) == operating_point(WARD, 0.5, draws=FEW)


class TestOperatingPoint:
    POINT = operating_point(WARD, 0.5, draws=FEW)

    def test_alerts_are_counted_by_their_truth(self) -> None:
        # True: patient 0 at 36 and 48 h. False: patient 0 at 0 h, patient 2 at 0 h.
        assert (self.POINT.num_true, self.POINT.num_false, self.POINT.num_unknown) == (2, 2, 0)
        assert self.POINT.precision.value == 0.5
        assert self.POINT.false_per_true == 1.0

    def test_steps(self) -> None:
        # Three positive steps, one of patient 1; four negative ones.
        assert self.POINT.step_sensitivity.value == pytest.approx(2 / 3)
        assert self.POINT.step_specificity.value == 0.5

    def test_one_of_two_episodes_is_found_a_day_ahead(self) -> None:
        assert self.POINT.episode_sensitivity.value == 0.5
        assert (self.POINT.num_episodes, self.POINT.num_reachable) == (2, 2)
        assert self.POINT.leads_h == (24.0,) * 5

    def test_alert_at_the_onset_or_before_the_horizon_finds_nothing(self) -> None:
        steps = risk_steps([0, 0], [0, 30], [1, 1], [0, 1], horizon_h=24, onset_patients=[0], onset_h=[30])
        assert operating_point(steps, 0.5, draws=FEW).episode_sensitivity.value == 0.0

    def test_episode_before_any_step_counts_as_missed(self) -> None:
        steps = risk_steps(
            [0, 1], [6, 0], [1, 1], [0, 1], horizon_h=24, onset_patients=[0, 1], onset_h=[2, 5]
        )
        point = operating_point(steps, 0.5, draws=FEW)
        assert (point.num_episodes, point.num_reachable) == (2, 1)
        assert point.episode_sensitivity.value == 0.5

    def test_alert_of_another_patient_finds_nothing(self) -> None:
        steps = risk_steps([0, 1], [5, 0], [1, 0], [0, 1], horizon_h=24, onset_patients=[1], onset_h=[6])
        assert operating_point(steps, 0.5, draws=FEW).episode_sensitivity.value == 0.0

    def test_two_episodes_of_a_patient_are_found_apart(self) -> None:
        steps = risk_steps(
            [0, 0, 0],
            [0, 100, 110],
            [0, 1, 1],
            [1, 1, 1],
            horizon_h=24,
            onset_patients=[0, 0],
            onset_h=[8, 120],
        )
        point = operating_point(steps, 0.5, draws=FEW)
        assert point.episode_sensitivity.value == 0.5
        assert point.leads_h[2] == 20.0

    def test_without_episodes_there_is_no_sensitivity(self) -> None:
        point = operating_point(risk_steps([0], [0], [1], [0], horizon_h=24), 0.5, draws=FEW)
        assert isnan(point.episode_sensitivity.value)
        assert isnan(point.leads_h[0])
        assert isnan(point.false_per_true)

    def test_threshold_must_be_a_number(self) -> None:
        with pytest.raises(ShapeError, match="found NaN"):
            operating_point(WARD, NAN)


class TestFalseAlerts:
    def test_each_falls_into_one_place(self) -> None:
        # Patient 0 at 0 h: its window begins at 60 - 24 = 36 h, 36 h later. Patient 2 never falls ill.
        found = false_alerts(WARD, alerts_at(WARD, 0.5))
        assert (found.early_near, found.early_far, found.late_near, found.late_far, found.never) == (
            0,
            1,
            0,
            0,
            1,
        )
        assert found.early_h == (36.0,) * 5
        assert found.total == 2

    def test_the_closer_onset_is_the_one(self) -> None:
        # Onsets at 0 and 100 h, horizon 24 h. At 60 h: 16 h early, 60 h late. At 30 h: 46 h early, 30 h late.
        steps = risk_steps(
            [0, 0], [30, 60], [1, 1], [0, 0], horizon_h=24, onset_patients=[0, 0], onset_h=[0, 100]
        )
        found = false_alerts(steps, alerts_at(steps, 0.5))
        assert (found.early_near, found.late_far) == (1, 1)
        assert (found.early_h[2], found.late_h[2]) == (16.0, 30.0)

    def test_soon_after_an_onset_is_late_and_near(self) -> None:
        steps = risk_steps([0], [20], [1], [0], horizon_h=24, onset_patients=[0], onset_h=[0])
        assert false_alerts(steps, alerts_at(steps, 0.5)).late_near == 1


def test_thresholds_are_found_on_the_data() -> None:
    # Precision 1/1, 1/2, 1/3, 2/4 at 0.9, 0.8, 0.7, 0.6.
    found = thresholds_at_precisions([0.9, 0.8, 0.7, 0.6], [1, 0, 0, 1], (0.2, 0.5, 0.75))
    assert found == (0.6, 0.6, 0.9)
    assert isnan(thresholds_at_precisions([0.9, 0.8], [0, 1], (0.75,))[0])


@st.composite
def wards(draw: st.DrawFn) -> RiskSteps:
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 3), st.integers(0, 40), st.integers(0, 10), st.sampled_from([0, 1, NAN])
            ),
            min_size=1,
            max_size=30,
            unique_by=lambda row: row[:2],
        )
    )
    onsets = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), max_size=5, unique=True))
    whose, when, risk, truth = zip(*rows, strict=True)
    return risk_steps(
        whose,
        np.multiply(when, 3),
        np.divide(risk, 10),
        truth,
        horizon_h=24,
        onset_patients=[patient for patient, _ in onsets],
        onset_h=[hour for _, hour in onsets],
    )


@given(wards(), st.integers(0, 10))
def test_leads_are_those_of_a_plain_search(steps: RiskSteps, tenths: int) -> None:
    alerts = alerts_at(steps, tenths / 10)
    for patient, onset, lead in zip(steps.onset_patients, steps.onset_h, steps.leads_h(alerts), strict=True):
        before = onset - steps.time_h[alerts & (steps.patients == patient)]
        inside = before[(before > 0) & (before <= 24)]
        assert lead == inside.max() if len(inside) else isnan(lead)


@given(wards())
def test_a_lower_threshold_finds_no_fewer_episodes(steps: RiskSteps) -> None:
    found = [(~np.isnan(steps.leads_h(alerts_at(steps, tenths / 10)))).sum() for tenths in range(11)]
    assert found == sorted(found, reverse=True)


@given(wards(), st.integers(0, 10))
def test_false_alerts_are_all_placed(steps: RiskSteps, tenths: int) -> None:
    alerts = alerts_at(steps, tenths / 10)
    assert false_alerts(steps, alerts).total == int((alerts & (steps.truth == 0)).sum())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"probs": [1.5]}, "1.5 to 1.5"),
        ({"probs": [NAN]}, "between 0 and 1"),
        ({"truth": [2]}, "Truth is 0, 1 or NaN"),
        ({"time_h": [NAN]}, "times are finite"),
        ({"time_h": [1, 2]}, r"\(2,\)"),
        ({"patients": [], "time_h": [], "probs": [], "truth": []}, "at least one"),
        ({"onset_patients": [0], "onset_h": [NAN]}, "finite onset"),
        ({"horizon_h": 0}, "horizon is above zero"),
    ],
)
def test_steps_of_another_form_are_refused(change: dict[str, object], match: str) -> None:
    good = {"patients": [0], "time_h": [0.0], "probs": [0.5], "truth": [1], "horizon_h": 24.0}
    with pytest.raises(ShapeError, match=match):
        risk_steps(**{**good, **change})  # type: ignore[arg-type]
