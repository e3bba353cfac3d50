"""Calibration of an ensemble: curves that rise, and bounds by the spread of its networks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.isotonic import IsotonicCurve
from medpipe.core.risk_spread import REACH, calibrated
from medpipe.training.kidney.calibration import fit_curves, fit_isotonic

STRAIGHT = IsotonicCurve(thresholds=(0.0, 1.0), values=(0.0, 1.0), num_cases=1)


def test_curve_is_the_share_of_pooled_scores() -> None:
    # Outcomes 0, 1, 0, 1 at rising scores: the middle two are out of order and share their mean.
    curve = fit_isotonic(np.array([0.1, 0.2, 0.3, 0.4, 0.9]), np.array([0.0, 1.0, 0.0, 1.0, np.nan]))
    assert curve([0.1, 0.2, 0.3, 0.4]).tolist() == [0, 0.5, 0.5, 1]
    assert curve.num_cases == 4


@given(
    st.lists(st.tuples(st.floats(-4, 4), st.sampled_from([0.0, 1.0, np.nan])), min_size=1).filter(
        lambda pairs: any(outcome == outcome for _, outcome in pairs)
    )
)
def test_curve_never_falls(pairs: list[tuple[float, float]]) -> None:
    scores, truth = np.array(pairs).T
    found = fit_isotonic(scores, truth)(np.linspace(-5, 5, 50))
    assert (np.diff(found) >= 0).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_bounds_are_1_96_deviations_of_the_log_odds() -> None:
    logits = np.array([[[-1.0]], [[0.0]], [[1.0]]])  # mean 0, standard deviation 1
    risks = calibrated(logits, (STRAIGHT,))
    assert risks.probs[0, 0] == 0.5
    assert risks.high[0, 0] == pytest.approx(1 / (1 + np.exp(-REACH)))
    assert risks.low[0, 0] == pytest.approx(1 / (1 + np.exp(REACH)))


def test_one_network_has_no_spread() -> None:
    risks = calibrated(np.array([[[0.3]]]), (STRAIGHT,))
    assert risks.low == risks.probs == risks.high


def test_risks_do_not_fall_with_the_horizon() -> None:
    level = IsotonicCurve(thresholds=(0.0,), values=(0.2,), num_cases=1)
    risks = calibrated(np.zeros((1, 4, 2)), (STRAIGHT, level))
    assert risks.probs.tolist() == [[0.5, 0.5]] * 4


def test_each_horizon_has_its_own_curve() -> None:
    truth = np.array([[0.0, 0.0], [0.0, 1.0]])
    low, high = fit_curves(np.array([[[-1.0, -1.0], [1.0, 1.0]]]), truth)
    assert (low(1.0), high(1.0)) == (0, 1)
