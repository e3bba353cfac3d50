"""Calibration: what was simulated is found again, and fewer cases know less."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.calibration import LogitCalibration
from medpipe.core.errors import ShapeError
from medpipe.metrics.calibration import fit_calibration, reliability


def simulated(num_cases: int, *, slope: float, offset: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, num_cases)
    return logits, (rng.random(num_cases) < 1 / (1 + np.exp(-(slope * logits + offset)))).astype(float)


class TestFit:
    def test_the_line_that_was_simulated_is_found(self) -> None:
        fitted = fit_calibration(*simulated(5000, slope=0.6, offset=-1.0))
        assert fitted.num_cases == 5000
        # Within three standard errors, which themselves are small.
        assert abs(fitted.slope - 0.6) < 3 * fitted.covariance[0] ** 0.5 < 0.1
        assert abs(fitted.offset + 1.0) < 3 * fitted.covariance[2] ** 0.5 < 0.2

    def test_covariance_is_the_spread_of_fits(self) -> None:
        fits = [fit_calibration(*simulated(400, slope=0.8, offset=0.5, seed=seed)) for seed in range(300)]
        lines = np.array([(fit.slope, fit.offset) for fit in fits])
        seen = np.cov(lines.T)
        stated = np.mean([fit.covariance for fit in fits], axis=0)
        # A variance from 300 draws has a standard error of sqrt(2 / 299) = 8 %.
        assert stated[0] == pytest.approx(seen[0, 0], rel=0.25)
        assert stated[2] == pytest.approx(seen[1, 1], rel=0.25)

    def test_interval_holds_the_truth_about_as_often_as_it_says(self) -> None:
        logit, truth = 2.0, 1 / (1 + np.exp(-(0.8 * 2.0 + 0.5)))
        fits = [fit_calibration(*simulated(400, slope=0.8, offset=0.5, seed=seed)) for seed in range(300)]
        intervals = [fit.interval(logit, 0.9) for fit in fits]
        hits = np.mean([interval.low <= truth <= interval.high for interval in intervals])
        # 300 trials of 0.9 have a standard error of 0.017.
        assert 0.85 < hits < 0.95

    def test_fewer_cases_give_a_wider_interval(self) -> None:
        logits, truth = simulated(2000, slope=0.6, offset=-1.0)
        few, many = fit_calibration(logits[:100], truth[:100]), fit_calibration(logits, truth)
        for logit in (-3.0, 0.0, 3.0):
            narrow, wide = many.interval(logit), few.interval(logit)
            assert wide.high - wide.low > 2 * (narrow.high - narrow.low)

    def test_classes_parted_without_error_have_a_finite_fit(self) -> None:
        # Symmetric about 1; targets are 3/4 and 1/4, so the log odds of the two classes are +-ln 3.
        fitted = fit_calibration([-1.0, -1.0, 3.0, 3.0], [0, 0, 1, 1])
        assert fitted.slope == pytest.approx(np.log(3) / 2)
        assert fitted.probability(1.0) == pytest.approx(0.5)
        assert fitted.probability(3.0) == pytest.approx(0.75)
        # Each class: 2 cases of p (1 - p) = 3/16, so at its logit the variance is 1 / (2 * 3/16) = 8/3.
        slope, both, offset = fitted.covariance
        assert 9 * slope + 6 * both + offset == pytest.approx(8 / 3)

    def test_unknown_truth_is_left_out(self) -> None:
        logits, truth = simulated(50, slope=1.0, offset=0.0)
        fitted = fit_calibration([*logits, 9.0], [*truth, np.nan])
        assert fitted == fit_calibration(logits, truth)

    @given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3))
    def test_unit_of_the_logits_does_not_matter(self, scale: float, shift: float) -> None:
        logits, truth = simulated(40, slope=0.6, offset=0.3)
        plain, moved = fit_calibration(logits, truth), fit_calibration(logits * scale + shift * scale, truth)
        for logit in (-4.0, 0.0, 2.5):
            there = (logit + shift) * scale
            assert moved.probability(there) == pytest.approx(plain.probability(logit), abs=1e-6)
            assert moved.interval(there).low == pytest.approx(plain.interval(logit).low, abs=1e-4)

    @pytest.mark.parametrize(
        ("logits", "truth", "found"),
        [
            ([1.0, 2.0], [1, 1], "2 positive and 0 negative"),
            ([1.0, 2.0, 3.0], [0, 0, np.nan], "0 positive and 2 negative"),
            ([2.0, 2.0], [0, 1], "2 to 2"),
            ([2.0, np.inf], [0, 1], "2 to inf"),
        ],
    )
    def test_what_cannot_be_fitted_is_refused(self, logits: list, truth: list, found: str) -> None:
        with pytest.raises(ShapeError, match=found):
            fit_calibration(logits, truth)


class TestReliability:
    def test_share_and_mean_of_each_bin(self) -> None:
        low, high = reliability([0.1, 0.12, 0.14, 0.16, 1.0], [0, 1, 0, 0, 1])
        assert (low.probability, low.share, low.num_cases) == (pytest.approx(0.13), 0.25, 4)
        assert (high.probability, high.share, high.num_cases) == (1.0, 1.0, 1)

    def test_interval_is_wilsons(self) -> None:
        # 1 of 4 at z = 1.96: centre (1/4 + 0.4802) / 1.9604, half width 1.96 sqrt(0.0469 + 0.0600) / 1.9604.
        (found,) = reliability([0.1] * 4, [0, 1, 0, 0])
        assert (found.low, found.high) == pytest.approx((0.0456, 0.6994), abs=1e-4)

    def test_a_share_of_none_keeps_its_lower_bound(self) -> None:
        (found,) = reliability([0.0] * 3, [0, 0, 0])
        assert found.low == 0.0
        assert 0.5 < found.high < 0.6  # z^2 / (3 + z^2) = 0.561

    def test_probabilities_out_of_range_are_refused(self) -> None:
        with pytest.raises(ShapeError, match="-1 to 2"):
            reliability([-1.0, 2.0], [0, 1])


def test_json_keeps_a_fit() -> None:
    fitted = fit_calibration(*simulated(50, slope=1.0, offset=0.0))
    assert LogitCalibration.model_validate_json(fitted.model_dump_json()) == fitted
