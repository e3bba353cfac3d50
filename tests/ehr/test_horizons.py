"""Labels and maxima within horizons: by hand, against a loop, and without a look at what comes later."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import ShapeError
from medpipe.ehr.censoring import dialysis_intervals
from medpipe.ehr.horizons import HORIZONS_H, LabelMode, horizon_labels, horizon_maxima
from medpipe.ehr.kdigo import combined_stages
from medpipe.ehr.series import Series

nan = np.nan


def labels_of(
    step_h: list[float],
    stages: Series,
    *,
    end_h: float = 500.0,
    min_stage: int = 1,
    mode: LabelMode = LabelMode.ONSET,
    censored_h: object = (),
    horizons_h: tuple[float, ...] = (6.0, 24.0),
) -> list[list[float]]:
    return horizon_labels(
        step_h,
        stages,
        record_end_h=end_h,
        min_stage=min_stage,
        mode=mode,
        censored_h=censored_h,  # type: ignore[arg-type]
        horizons_h=horizons_h,
    ).labels.tolist()


class TestWindow:
    def test_end_of_the_horizon_counts_and_the_step_itself_does_not(self) -> None:
        stages = Series([0, 30], [0, 1])
        # From 24 h an onset at 30 h lies at the very end of 6 h; from 6 h at that of 24 h.
        assert labels_of([23.5, 24, 6, 5.5], stages) == [[0, 1], [1, 1], [0, 1], [0, 0]]
        # What is measured at 30 h is known at 30 h.
        assert labels_of([30], stages, mode=LabelMode.ANY) == [[0, 0]]

    def test_the_horizons_are_those_of_the_source_by_default(self) -> None:
        found = horizon_labels([0], Series([40], [1]), record_end_h=100, min_stage=1, mode=LabelMode.ONSET)
        assert found.horizons_h.tolist() == list(HORIZONS_H)
        assert found.labels.tolist() == [[0, 0, 0, 0, 0, 1, 1, 1]]


class TestStages:
    def test_only_stages_that_are_asked_for_count(self) -> None:
        stages = Series([3, 20], [1, 2])
        assert labels_of([0], stages, min_stage=1) == [[1, 1]]
        assert labels_of([0], stages, min_stage=2) == [[0, 1]]
        assert labels_of([0], stages, min_stage=3) == [[0, 0]]

    def test_stage_that_nobody_can_tell_leaves_no_zero(self) -> None:
        stages = Series([10, 20], [nan, 1])
        np.testing.assert_array_equal(labels_of([0], stages, horizons_h=(6.0, 12.0, 24.0)), [[0, nan, 1]])


class TestUnderWay:
    stages = Series([10, 20, 30, 100], [1, 2, 0, 1])

    def test_onsets_have_no_label_while_an_episode_runs(self) -> None:
        # Over at 30 h, known to be over 48 h later; the next begins at 100 h.
        found = labels_of([9, 10, 25, 77, 78, 99], self.stages)
        expected = [[1, 1], [nan, nan], [nan, nan], [nan, nan], [0, 1], [1, 1]]
        np.testing.assert_array_equal(found, expected)

    def test_any_counts_each_measurement_of_the_stage(self) -> None:
        found = labels_of([9, 10, 25, 99], self.stages, mode=LabelMode.ANY)
        assert found == [[1, 1], [0, 1], [0, 0], [1, 1]]

    def test_a_higher_stage_can_begin_while_a_lower_one_runs(self) -> None:
        assert labels_of([15], self.stages, min_stage=2) == [[1, 1]]


class TestCensoring:
    def test_record_that_ends_before_the_horizon_has_no_zero(self) -> None:
        stages = Series([10], [0])
        np.testing.assert_array_equal(
            labels_of([4, 4.5, 20], stages, end_h=10, horizons_h=(6.0,)), [[0], [nan], [nan]]
        )

    def test_event_before_the_record_ends_is_known(self) -> None:
        np.testing.assert_array_equal(labels_of([0], Series([5], [1]), end_h=5), [[1, 1]])
        # At 4 h of a record that ends at 8 h: nothing within 6 h is known, unless it came.
        np.testing.assert_array_equal(labels_of([4], Series([8], [1]), end_h=8), [[1, 1]])
        np.testing.assert_array_equal(labels_of([4], Series([8], [0]), end_h=8), [[nan, nan]])

    def test_dialysis_is_an_event_and_cuts_what_follows(self) -> None:
        stages = combined_stages(Series([0, 60], [0, 0]), dialysis_h=[(30, 34)])
        censored = dialysis_intervals([(30, 34)], after_h=20)
        found = labels_of([5, 10, 30, 53, 54], stages, censored_h=censored, mode=LabelMode.ANY)
        # 5 h: no event until 29 h. 10 h: dialysis within 24 h. 30 to 54 h: left out. 54 h: seen again.
        np.testing.assert_array_equal(found, [[0, 0], [0, 1], [nan, nan], [nan, nan], [0, 0]])

    def test_event_inside_a_censored_interval_is_not_seen(self) -> None:
        found = labels_of([0], Series([8], [1]), censored_h=[(7, 10)], horizons_h=(6.0, 7.0, 24.0))
        np.testing.assert_array_equal(found, [[0, 0, nan]])

    def test_whole_records_can_be_left_out(self) -> None:
        found = labels_of([0, 50], Series([8], [1]), censored_h=[(-np.inf, np.inf)])
        assert np.isnan(found).all()

    def test_share_of_known_labels_is_told(self) -> None:
        found = horizon_labels(
            [0, 2, 4, 6],
            Series([0], [0]),
            record_end_h=10,
            min_stage=1,
            mode=LabelMode.ONSET,
            horizons_h=(6.0, 10.0),
        )
        # 0, 2 and 4 h see 6 h ahead, only 0 h sees 10 h ahead.
        assert found.observable_share.tolist() == [0.75, 0.25]

    def test_no_steps_have_no_share(self) -> None:
        found = horizon_labels([], Series([], []), record_end_h=10, min_stage=1, mode=LabelMode.ANY)
        assert found.labels.shape == (0, 8)
        assert np.isnan(found.observable_share).all()


measured = st.lists(st.tuples(st.integers(0, 120), st.sampled_from([0, 0, 1, 2, 3, nan])), max_size=20).map(
    lambda pairs: sorted(pairs, key=lambda pair: pair[0])
)
gaps = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 40)), max_size=3).map(
    lambda pairs: [(float(start), float(start + span)) for start, span in pairs]
)


def series_of(pairs: list[tuple[int, float]]) -> Series:
    return Series([time for time, _ in pairs], [stage for _, stage in pairs])


class TestProperties:
    steps = np.arange(0.0, 121.0, 3.0)

    @given(measured, gaps, st.integers(1, 3))
    def test_any_equals_a_loop(
        self, pairs: list[tuple[int, float]], censored: list[tuple[float, float]], least: int
    ) -> None:
        found = labels_of(
            self.steps.tolist(),
            series_of(pairs),
            end_h=120,
            min_stage=least,
            mode=LabelMode.ANY,
            censored_h=censored,
        )
        for step, row in zip(self.steps, found, strict=True):
            for horizon, label in zip((6, 24), row, strict=True):
                np.testing.assert_equal(label, label_by_loop(step, horizon, pairs, censored, least))

    @given(measured, gaps, st.sampled_from(list(LabelMode)))
    def test_known_labels_do_not_fall_with_the_horizon(
        self, pairs: list[tuple[int, float]], censored: list[tuple[float, float]], mode: LabelMode
    ) -> None:
        labels = horizon_labels(
            self.steps, series_of(pairs), record_end_h=150, min_stage=1, mode=mode, censored_h=censored
        ).labels
        for row in labels:
            assert (np.diff(row[~np.isnan(row)]) >= 0).all()

    @given(measured, measured, st.integers(0, 100), st.sampled_from(list(LabelMode)))
    def test_what_is_measured_after_the_horizon_changes_no_label(
        self,
        pairs: list[tuple[int, float]],
        more: list[tuple[int, float]],
        step: int,
        mode: LabelMode,
    ) -> None:
        for horizon in (6, 24):
            upto = [pair for pair in pairs if pair[0] <= step + horizon]
            later = [pair for pair in more if pair[0] > step + horizon]
            found = [
                labels_of([step], series_of(each), end_h=150, mode=mode, horizons_h=(horizon,))
                for each in (upto, upto + later)
            ]
            np.testing.assert_array_equal(*found)

    @given(measured, st.integers(0, 100))
    def test_an_onset_is_a_measurement_of_the_stage(self, pairs: list[tuple[int, float]], step: int) -> None:
        onset = np.array(labels_of([step], series_of(pairs), end_h=150))
        present = np.array(labels_of([step], series_of(pairs), end_h=150, mode=LabelMode.ANY))
        known = ~np.isnan(onset)
        assert (present[known] >= onset[known]).all()


def label_by_loop(
    step: float,
    horizon: float,
    pairs: list[tuple[int, float]],
    censored: list[tuple[float, float]],
    least: int,
) -> float:
    """Return the label of a stay that ends at 120 h, straight from the definition."""
    if step >= 120 or any(start <= step < end for start, end in union(censored)):
        return nan
    cut = min([start for start, _ in union(censored) if start > step] + [120.0])
    inside = [(time, stage) for time, stage in pairs if step < time <= min(step + horizon, cut)]
    if any(stage >= least for _, stage in inside):
        return 1.0
    is_told = step + horizon <= cut and not any(np.isnan(stage) for _, stage in inside)
    return 0.0 if is_told else nan


def union(intervals: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Merge what touches; a quarter of an hour is finer than any bound here."""
    grid = np.arange(0, 200, 0.25)
    inside = np.zeros(len(grid), dtype=bool)
    for start, end in intervals:
        inside |= (grid >= start) & (grid <= end)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    return [(grid[low], grid[high - 1]) for low, high in edges.reshape(-1, 2)]


