"""Calibrated probabilities and their intervals, by hand."""

import math

import pytest
from pydantic import ValidationError

from medpipe.core.calibration import LogitCalibration


def calibration(**changes: object) -> LogitCalibration:
    fields = {"slope": 0.5, "offset": -1.0, "covariance": (0.04, -0.02, 0.09), "num_cases": 120}
    return LogitCalibration.model_validate({**fields, **changes})


def sigmoid(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def test_probability_follows_the_line() -> None:
    assert calibration().probability(2.0) == 0.5
    assert calibration().probability(4.0) == pytest.approx(sigmoid(1.0))


def test_interval_is_that_of_the_log_odds() -> None:
    # At logit 2 the variance is 0.04 * 4 - 2 * 0.02 * 2 + 0.09 = 0.17.
    found = calibration().interval(2.0)
    reach = 1.959964 * math.sqrt(0.17)
    assert (found.low, found.high) == pytest.approx((sigmoid(-reach), sigmoid(reach)), abs=1e-6)
    assert (found.level, found.method) == (0.95, "calibration")


def test_a_lower_level_is_narrower_and_holds_the_probability() -> None:
    narrow, wide = calibration().interval(5.0, 0.5), calibration().interval(5.0)
    assert wide.low < narrow.low < calibration().probability(5.0) < narrow.high < wide.high


def test_logits_far_out_stay_probabilities() -> None:
    for logit in (-1e5, 1e5):
        found = calibration().interval(logit)
        assert 0.0 <= found.low <= calibration().probability(logit) <= found.high <= 1.0


@pytest.mark.parametrize("covariance", [(-0.1, 0.0, 0.1), (0.1, 0.2, 0.1), (math.nan, 0.0, 0.1)])
def test_a_covariance_that_cannot_be_is_refused(covariance: tuple[float, float, float]) -> None:
    with pytest.raises(ValidationError):
        calibration(covariance=covariance)
