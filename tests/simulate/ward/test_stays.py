"""Five hundred stays: how many are injured, what foretells it, and what the record may not say."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medpipe.core.affine import Array
from medpipe.metrics.creatinine_rise import creatinine_rise
from medpipe.simulate.ward.codes import DEATH, DIALYSIS, DISCHARGE, QUANTITIES
from medpipe.simulate.ward.plan import draw_plan
from medpipe.simulate.ward.stay_course import run_stay
from medpipe.simulate.ward.stays import WardStay, simulated_stay

PLAUSIBLE = {
    "creatinine": (18, 1500),
    "urea": (0.7, 80),
    "sodium": (115, 165),
    "potassium": (2.0, 9.5),
    "chloride": (80, 130),
    "bicarbonate": (4, 40),
    "calcium": (1.4, 3.2),
    "phosphate": (0.3, 4.5),
    "lactate": (0.3, 15),
    "white_cells": (1, 50),
    "haemoglobin": (40, 200),
    "c_reactive_protein": (1, 500),
    "heart_rate": (30, 190),
    "systolic_pressure": (40, 230),
    "mean_pressure": (25, 170),
    "temperature": (34, 41.5),
    "weight": (40, 155),
    "urine": (0, 4000),
}


def values_of(stay: WardStay, code: str) -> tuple[Array, Array]:
    chosen = stay.record.codes == code
    return stay.record.time_h[chosen], stay.record.values[chosen]


def injured(stays: list[WardStay]) -> list[WardStay]:
    return [stay for stay in stays if stay.truth.peak_stage >= 1]


class TestRecord:
    def test_a_seed_gives_one_record(self) -> None:
        first, again = simulated_stay(11).record, simulated_stay(11).record
        np.testing.assert_array_equal(first.time_h, again.time_h)
        np.testing.assert_array_equal(first.codes, again.codes)
        np.testing.assert_array_equal(first.values, again.values)
        assert first.statics == again.statics

    def test_it_begins_with_admission_and_ends_with_discharge_or_death(self, stays: list[WardStay]) -> None:
        for stay in stays:
            since = stay.record.time_h >= 0
            assert stay.record.codes[since][0] == "admission"
            assert stay.record.codes[-1] == (DEATH if stay.plan.dies else DISCHARGE)
            assert stay.record.time_h[-1] == stay.plan.end_h

    def test_only_creatinine_is_known_from_before(self, stays: list[WardStay]) -> None:
        before = [stay.record.codes[stay.record.time_h < 0] for stay in stays]
        assert set(np.concatenate(before)) == {"creatinine"}
        assert np.mean([len(codes) > 0 for codes in before]) == pytest.approx(0.6, abs=4 * 0.5 / 500**0.5)

    def test_values_are_plausible_and_every_code_is_known(self, stays: list[WardStay]) -> None:
        for code, (low, high) in PLAUSIBLE.items():
            values = np.concatenate([values_of(stay, code)[1] for stay in stays])
            assert low <= values.min() <= values.max() <= high, code
        assert set(PLAUSIBLE) == set(QUANTITIES)
        for stay in stays:
            measured = np.isin(stay.record.codes, list(QUANTITIES))
            assert np.isfinite(stay.record.values[measured]).all()
            assert np.isnan(stay.record.values[~measured]).all()

    def test_injury_is_coded_at_the_end_only(self, stays: list[WardStay]) -> None:
        coded = [
            (stay, values_of(stay, "diagnosis//acute_kidney_injury")[0])
            for stay in stays
            if "diagnosis//acute_kidney_injury" in stay.record.codes
        ]
        assert len(coded) > 10
        assert all(times.tolist() == [stay.plan.end_h] for stay, times in coded)
        assert all(stay.truth.peak_stage >= 2 for stay, _ in coded)

    def test_labs_of_one_order_share_their_time(self, stays: list[WardStay]) -> None:
        for stay in stays[:50]:
            np.testing.assert_array_equal(values_of(stay, "urea")[0], values_of(stay, "potassium")[0])
            assert np.isin(values_of(stay, "calcium")[0], values_of(stay, "phosphate")[0]).all()


class TestTruth:
    def test_a_sixth_to_a_fifth_is_injured(self, stays: list[WardStay]) -> None:
        stages = np.array([stay.truth.peak_stage for stay in stays])
        assert 0.14 < (stages >= 1).mean() < 0.24
        assert (stages == 1).sum() > (stages == 2).sum() > (stages == 3).sum() > 0

    def test_some_are_dialysed_and_the_record_says_when(self, stays: list[WardStay]) -> None:
        dialysed = [stay for stay in stays if len(stay.truth.dialysis_h)]
        assert 0.003 < len(dialysed) / len(stays) < 0.04
        for stay in dialysed:
            begun = stay.truth.dialysis_h[stay.truth.dialysis_h <= stay.truth.end_h]
            np.testing.assert_array_equal(values_of(stay, DIALYSIS)[0], begun)
            assert stay.truth.peak_stage == 3 or not len(begun)

    def test_most_injuries_get_better(self, stays: list[WardStay]) -> None:
        alive = [stay for stay in injured(stays) if not stay.plan.dies]
        last = [stay.truth.stages[stay.truth.time_h <= stay.truth.end_h][-1] for stay in alive]
        assert np.mean(np.array(last) < [stay.truth.peak_stage for stay in alive]) > 0.5

    def test_without_insults_filtration_stays_near_normal(self, stays: list[WardStay]) -> None:
        quiet = [stay for stay in stays if not stay.plan.insults]
        assert len(quiet) > 50
        for stay in quiet:
            assert stay.truth.peak_stage == 0
            np.testing.assert_allclose(
                stay.truth.gfr_ml_min, stay.plan.patient.gfr_ml_min, rtol=0.12
            )  # six deviations of its scatter

    def test_what_begins_is_known_only_within_the_stay_and_before_the_onset(
        self, stays: list[WardStay]
    ) -> None:
        truth = next(stay.truth for stay in injured(stays) if stay.truth.onset_h > 60)
        onset, end = truth.onset_h, truth.end_h
        moments = [onset - 48.5, onset - 48.0, onset - 0.5, onset, end]
        np.testing.assert_array_equal(truth.begins_within(moments, 48.0), [0, 1, 1, np.nan, np.nan])
        quiet = next(stay.truth for stay in stays if not stay.plan.insults)
        moments = [quiet.end_h - 48.0, quiet.end_h - 47.9]
        np.testing.assert_array_equal(quiet.begins_within(moments, 48.0), [0, np.nan])


class TestSigns:
    def test_creatinine_lags_filtration_by_hours(self, stays: list[WardStay]) -> None:
        lags = []
        for stay in injured(stays):
            truth = stay.truth
            lowest = int(truth.gfr_ml_min.argmin())
            highest = int(truth.creatinine_umol_l.argmax())
            lags.append(truth.time_h[highest] - truth.time_h[lowest])
        assert np.median(lags) > 8.0

    def test_measured_creatinine_rises_after_filtration_fell(self, stays: list[WardStay]) -> None:
        seen = []
        for stay in injured(stays):
            truth, normal = stay.truth, stay.plan.patient
            fallen = truth.time_h[truth.gfr_ml_min < normal.gfr_ml_min / 1.5]
            times, values = values_of(stay, "creatinine")
            risen = times[(times > 0) & (values > 1.5 * normal.normal["creatinine"])]
            if len(fallen) and len(risen):
                seen.append(risen[0] - fallen[0])
        assert np.median(seen) > 12.0
        assert np.mean(np.array(seen) > 0) > 0.95

    def test_salts_urea_and_urine_move_before_the_onset(self) -> None:
        # Against the same patient's balance, twelve hours before stage 1 stands.
        moved: dict[str, list[float]] = {code: [] for code in ("potassium", "phosphate", "urea", "urine")}
        for seed in range(500):
            plan = draw_plan(seed)
            stay = simulated_stay(seed)
            if stay.truth.peak_stage < 1:
                continue
            course = run_stay(plan)
            hour = int(np.searchsorted(course.time_h, stay.truth.onset_h - 12.0))
            for code in moved:
                start = course.values[code][:6].mean()
                moved[code].append(course.values[code][hour] / start - 1.0)
        assert np.mean(moved["potassium"]) > 0.08
        assert np.mean(moved["phosphate"]) > 0.15
        assert np.mean(moved["urea"]) > 0.15
        assert np.mean(moved["urine"]) < -0.25

    def test_the_ill_are_measured_more(self, stays: list[WardStay]) -> None:
        def draws_a_day(stay: WardStay) -> float:
            times = values_of(stay, "potassium")[0]
            return len(times) / (stay.plan.end_h / 24.0)

        ill = np.mean([draws_a_day(stay) for stay in injured(stays)])
        well = np.mean([draws_a_day(stay) for stay in stays if not stay.plan.insults])
        assert ill > 1.4 * well

    def test_the_trivial_rule_is_of_use_and_can_be_beaten(self, stays: list[WardStay]) -> None:
        scores, labels = [], []
        for stay in stays:
            moments = np.arange(0.0, stay.truth.end_h, 6.0)
            times, values = values_of(stay, "creatinine")
            scores.append(creatinine_rise(times, values, moments))
            labels.append(stay.truth.begins_within(moments, 48.0))
        score, label = np.concatenate(scores), np.concatenate(labels)
        known = ~np.isnan(label)
        assert 0.62 < roc_auc_score(label[known], score[known]) < 0.80
