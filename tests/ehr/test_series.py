"""Series: what is refused."""

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.ehr.series import Series


class TestSeries:
    def test_lists_become_float64(self) -> None:
        series = Series([1, 2], [3, 4])
        assert series.time_h.dtype == series.values.dtype == np.float64
        assert len(series) == 2

    def test_equal_times_are_allowed(self) -> None:
        assert len(Series([1, 1], [3, 4])) == 2

    def test_times_out_of_order_are_refused(self) -> None:
        with pytest.raises(ShapeError, match="ascend"):
            Series([2, 1], [3, 4])

    def test_time_that_is_no_number_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="finite"):
            Series([np.nan], [3])

    def test_lengths_that_differ_are_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"\(2,\) and values of shape \(1,\)"):
            Series([1, 2], [3])
