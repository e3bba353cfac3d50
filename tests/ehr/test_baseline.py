"""Baselines: each rule by hand, and what a fallback does."""

import numpy as np
import pytest

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.ehr.baseline import (
    Admission,
    BaselineRule,
    EgfrEquation,
    admission_baseline,
    baseline_at,
    creatinine_at_egfr,
    history_baseline,
    rolling_minimum_baseline,
)
from medpipe.ehr.series import Series

nan = np.nan
DAY = 24.0


class TestHistory:
    def test_median_of_7_to_365_days_before_admission(self) -> None:
        # Admission at 0. Days 366 and 6 before do not count, 365 and 7 do: the median of 60, 80, 90 is 80.
        series = Series(np.array([-366, -365, -100, -7, -6, 0, 3]) * DAY, [500, 60, 80, 90, 200, 100, 120])
        found = history_baseline(series, admission_h=0)
        np.testing.assert_array_equal(found, [nan, nan, nan, nan, 80, 80, 80])

    def test_only_outpatient_values_count_where_they_are_named(self) -> None:
        series = Series(np.array([-100, -90, 0]) * DAY, [60, 200, 100])
        found = history_baseline(series, admission_h=0, is_outpatient=np.array([True, False, False]))
        assert found[2] == 60

    def test_no_history_is_not_known(self) -> None:
        assert np.isnan(history_baseline(Series([0, 5], [80, 90]), admission_h=0)).all()

    def test_mask_of_another_length_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="shape \\(1,\\) for 2"):
            history_baseline(Series([0, 5], [80, 90]), admission_h=0, is_outpatient=np.array([True]))


class TestAdmission:
    def test_first_value_at_or_after_admission(self) -> None:
        series = Series([-3, 0, 5], [70, 80, 60])
        np.testing.assert_array_equal(admission_baseline(series, admission_h=0), [nan, 80, 80])

    def test_nothing_after_admission_is_not_known(self) -> None:
        assert np.isnan(admission_baseline(Series([-3], [70]), admission_h=0)).all()


class TestRollingMinimum:
    def test_least_of_seven_days_up_to_now(self) -> None:
        series = Series([0, 100, 168, 169], [50, 70, 90, 80])
        np.testing.assert_array_equal(rolling_minimum_baseline(series), [50, 50, 50, 70])

    def test_padding_lengthens_the_window(self) -> None:
        series = Series([0, 172], [50, 90])
        np.testing.assert_array_equal(rolling_minimum_baseline(series, padding_h=4), [50, 50])
        np.testing.assert_array_equal(rolling_minimum_baseline(series, padding_h=3), [50, 90])


class TestAssumedFiltration:
    @pytest.mark.parametrize(
        ("age", "female", "equation", "mg_dl"),
        [
            # 142 * 0.9938^60 = 97.77; 75 / 97.77 = 0.7671; to the power -1/1.2: 1.2473; times 0.9.
            (60, False, EgfrEquation.CKD_EPI_2021, 1.1226),
            # 97.77 * 1.012 = 98.95; 75 / 98.95 = 0.7580; to the power -1/1.2: 1.2598; times 0.7.
            (60, True, EgfrEquation.CKD_EPI_2021, 0.8819),
            # 175 * 60^-0.203 = 76.22; 75 / 76.22 = 0.9840; to the power -1/1.154: 1.0141.
            (60, False, EgfrEquation.MDRD, 1.0141),
            # 76.22 * 0.742 = 56.55; 75 / 56.55 = 1.3262; to the power -1/1.154: 0.7830.
            (60, True, EgfrEquation.MDRD, 0.7830),
        ],
    )
    def test_by_hand(self, age: float, female: bool, equation: EgfrEquation, mg_dl: float) -> None:
        found = creatinine_at_egfr(75, age_years=age, is_female=female, equation=equation)
        assert found == pytest.approx(mg_dl * 88.4, rel=2e-4)

    @pytest.mark.parametrize("egfr", [30.0, 75.0, 150.0])
    @pytest.mark.parametrize("female", [False, True])
    def test_the_equation_gives_the_filtration_back(self, egfr: float, female: bool) -> None:
        # At 20 years 142 * 0.9938^20 = 125.4, so that 150 takes the branch below kappa.
        umol_l = creatinine_at_egfr(egfr, age_years=20, is_female=female, equation=EgfrEquation.CKD_EPI_2021)
        kappa, alpha, factor = (0.7, -0.241, 1.012) if female else (0.9, -0.302, 1.0)
        ratio = umol_l / 88.4 / kappa
        forward = 142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**20 * factor
        assert forward == pytest.approx(egfr)

    @pytest.mark.parametrize(("age", "female"), [(17.9, True), (nan, True), (60, None)])
    def test_children_and_unknown_patients_have_none(self, age: float, female: bool | None) -> None:
        found = creatinine_at_egfr(75, age_years=age, is_female=female, equation=EgfrEquation.MDRD)
        assert np.isnan(found)