class TestMaxima:
    labs = (Series([1, 5, 20], [4.0, 3.5, 6.0]), Series([30], [140]))

    def test_greatest_after_the_step_up_to_the_horizon(self) -> None:
        found = horizon_maxima([0, 1, 5], self.labs, record_end_h=100, keep_cut=False, horizons_h=(6, 15))
        assert found.shape == (3, 2, 2)
        # At 1 h the 4.0 is known already; at 5 h the 6.0 of 20 h lies at the end of 15 h.
        np.testing.assert_array_equal(found[:, :, 0], [[4, 4], [3.5, 3.5], [nan, 6]])
        assert np.isnan(found[:, :, 1]).all()

    def test_horizon_beyond_the_record_is_not_known_unless_asked_for(self) -> None:
        for keep_cut, expected in ((False, [4, nan]), (True, [4, 4])):
            found = horizon_maxima([0], self.labs[:1], record_end_h=10, keep_cut=keep_cut, horizons_h=(6, 24))
            np.testing.assert_array_equal(found[0, :, 0], expected)

    def test_step_after_the_record_has_none(self) -> None:
        found = horizon_maxima([12], self.labs, record_end_h=10, keep_cut=True)
        assert np.isnan(found).all()

    @given(measured, st.integers(0, 100))
    def test_maxima_do_not_fall_with_the_horizon(self, pairs: list[tuple[int, float]], step: int) -> None:
        found = horizon_maxima([step], [series_of(pairs)], record_end_h=300, keep_cut=False)[0, :, 0]
        measured_at_all = found[~np.isnan(found)]
        assert (np.diff(measured_at_all) >= 0).all()
        # Once measured, measured within every longer horizon too.
        assert (np.diff((~np.isnan(found)).astype(int)) >= 0).all()


class TestRefusals:
    def test_horizons_that_do_not_ascend(self) -> None:
        with pytest.raises(ShapeError, match="Horizons ascend"):
            labels_of([0], Series([], []), horizons_h=(24.0, 6.0))

    def test_horizon_of_zero(self) -> None:
        with pytest.raises(ShapeError, match="above zero"):
            labels_of([0], Series([], []), horizons_h=(0.0, 6.0))

    def test_step_that_is_no_time(self) -> None:
        with pytest.raises(ShapeError, match="finite hours"):
            labels_of([nan], Series([], []))

    def test_stage_after_the_end_of_the_record(self) -> None:
        with pytest.raises(ShapeError, match="at 20 h, the end at 10 h"):
            labels_of([0], Series([20], [1]), end_h=10)
