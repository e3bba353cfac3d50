"""Bootstrap intervals: reproducible, of the stated level, and narrow for pairs."""

from math import inf

import numpy as np
import pytest
from scipy import stats

from medpipe.core.errors import ShapeError
from medpipe.metrics.bootstrap import (
    Interval,
    bootstrap_counted,
    bootstrap_difference,
    bootstrap_interval,
)


def sample(num_cases: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.88, 0.03, num_cases)


def test_equal_seeds_give_equal_intervals() -> None:
    first, again, other = (bootstrap_interval(sample(), statistic=np.mean, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_agrees_with_scipy() -> None:
    ours = bootstrap_interval(sample(), statistic=np.mean, seed=1, num_resamples=9999, level=0.9)
    peer = stats.bootstrap(
        (sample(),), np.mean, n_resamples=9999, confidence_level=0.9, method="percentile", rng=2
    ).confidence_interval
    # Both ends are estimates from 9,999 draws; the standard error of the mean is 0.03 / sqrt(40) = 0.0047.
    assert (ours.low, ours.high) == pytest.approx((peer.low, peer.high), abs=3e-4)
    assert ours.level == 0.9


@pytest.mark.slow
def test_interval_of_the_mean_holds_the_truth_about_as_often_as_it_says() -> None:
    intervals = [
        bootstrap_interval(sample(seed=seed), statistic=np.mean, seed=seed, num_resamples=500, level=0.9)
        for seed in range(400)
    ]
    hits = np.mean([interval.low <= 0.88 <= interval.high for interval in intervals])
    # 400 trials of 0.9 have a standard error of 0.015; percentile intervals of 40 cases are a little narrow.
    assert 0.84 < hits < 0.94


def test_bounds_are_order_statistics() -> None:
    # Means of two of {0, 1}: 0, 1/2, 1/2, 1, each of probability 1/4; 20 % lie within 0 and within 1.
    assert bootstrap_interval([0.0, 1.0], statistic=np.mean, seed=0, level=0.6) == Interval(0.0, 1.0, 0.6)
    # 30 % of the draws reach into the middle.
    assert bootstrap_interval([0.0, 1.0], statistic=np.mean, seed=0, level=0.4) == Interval(0.5, 0.5, 0.4)


def test_equal_values_and_one_case_have_no_width() -> None:
    for values in ([0.5, 0.5, 0.5], [0.5]):
        interval = bootstrap_interval(values, statistic=np.mean, seed=0)
        assert (interval.low, interval.high) == (0.5, 0.5)


def test_median_stays_defined_beside_infinite_distances() -> None:
    interval = bootstrap_interval([1.0, 2.0, 3.0, 4.0, inf], statistic=np.median, seed=0)
    assert interval.low == 1.0
    assert interval.high == inf


def test_rows_of_several_columns_stay_together() -> None:
    rows = np.stack([np.arange(20.0), 2 * np.arange(20.0)], axis=1)
    ratio = bootstrap_interval(rows, statistic=lambda drawn: drawn[:, 1].sum() / drawn[:, 0].sum(), seed=0)
    assert (ratio.low, ratio.high) == pytest.approx((2.0, 2.0))


class TestDifference:
    def test_constant_gain_is_seen_through_any_spread(self) -> None:
        base = sample()
        interval = bootstrap_difference(base + 0.01, base, statistic=np.mean, seed=0)
        assert (interval.low, interval.high) == pytest.approx((0.01, 0.01))

    def test_is_the_interval_of_paired_differences_for_a_mean(self) -> None:
        first, second = sample(seed=1), sample(seed=2)
        paired = bootstrap_difference(first, second, statistic=np.mean, seed=3)
        plain = bootstrap_interval(first - second, statistic=np.mean, seed=3)
        assert (paired.low, paired.high) == pytest.approx((plain.low, plain.high))

    def test_other_numbers_of_cases_are_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"found \(3,\) and \(2,\)"):
            bootstrap_difference([1, 2, 3], [1, 2], statistic=np.mean, seed=0)


@pytest.mark.parametrize(
    ("values", "found"), [([], r"shape \(0,\)"), ([0.5, np.nan, np.nan], "2 NaN among 3")]
)
def test_missing_or_unknown_values_are_refused(values: list[float], found: str) -> None:
    with pytest.raises(ShapeError, match=found):
        bootstrap_interval(values, statistic=np.mean, seed=0)


class TestPatients:
    def test_all_cases_of_a_patient_come_along(self) -> None:
        # Patients a (0, 1) and b (4): means of draws are 1/2, 5/3 and 4, of probability 1/4, 1/2 and 1/4.
        interval = bootstrap_interval(
            [0.0, 4.0, 1.0], statistic=np.mean, seed=0, patients=["a", "b", "a"], level=0.6
        )
        assert (interval.low, interval.high) == (0.5, 4.0)

    def test_one_case_a_patient_is_no_grouping(self) -> None:
        patients = [f"p-{(7 * number) % 40}" for number in range(40)]
        plain = bootstrap_interval(sample(), statistic=np.mean, seed=1)
        assert bootstrap_interval(sample(), statistic=np.mean, seed=1, patients=patients) == plain

    def test_pairs_are_drawn_by_patient_too(self) -> None:
        first, second = sample(seed=1), sample(seed=2)
        twice = bootstrap_difference(
            np.repeat(first, 2),
            np.repeat(second, 2),
            statistic=np.mean,
            seed=3,
            patients=np.repeat(range(40), 2),
        )
        plain = bootstrap_difference(first, second, statistic=np.mean, seed=3)
        assert (twice.low, twice.high) == pytest.approx((plain.low, plain.high))

    def test_other_numbers_of_patients_are_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"shape \(1,\), 2 cases"):
            bootstrap_interval([0.1, 0.2], statistic=np.mean, seed=0, patients=["a"])


class TestCounted:
    @pytest.mark.parametrize("patients", [None, [number // 3 for number in range(40)]])
    def test_draws_the_cases_that_rows_are_drawn_by(self, patients: list[int] | None) -> None:
        values = sample()
        counted = bootstrap_counted(
            40,
            statistic=lambda counts: counts @ values / counts.sum(axis=1),
            seed=5,
            patients=patients,
        ).interval
        drawn = bootstrap_interval(values, statistic=np.mean, seed=5, patients=patients)
        assert (counted.low, counted.high) == pytest.approx((drawn.low, drawn.high))

    def test_work_in_blocks_draws_the_same(self) -> None:
        # 30,000 cases are worked on 66 resamples at a time.
        values = sample(30_000)
        counted = bootstrap_counted(
            len(values),
            statistic=lambda counts: counts @ values / counts.sum(axis=1),
            seed=5,
            num_resamples=100,
        ).interval
        draws = np.random.default_rng(5).integers(len(values), size=(100, len(values)))
        means = np.sort(values[draws].mean(axis=1))
        # Of 100 sorted means, 2.5 % lie within the third and 97.5 % within the 98th.
        assert (counted.low, counted.high) == pytest.approx((means[2], means[97]))

    def test_several_numbers_have_an_interval_each(self) -> None:
        band = bootstrap_counted(2, statistic=lambda counts: counts * [1.0, 10.0], seed=0, level=0.6)
        # Each case is drawn 0, 1 or 2 times, with 1/4, 1/2 and 1/4.
        assert band.low.tolist() == [0.0, 0.0]
        assert band.high.tolist() == [2.0, 20.0]