class TestDispatch:
    series = Series([-10, 0, 5], [70, 80, 60])

    def test_without_a_fallback_what_is_not_known_stays_so(self) -> None:
        found = baseline_at(self.series, BaselineRule.ADMISSION, fallback=None, admission=Admission())
        np.testing.assert_array_equal(found.umol_l, [nan, 80, 80])
        assert found.num_unknown == 1
        assert not found.is_fallback.any()

    def test_fallback_serves_where_the_rule_gives_none_and_says_so(self) -> None:
        found = baseline_at(
            self.series,
            BaselineRule.ADMISSION,
            fallback=BaselineRule.ROLLING_MINIMUM,
            admission=Admission(),
        )
        np.testing.assert_array_equal(found.umol_l, [70, 80, 80])
        np.testing.assert_array_equal(found.is_fallback, [True, False, False])
        assert (found.rule, found.fallback, found.num_unknown) == ("admission", "rolling-minimum", 0)

    def test_assumed_filtration_is_one_value_for_all(self) -> None:
        patient = Admission(age_years=60, is_female=False)
        found = baseline_at(self.series, BaselineRule.EGFR75, fallback=None, admission=patient)
        np.testing.assert_allclose(found.umol_l, 1.1226 * 88.4, rtol=2e-4)

    def test_history_falls_back_to_the_assumed_filtration(self) -> None:
        patient = Admission(age_years=60, is_female=False)
        found = baseline_at(
            self.series, BaselineRule.HISTORY, fallback=BaselineRule.EGFR75, admission=patient
        )
        assert found.is_fallback.all()

    def test_fallback_to_the_rule_itself_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="history twice"):
            baseline_at(
                self.series,
                BaselineRule.HISTORY,
                fallback=BaselineRule.HISTORY,
                admission=Admission(),
            )

    @pytest.mark.parametrize("value", [0.0, -1.0, nan, np.inf])
    def test_values_that_are_no_creatinine_are_refused(self, value: float) -> None:
        with pytest.raises(ShapeError, match="1 of 1"):
            baseline_at(Series([0], [value]), BaselineRule.ADMISSION, fallback=None, admission=Admission())

    @pytest.mark.parametrize("rule", list(BaselineRule))
    def test_no_rule_looks_ahead(self, rule: BaselineRule) -> None:
        rng = np.random.default_rng(3)
        series = Series(np.sort(rng.uniform(-9000, 300, 60)), rng.uniform(40, 300, 60))
        patient = Admission(age_years=60, is_female=True)
        whole = baseline_at(series, rule, fallback=None, admission=patient).umol_l
        for count in range(1, 60):
            part = Series(series.time_h[:count], series.values[:count])
            found = baseline_at(part, rule, fallback=None, admission=patient).umol_l
            np.testing.assert_array_equal(found, whole[:count])
