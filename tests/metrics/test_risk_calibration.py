"""Calibration of risks: worked by hand, small where risks keep their word."""

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.metrics.classification import calibration_error
from medpipe.metrics.estimates import Draws
from medpipe.metrics.risk_calibration import risk_calibration

FEW = Draws(number=30)


def test_errors_of_three_steps() -> None:
    # Below a half: 0.2 and 0.4, mean 0.3, one of two positive: 0.2 off. Above: 0.9, positive: 0.1 off.
    found = risk_calibration([0.2, 0.4, 0.9], [0, 1, 1], ["a", "a", "b"], num_bins=2, draws=FEW)
    assert found.expected_error.value == pytest.approx((2 * 0.2 + 1 * 0.1) / 3)
    assert found.maximum_error.value == pytest.approx(0.2)
    assert found.in_the_large.value == pytest.approx(0.5 - 2 / 3)
    assert found.brier_score.value == pytest.approx((0.04 + 0.36 + 0.01) / 3)
    assert [item.num_cases for item in found.bins] == [2, 1]


def test_unknown_steps_are_left_out() -> None:
    whole = risk_calibration([0.2, 0.4, 0.9, 0.5], [0, 1, 1, np.nan], [0, 0, 1, 2], draws=FEW)
    assert whole == risk_calibration([0.2, 0.4, 0.9], [0, 1, 1], [0, 0, 1], draws=FEW)


def test_risks_that_keep_their_word_err_little() -> None:
    rng = np.random.default_rng(2)
    probs = rng.beta(1, 6, size=40_000)
    truth = (rng.random(40_000) < probs).astype(float)
    found = risk_calibration(probs, truth, np.repeat(np.arange(2000), 20), draws=FEW)
    assert found.expected_error.value < 0.01
    assert found.in_the_large.low <= 0 <= found.in_the_large.high
    overconfident = risk_calibration(
        np.minimum(1, 2 * probs), truth, np.repeat(np.arange(2000), 20), draws=FEW
    )
    assert overconfident.expected_error.low > 0.1
    assert overconfident.in_the_large.low > 0.1


def test_expected_error_is_that_of_the_metric() -> None:
    rng = np.random.default_rng(4)
    probs, truth, patients = rng.random(300), rng.integers(2, size=300), np.repeat(np.arange(30), 10)
    found = risk_calibration(probs, truth, patients, draws=FEW).expected_error
    metric = calibration_error()
    theirs = metric.interval(probs, truth, patients=patients, num_resamples=FEW.number)
    assert found.value == pytest.approx(metric.value(probs, truth))
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


def test_no_probability_is_refused() -> None:
    with pytest.raises(ShapeError, match="between 0 and 1"):
        risk_calibration([1.2], [1], [0])
