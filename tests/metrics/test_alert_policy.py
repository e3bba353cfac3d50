"""Alert policies: what they hold back, and what that costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import ShapeError
from medpipe.metrics.alert_policy import AlertPolicy, policy_outcome, simulate_policy, sweep_thresholds
from medpipe.metrics.alerts import alerts_at
from medpipe.metrics.risk_steps import RiskSteps, risk_steps

# One patient, a step every 6 h to 42 h, onset at 48 h; horizon 24 h, so that steps from 24 h on are positive.
HOURS = [0, 6, 12, 18, 24, 30, 36, 42]
STAY = risk_steps(
    [0] * 8, HOURS, [0.8] * 8, [0] * 4 + [1] * 4, horizon_h=24, onset_patients=[0], onset_h=[48]
)


def hours_of(policy: AlertPolicy, steps: RiskSteps = STAY) -> list[float]:
    return steps.time_h[simulate_policy(steps, policy)].tolist()


class TestSimulation:
    def test_threshold_alone_holds_nothing_back(self) -> None:
        assert hours_of(AlertPolicy(0.8)) == HOURS
        assert hours_of(AlertPolicy(0.81)) == []

    def test_refractory_hours_end_with_an_alert_at_their_end(self) -> None:
        assert hours_of(AlertPolicy(0.5, refractory_h=12)) == [0, 12, 24, 36]
        assert hours_of(AlertPolicy(0.5, refractory_h=13)) == [0, 18, 36]

    def test_limit_holds_in_any_24_hours(self) -> None:
        assert hours_of(AlertPolicy(0.5, max_per_day=2)) == [0, 6, 24, 30]
        assert hours_of(AlertPolicy(0.5, refractory_h=18, max_per_day=2)) == [0, 18, 36]
        assert hours_of(AlertPolicy(0.5, refractory_h=10, max_per_day=1)) == [0, 24]

    def test_patients_do_not_hold_each_other_back(self) -> None:
        steps = risk_steps([0, 1, 1], [10, 11, 12], [1, 1, 1], [0, 0, 0], horizon_h=24)
        assert simulate_policy(steps, AlertPolicy(0.5, refractory_h=200)).tolist() == [True, True, False]


class TestOutcome:
    OUTCOME = policy_outcome(STAY, AlertPolicy(0.5, refractory_h=20))

    def test_alerts_are_counted(self) -> None:
        # At 0 h, false, and at 24 h, true; the stay has 8 steps of 6 h, two days.
        assert (self.OUTCOME.num_alerts, self.OUTCOME.num_true, self.OUTCOME.num_false) == (2, 1, 1)
        assert self.OUTCOME.per_patient_day == 1.0
        assert self.OUTCOME.false_per_true == 1.0

    def test_episode_is_found_a_day_ahead(self) -> None:
        assert self.OUTCOME.found_share == 1.0
        assert self.OUTCOME.median_lead_h == 24.0

    def test_alert_held_back_over_the_horizon_misses_the_episode(self) -> None:
        assert policy_outcome(STAY, AlertPolicy(0.5, refractory_h=100)).num_found == 0


def test_sweep_keeps_the_order_of_its_thresholds() -> None:
    swept = sweep_thresholds(STAY, [0.9, 0.5], refractory_h=24, max_per_day=None)
    assert [item.policy.threshold for item in swept] == [0.9, 0.5]
    assert [item.num_alerts for item in swept] == [0, 2]


@st.composite
def stays(draw: st.DrawFn) -> RiskSteps:
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 80), st.integers(0, 4)),
            min_size=1,
            max_size=60,
            unique_by=lambda row: row[:2],
        )
    )
    whose, when, risk = zip(*rows, strict=True)
    return risk_steps(whose, when, np.divide(risk, 4), [0] * len(rows), horizon_h=24)


@given(stays(), st.integers(0, 30), st.one_of(st.none(), st.integers(1, 4)))
def test_policy_holds_and_alerts_as_soon_as_it_may(
    steps: RiskSteps, refractory_h: int, max_per_day: int | None
) -> None:
    alerts = simulate_policy(steps, AlertPolicy(0.5, refractory_h, max_per_day))
    assert not (alerts & ~alerts_at(steps, 0.5)).any()
    for patient in np.unique(steps.patients):
        own = steps.patients == patient
        given_h: list[float] = []
        for hour, risk in zip(steps.time_h[own], steps.probs[own], strict=True):
            rested = not given_h or hour - given_h[-1] >= refractory_h
            today = sum(hour - earlier < 24 for earlier in given_h)
            if risk >= 0.5 and rested and (max_per_day is None or today < max_per_day):
                given_h.append(hour)
        assert steps.time_h[own & alerts].tolist() == given_h


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((1.5,), "found 1.5"),
        ((np.nan,), "found nan"),
        ((0.5, -1.0), "found -1"),
        ((0.5, np.inf), "found inf"),
        ((0.5, 0.0, 0), "found 0"),
    ],
)
def test_policies_that_cannot_be_are_refused(arguments: tuple[float, ...], match: str) -> None:
    with pytest.raises(ShapeError, match=match):
        AlertPolicy(*arguments)  # type: ignore[arg-type]
