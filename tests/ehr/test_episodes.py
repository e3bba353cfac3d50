"""Episodes by hand: onset, peak and end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import ShapeError
from medpipe.ehr.episodes import Episode, find_episodes
from medpipe.ehr.series import Series

nan = np.nan


class TestEpisodes:
    def test_onset_peak_and_end(self) -> None:
        stages = Series([0, 10, 20, 30, 40, 100], [0, 1, 3, 2, 0, 0])
        (found,) = find_episodes(stages, record_end_h=100)
        assert found == Episode(onset_h=10, end_h=40, peak_stage=3, peak_h=20, is_resolved=True)

    def test_pause_shorter_than_48_hours_belongs_to_the_episode(self) -> None:
        stages = Series([0, 10, 57, 110], [1, 0, 2, 0])
        (found,) = find_episodes(stages, record_end_h=120)
        # The record ends 10 h after the last stage 0: whether it is over is not known.
        assert found == Episode(onset_h=0, end_h=120, peak_stage=2, peak_h=57, is_resolved=False)

    def test_after_48_hours_without_injury_a_new_one_begins(self) -> None:
        first, second = find_episodes(Series([0, 10, 58], [1, 0, 2]), record_end_h=60)
        assert first == Episode(onset_h=0, end_h=10, peak_stage=1, peak_h=0, is_resolved=True)
        assert second == Episode(onset_h=58, end_h=60, peak_stage=2, peak_h=58, is_resolved=False)

    def test_hours_without_a_measurement_do_not_end_an_episode(self) -> None:
        # Nobody measured stage 0 between the two.
        assert len(find_episodes(Series([0, 200], [1, 1]), record_end_h=200)) == 1

    def test_what_nobody_can_tell_is_passed_over(self) -> None:
        (found,) = find_episodes(Series([0, 10, 200], [1, nan, 1]), record_end_h=200)
        assert found.onset_h == 0

    def test_episodes_of_a_higher_stage_end_below_it(self) -> None:
        stages = Series([0, 10, 20, 80], [1, 2, 1, 1])
        (found,) = find_episodes(stages, record_end_h=80, min_stage=2)
        assert (found.onset_h, found.end_h, found.is_resolved) == (10, 20, True)

    def test_no_injury_is_no_episode(self) -> None:
        assert find_episodes(Series([0, 10], [0, 0]), record_end_h=10) == []
        assert find_episodes(Series([], []), record_end_h=10) == []


class TestRefusals:
    def test_stage_after_the_end_of_the_record(self) -> None:
        with pytest.raises(ShapeError, match="at 11 h, the end at 10 h"):
            find_episodes(Series([11], [1]), record_end_h=10)

    def test_stage_that_is_none(self) -> None:
        with pytest.raises(ShapeError, match="found 4"):
            find_episodes(Series([1], [4]), record_end_h=10)

    def test_least_stage_of_zero(self) -> None:
        with pytest.raises(ShapeError, match="found 0"):
            find_episodes(Series([1], [1]), record_end_h=10, min_stage=0)

    def test_pause_of_no_time(self) -> None:
        with pytest.raises(ShapeError, match="found 0 h"):
            find_episodes(Series([1], [1]), record_end_h=10, resolved_after_h=0)

    def test_record_without_an_end(self) -> None:
        with pytest.raises(ShapeError, match="inf"):
            find_episodes(Series([1], [1]), record_end_h=np.inf)


def by_loop(times: list[int], stages: list[int], end_h: float, pause_h: float) -> list[tuple[float, float]]:
    """Return onset and end of each episode, one measurement after the other."""
    found: list[tuple[float, float]] = []
    onset: float | None = None
    well_since: float | None = None
    for time_h, stage in zip(times, stages, strict=True):
        if onset is not None and well_since is not None and time_h - well_since >= pause_h and stage:
            found.append((onset, well_since))
            onset = well_since = None
        if stage:
            onset, well_since = time_h if onset is None else onset, None
        elif onset is not None and well_since is None:
            well_since = time_h
    if onset is not None:
        is_over = well_since is not None and end_h - well_since >= pause_h
        found.append((onset, well_since if is_over and well_since is not None else end_h))
    return found


class TestProperties:
    @given(
        st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0, 0, 1, 2, 3])), max_size=25),
        st.sampled_from([12.0, 24.0, 48.0]),
    )
    def test_equals_a_loop(self, steps: list[tuple[int, int]], pause_h: float) -> None:
        times = np.cumsum([step for step, _ in steps]).astype(int).tolist()
        stages = [stage for _, stage in steps]
        end_h = (times[-1] if times else 0) + 15.0
        found = find_episodes(Series(times, stages), record_end_h=end_h, resolved_after_h=pause_h)
        assert [(each.onset_h, each.end_h) for each in found] == by_loop(times, stages, end_h, pause_h)
