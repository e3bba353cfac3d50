"""Intervals: what is refused, their union, and which one a moment lies in."""

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.ehr.intervals import end_at, intervals_of, merge_intervals


class TestIntervals:
    def test_nothing_is_no_interval(self) -> None:
        assert intervals_of([]).shape == (0, 2)

    def test_end_before_start_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="5 to 4 h"):
            intervals_of([(1, 2), (5, 4)])

    def test_three_bounds_are_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"\(1, 3\)"):
            intervals_of([(1, 2, 3)])


class TestMerge:
    def test_intervals_that_touch_or_hold_each_other_are_one(self) -> None:
        found = merge_intervals([(20, 30), (0, 10)], [(2, 4), (10, 12)])
        assert found.tolist() == [[0, 12], [20, 30]]

    def test_the_longest_reach_counts(self) -> None:
        assert merge_intervals([(0, 50), (5, 10), (40, 45)]).tolist() == [[0, 50]]

    def test_nothing_is_the_union_of_nothing(self) -> None:
        assert merge_intervals([]).shape == (0, 2)


class TestEndAt:
    def test_start_belongs_to_an_interval_and_before_the_first_there_is_none(self) -> None:
        found = end_at(np.array([4.0, 5, 15, 20]), np.array([[5.0, 10], [20, 30]]))
        assert found.tolist() == [-np.inf, 10, 10, 30]
