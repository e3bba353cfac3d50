"""Estimates: each figure by itself, over patients."""

from math import isnan

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.metrics.bootstrap import bootstrap_counted
from medpipe.metrics.estimates import Draws, estimate, share_of, sums_by_patient

SIZES = np.array([1.0, 2.0, 3.0, 10.0])


def means_and_nothing(counts: np.ndarray) -> np.ndarray:
    return np.stack((counts @ SIZES / counts.sum(axis=1), np.full(len(counts), np.nan)), axis=1)


def test_a_figure_that_no_resample_has_leaves_the_others_alone() -> None:
    mean, nothing = estimate(4, means_and_nothing, Draws(seed=3, number=50))
    assert mean.value == 4.0
    assert mean.low < 4.0 < mean.high
    assert isnan(nothing.value)
    assert isnan(nothing.low)


def test_intervals_are_those_of_the_bootstrap() -> None:
    mean, _ = estimate(4, means_and_nothing, Draws(seed=3, number=50))
    band = bootstrap_counted(
        4, statistic=lambda counts: counts @ SIZES / counts.sum(axis=1), seed=3, num_resamples=50
    ).interval
    assert (mean.low, mean.high) == (band.low, band.high)


def test_sums_are_by_patient() -> None:
    sums = sums_by_patient(np.array([1, 0, 1]), np.array([[1, 2], [3, 4], [5, 6]]), 3)
    assert sums.tolist() == [[3, 4], [6, 8], [0, 0]]


def test_share_of_nothing_is_not_known() -> None:
    assert np.array_equal(
        share_of(np.array([1.0, 0.0]), np.array([4.0, 0.0])), [0.25, np.nan], equal_nan=True
    )


@pytest.mark.parametrize(("patients", "number"), [(0, 5), (3, 0)])
def test_nobody_and_no_resamples_are_refused(patients: int, number: int) -> None:
    with pytest.raises(ShapeError, match=f"found {patients} and {number}"):
        estimate(patients, means_and_nothing, Draws(number=number))
