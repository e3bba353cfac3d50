"""Times that labels leave out."""

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.ehr.censoring import dialysis_intervals, end_stage_intervals
from medpipe.ehr.series import Series

nan = np.nan
inf = np.inf


class TestDialysis:
    def test_a_week_after_each_treatment_is_left_out(self) -> None:
        assert dialysis_intervals([(10, 14)]).tolist() == [[10, 182]]

    def test_treatments_closer_than_that_are_one(self) -> None:
        assert dialysis_intervals([(100, 104), (10, 14)], after_h=90).tolist() == [[10, 194]]

    def test_the_rest_of_the_record_can_be_left_out(self) -> None:
        assert dialysis_intervals([(10, 14)], after_h=inf).tolist() == [[10, inf]]

    def test_no_treatment_leaves_nothing_out(self) -> None:
        assert dialysis_intervals([]).shape == (0, 2)


class TestEndStage:
    def test_failed_from_the_first_baseline_is_left_out_whole(self) -> None:
        series = Series([5, 10], [500, 480])
        assert end_stage_intervals(series, np.array([500.0, 480])).tolist() == [[-inf, inf]]

    def test_exactly_4_mg_dl_has_not_failed(self) -> None:
        assert end_stage_intervals(Series([5], [400]), np.array([353.6])).shape == (0, 2)

    def test_interval_runs_to_the_next_baseline_below(self) -> None:
        series = Series([0, 10, 20, 30, 40], [100, 500, 500, 90, 90])
        found = end_stage_intervals(series, np.array([100.0, 400, nan, 90, 90]))
        assert found.tolist() == [[10, 30]]

    def test_without_a_known_baseline_nothing_is_left_out(self) -> None:
        assert end_stage_intervals(Series([0], [500]), np.array([nan])).shape == (0, 2)

    def test_baseline_of_another_length_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="for 1 measurements"):
            end_stage_intervals(Series([0], [500]), np.array([1.0, 2.0]))
