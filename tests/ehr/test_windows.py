"""Windows of time: both ends where they belong, and the same extremes as a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.ehr.series import Series
from medpipe.ehr.windows import first_after, last_at, maximum_between, range_maximum, trailing_minimum

nan = np.nan


class TestTrailingMinimum:
    def test_both_ends_of_the_window_count(self) -> None:
        # At 48 the value 1 of time 0 is exactly 48 h old; at 49 it has left, and 3 is the least.
        series = Series([0, 48, 49], [1, 5, 3])
        np.testing.assert_array_equal(trailing_minimum(series, 48), [1, 1, 3])

    def test_rounding_of_the_clock_leaves_no_value_out(self) -> None:
        # Minute 149 and 48 h later: in hours, the later time minus 48 is off in the last place.
        times = np.array([149, 149 + 48 * 60]) / 60
        assert times[1] - 48 != times[0]
        np.testing.assert_array_equal(trailing_minimum(Series(times, [1, 2]), 48), [1, 1])

    def test_values_of_one_time_know_of_each_other(self) -> None:
        np.testing.assert_array_equal(trailing_minimum(Series([5, 5], [4, 2]), 1), [2, 2])

    def test_nothing_gives_nothing(self) -> None:
        assert trailing_minimum(Series([], []), 48).shape == (0,)

    def test_a_hundred_thousand_values_equal_those_of_pandas(self) -> None:
        pandas = pytest.importorskip("pandas", reason="pandas is absent")
        rng = np.random.default_rng(0)
        minutes = np.sort(rng.choice(2_000_000, 100_000, replace=False))
        values = rng.normal(size=100_000)
        index = pandas.Timestamp(0) + pandas.to_timedelta(minutes, unit="min")
        expected = pandas.Series(values, index=index).rolling("48h", closed="both").min()
        np.testing.assert_array_equal(trailing_minimum(Series(minutes / 60, values), 48), expected.to_numpy())


class TestMaximumBetween:
    def test_start_is_left_out_and_end_counts(self) -> None:
        series = Series([1, 2, 3], [9, 4, 6])
        np.testing.assert_array_equal(maximum_between(series, [1, 1, 3], [2, 3, 9]), [4, 6, nan])

    def test_values_not_known_are_passed_over(self) -> None:
        assert maximum_between(Series([1, 2], [nan, 4]), 0, 2) == 4
        assert np.isnan(maximum_between(Series([1], [nan]), 0, 2))


class TestRangeMaximum:
    @given(
        st.lists(st.one_of(st.integers(-5, 5), st.just(nan)), min_size=1, max_size=40),
        st.data(),
    )
    def test_equals_a_loop(self, values: list[float], data: st.DataObject) -> None:
        bound = st.integers(0, len(values))
        pairs = data.draw(st.lists(st.tuples(bound, bound), min_size=1, max_size=20))
        start, stop = (np.array(part) for part in zip(*pairs, strict=True))
        expected = [
            max((value for value in values[low:high] if not np.isnan(value)), default=nan)
            for low, high in pairs
        ]
        np.testing.assert_array_equal(range_maximum(np.array(values, float), start, stop), expected)


class TestPlaces:
    def test_last_at_counts_the_moment_itself(self) -> None:
        np.testing.assert_array_equal(last_at(np.array([1.0, 3]), np.array([0.0, 1, 2, 3])), [-1, 0, 0, 1])

    def test_first_after_leaves_the_moment_out(self) -> None:
        np.testing.assert_array_equal(first_after(np.array([1.0, 3]), np.array([0.0, 1, 3])), [1, 3, np.inf])
