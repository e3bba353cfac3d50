"""KDIGO stages by hand: creatinine, urine, dialysis, and the three together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import ShapeError
from medpipe.ehr.baseline import rolling_minimum_baseline
from medpipe.ehr.kdigo import combined_stages, creatinine_stages, urine_stages
from medpipe.ehr.series import Series

nan = np.nan


def stages_of(time_h: list[float], umol_l: list[float], baseline_umol_l: float) -> list[float]:
    series = Series(time_h, umol_l)
    return creatinine_stages(series, np.full(len(time_h), baseline_umol_l)).values.tolist()


class TestCreatinineRatio:
    def test_stage_at_each_multiple_of_the_baseline(self) -> None:
        # A week apart, so that no rise within 48 h adds a stage. 1.49, 1.5, 1.99, 2, 2.99 and 3 times 60.
        times = [168.0 * week for week in range(6)]
        values = [89.4, 90, 119.4, 120, 179.4, 180]
        assert stages_of(times, values, 60) == [0, 1, 1, 2, 2, 3]

    def test_multiple_that_rounding_spoils_still_counts(self) -> None:
        # 1.2 mg/dL is 1.5 times 0.8, yet the converted values differ in the last place.
        assert 1.2 * 88.4 < 1.5 * (0.8 * 88.4)
        assert stages_of([0], [1.2 * 88.4], 0.8 * 88.4) == [1]


class TestCreatinineRise:
    def test_rise_of_0_3_mg_dl_within_48_hours_is_stage_1(self) -> None:
        assert stages_of([0, 48], [88.4, 114.92], 100) == [0, 1]

    def test_the_same_rise_an_hour_later_is_none(self) -> None:
        assert stages_of([0, 49], [88.4, 114.92], 100) == [0, 0]

    def test_26_5_umol_l_counts_and_26_4_does_not(self) -> None:
        assert stages_of([0, 10], [100, 126.5], 100) == [0, 1]
        assert stages_of([0, 10], [100, 126.4], 100) == [0, 0]

    def test_rise_from_a_trough_counts(self) -> None:
        # The least of the last 48 h is 90 at 10 h, not the first value.
        assert stages_of([0, 10, 20], [110, 90, 117], 110) == [0, 0, 1]

    def test_padding_lengthens_the_48_hours(self) -> None:
        series = Series([0, 52], [88.4, 115])
        baseline = np.full(2, 100.0)
        assert creatinine_stages(series, baseline, padding_h=4).values.tolist() == [0, 1]
        assert creatinine_stages(series, baseline, padding_h=3).values.tolist() == [0, 0]


class TestSevereCreatinine:
    def test_4_mg_dl_after_a_rise_is_stage_3(self) -> None:
        assert stages_of([0, 24], [320, 353.6], 320) == [0, 3]

    def test_4_mg_dl_without_a_rise_is_none(self) -> None:
        # A failed kidney: 380 on a baseline of 370.
        assert stages_of([0, 24], [370, 380], 370) == [0, 0]

    def test_just_below_4_mg_dl_stays_in_stage_1(self) -> None:
        assert stages_of([0, 24], [320, 353.5], 320) == [0, 1]


class TestUnknownBaseline:
    def test_only_the_rise_can_be_judged(self) -> None:
        np.testing.assert_array_equal(stages_of([0, 10], [100, 130], nan), [nan, 1])

    def test_baseline_of_another_length_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="for 2"):
            creatinine_stages(Series([0, 1], [80, 90]), np.array([80.0]))

    def test_baseline_of_zero_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="least 0"):
            creatinine_stages(Series([0], [80]), np.array([0.0]))


creatinine = st.lists(st.tuples(st.integers(0, 300), st.integers(30, 900)), min_size=1, max_size=15).map(
    sorted
)


class TestCreatinineProperties:
    @given(creatinine, st.floats(0.1, 10))
    def test_ratios_do_not_depend_on_the_scale(self, pairs: list[tuple[int, int]], scale: float) -> None:
        # A week apart there is no rise within 48 h, and the scaled values stay below 4 mg/dL.
        values = np.array([value for _, value in pairs]) / 30.0
        series = Series(168.0 * np.arange(len(values)), values)
        scaled = Series(series.time_h, values * scale)
        baseline = np.full(len(values), 8.0)
        np.testing.assert_array_equal(
            creatinine_stages(series, baseline).values, creatinine_stages(scaled, baseline * scale).values
        )

    @given(creatinine, st.integers(0, 300))
    def test_a_higher_last_value_has_no_lower_stage(self, pairs: list[tuple[int, int]], more: int) -> None:
        times, values = (np.array(part, dtype=float) for part in zip(*pairs, strict=True))
        higher = values.copy()
        higher[-1] += more

        def last(umol_l: np.ndarray) -> float:
            series = Series(times, umol_l)
            return float(creatinine_stages(series, rolling_minimum_baseline(series)).values[-1])

        assert last(higher) >= last(values)

    @given(creatinine)
    def test_later_values_change_no_earlier_stage(self, pairs: list[tuple[int, int]]) -> None:
        # Distinct times: values of one time do know of each other.
        values = np.array([value for _, value in pairs], dtype=float)
        series = Series(7.0 * np.arange(len(values)), values)
        whole = creatinine_stages(series, rolling_minimum_baseline(series)).values
        half = Series(series.time_h[: len(values) // 2], values[: len(values) // 2])
        np.testing.assert_array_equal(
            creatinine_stages(half, rolling_minimum_baseline(half)).values, whole[: len(half)]
        )


def hourly(rates_ml_kg_h: list[float], weight_kg: float = 80) -> Series:
    """Return hourly volumes from hour 1 on; the collection starts at 0."""
    return Series(np.arange(1, len(rates_ml_kg_h) + 1), np.array(rates_ml_kg_h) * weight_kg)


class TestUrine:
    def test_stage_rises_with_the_hours_of_low_output(self) -> None:
        found = urine_stages(hourly([0.4] * 30), weight_kg=80, start_h=0).values
        # Nothing before 6 h; below 0.5 for 6 h: 1; for 12 h: 2; never below 0.3.
        assert np.isnan(found[:5]).all()
        assert found[5:11].tolist() == [1] * 6
        assert found[11:].tolist() == [2] * 19

    def test_below_0_3_for_24_hours_is_stage_3(self) -> None:
        found = urine_stages(hourly([0.2] * 24), weight_kg=80, start_h=0).values
        assert found[22:].tolist() == [2, 3]

    def test_no_urine_for_12_hours_is_stage_3(self) -> None:
        found = urine_stages(hourly([1.0] * 12 + [0.0] * 12), weight_kg=80, start_h=0).values
        # At hour 23 eleven hours are dry: over 12 h the mean is 1/12, stage 2.
        assert found[22:].tolist() == [2, 3]

    def test_exactly_half_a_millilitre_is_no_stage(self) -> None:
        found = urine_stages(hourly([0.5] * 24), weight_kg=80, start_h=0).values
        assert found[5:].tolist() == [0] * 19

    def test_rate_is_the_mean_of_the_window_and_not_the_sum(self) -> None:
        # Summed, six hours of 0.4 would be 2.4 and no stage.
        assert urine_stages(hourly([0.4] * 6), weight_kg=80, start_h=0).values[-1] == 1

    def test_volume_counts_for_the_hours_since_the_one_before(self) -> None:
        # In the 6 h up to 12 h runs 6/8 of 400 mL: 300 mL, at 80 kg 0.625 mL/kg/h.
        enough = urine_stages(Series([4, 12], [300, 400]), weight_kg=80, start_h=0).values
        np.testing.assert_array_equal(enough, [nan, 0])
        # Of 300 mL it is 225 mL: 0.47.
        little = urine_stages(Series([4, 12], [300, 300]), weight_kg=80, start_h=0).values
        np.testing.assert_array_equal(little, [nan, 1])

    def test_a_long_silence_is_no_record_of_none(self) -> None:
        # The 50 mL at 16 h may stand for 12 h or for one: windows over that gap are not judged.
        found = urine_stages(Series([4, 16, 20, 22], [300, 50, 200, 200]), weight_kg=80, start_h=0).values
        np.testing.assert_array_equal(found, [nan, nan, nan, 0])

    def test_a_longer_gap_can_be_allowed(self) -> None:
        volumes = Series([4, 16], [300, 50])
        assert urine_stages(volumes, weight_kg=80, start_h=0, max_gap_h=12).values[1] == 2

    def test_without_a_start_the_first_volume_only_marks_it(self) -> None:
        # From 1 h on: 6 h are on record at 7 h, and the 500 mL of the first volume are not in them.
        found = urine_stages(Series([1, 4, 7], [500, 60, 60]), weight_kg=80).values
        np.testing.assert_array_equal(found, [nan, nan, 1])

    def test_volumes_of_one_time_add_up(self) -> None:
        # Two catheters of 120 mL each: 240 mL in 6 h at 80 kg are 0.5 mL/kg/h, at 81 kg less.
        volumes = Series([6, 6], [120, 120])
        assert urine_stages(volumes, weight_kg=80, start_h=0).values.tolist() == [0, 0]
        assert urine_stages(volumes, weight_kg=81, start_h=0).values.tolist() == [1, 1]

    def test_nothing_gives_nothing(self) -> None:
        assert len(urine_stages(Series([], []), weight_kg=80)) == 0

    @given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 300)), min_size=1, max_size=25))
    def test_equals_a_sum_by_the_minute(self, records: list[tuple[int, int]]) -> None:
        times = np.cumsum([gap for gap, _ in records]).astype(float)
        # Each volume spread over the minutes since the one before, in a table of its own.
        rate = np.concatenate([np.full(60 * gap, volume / (60 * gap)) for gap, volume in records])
        found = urine_stages(Series(times, [volume for _, volume in records]), weight_kg=71.3, start_h=0)
        for time_h, stage in zip(times.astype(int), found.values, strict=True):
            expected = nan
            for level, hours, limit in ((1, 6, 0.5), (2, 12, 0.5), (3, 24, 0.3), (3, 12, 1e-9)):
                if time_h >= hours:
                    passed = rate[60 * (time_h - hours) : 60 * time_h].sum()
                    expected = np.fmax(expected, level * (passed < limit * hours * 71.3))
            np.testing.assert_equal(stage, expected)

    @pytest.mark.parametrize("weight", [0.0, nan, -70.0])
    def test_weight_that_is_none_is_refused(self, weight: float) -> None:
        with pytest.raises(ShapeError, match="kg"):
            urine_stages(hourly([1.0]), weight_kg=weight)

    def test_negative_volume_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="-5 mL, 1 of 1"):
            urine_stages(Series([0], [-5]), weight_kg=80)

    def test_start_after_the_first_volume_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="start 3 h, first volume 1 h"):
            urine_stages(Series([1], [5]), weight_kg=80, start_h=3)


class TestCombined:
    def test_greatest_of_the_kinds_at_each_time_of_any(self) -> None:
        found = combined_stages(Series([0, 24], [1, 0]), Series([10, 20, 30], [0, 2, 1]))
        assert found.time_h.tolist() == [0, 10, 20, 24, 30]
        assert found.values.tolist() == [1, 1, 2, 2, 1]

    def test_a_stage_stands_for_48_hours(self) -> None:
        found = combined_stages(Series([0], [2]), Series([48, 49], [0, 0]))
        assert found.values.tolist() == [2, 2, 0]

    def test_what_nobody_can_tell_has_no_say(self) -> None:
        found = combined_stages(Series([0, 5], [nan, nan]), Series([5], [1]))
        np.testing.assert_array_equal(found.values, [nan, 1])

    def test_dialysis_is_stage_3_from_its_start_to_its_end(self) -> None:
        found = combined_stages(Series([0, 12, 15, 20], [0, 0, 0, 0]), dialysis_h=[(10, 15)])
        assert found.time_h.tolist() == [0, 10, 12, 15, 20]
        assert found.values.tolist() == [0, 3, 3, 3, 0]

    def test_the_greatest_of_several_at_one_time_stands(self) -> None:
        assert combined_stages(Series([1, 1], [2, 0]), Series([2], [0])).values.tolist() == [2, 2]

    def test_nothing_gives_nothing(self) -> None:
        assert len(combined_stages()) == 0
