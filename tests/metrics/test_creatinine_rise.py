"""The trivial rule for kidney injury: last over least of the week."""

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.metrics.creatinine_rise import creatinine_rise


def test_it_is_the_last_value_over_the_least_of_the_week() -> None:
    # At hour 30 the last value is 120 and the least 80; at hour 200 the last is 100 of hour 50, the least 80.
    rises = creatinine_rise([0.0, 10.0, 24.0, 50.0], [100.0, 80.0, 120.0, 100.0], [9.0, 10.0, 30.0, 200.0])
    np.testing.assert_allclose(rises, [1.0, 1.0, 1.5, 1.25])


def test_what_is_measured_at_the_moment_is_known() -> None:
    assert creatinine_rise([0.0, 24.0], [80.0, 120.0], [24.0]) == [1.5]
    assert creatinine_rise([0.0, 24.0], [80.0, 120.0], [23.9]) == [1.0]


def test_the_window_ends_with_the_last_value_and_holds_its_own_edge() -> None:
    assert creatinine_rise([0.0, 168.0], [80.0, 120.0], [400.0]) == [1.5]
    assert creatinine_rise([0.0, 168.5], [80.0, 120.0], [400.0]) == [1.0]
    assert creatinine_rise([0.0, 60.0], [80.0, 120.0], [60.0], window_h=48.0) == [1.0]


def test_without_a_value_there_is_no_rise() -> None:
    np.testing.assert_array_equal(creatinine_rise([], [], [0.0, 5.0]), [1.0, 1.0])
    assert creatinine_rise([10.0], [200.0], [5.0]) == [1.0]


@pytest.mark.parametrize(
    ("times", "values", "found"),
    [([0.0, 1.0], [80.0], "shapes"), ([1.0, 0.0], [80.0, 90.0], "order"), ([0.0], [0.0], "above zero")],
)
def test_what_is_no_series_of_creatinine_is_refused(
    times: list[float], values: list[float], found: str
) -> None:
    with pytest.raises(ShapeError, match=found):
        creatinine_rise(times, values, [0.0])
