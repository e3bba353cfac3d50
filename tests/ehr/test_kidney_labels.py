"""Labels of a record, worked out by hand."""

from dataclasses import replace
from typing import Any

import numpy as np

from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.baseline import BaselineRule
from medpipe.ehr.hospital_stays import HospitalStay
from medpipe.ehr.kidney_labels import KidneyRule, KidneyTruth, label_kidney, label_yaib
from medpipe.io.records.raw_patient import Labels

nan = np.nan
RULE = KidneyRule(BaselineRule.ADMISSION, horizons_h=(12.0, 24.0), labs=("urea",))
STAY = HospitalStay("1", 0.0, 60.0)
STEPS = np.array([6.0, 12.0, 18.0, 24.0, 30.0])


def record_of(*events: tuple[float, str, float], **statics: Any) -> PatientRecord:
    ordered = sorted(events, key=lambda event: event[0])
    return PatientRecord(
        "p",
        np.array([event[0] for event in ordered], dtype=float),
        np.array([event[1] for event in ordered], dtype=str),
        np.array([event[2] for event in ordered], dtype=float),
        statics,
    )


def truth_of(*events: tuple[float, str, float], rule: KidneyRule = RULE, **statics: Any) -> KidneyTruth:
    return label_kidney(record_of(*events, **statics), STAY, STEPS, rule)


def test_rise_is_an_onset_and_later_steps_are_not_asked() -> None:
    # 80 to 130 umol/L: 1.6 times the value at admission, at hour 26.
    truth = truth_of((0, "creatinine", 80), (26, "creatinine", 130))
    assert truth.onset_h.tolist() == [26]
    np.testing.assert_array_equal(truth.risks, [[0, 1], [0, 1], [1, 1], [1, 1], [nan, nan]])
    np.testing.assert_array_equal(truth.next_onset_h(STEPS), [26, 26, 26, 26, nan])


def test_outcome_after_the_end_of_the_record_is_not_known() -> None:
    truth = label_kidney(record_of((0, "creatinine", 80)), HospitalStay("1", 0.0, 30.0), STEPS, RULE)
    np.testing.assert_array_equal(truth.risks, [[0, 0], [0, nan], [0, nan], [nan, nan], [nan, nan]])


def test_too_little_urine_is_an_onset_where_it_is_judged() -> None:
    urine = [(float(hour), "urine", 20.0 if hour > 18 else 100.0) for hour in range(1, 37)]
    events = [(0.0, "creatinine", 80.0), *urine]
    by_both = replace(RULE, urine=True)
    # The mean over the 6 h to hour 22 is 0.58 mL/kg/h, to hour 23 it is 0.42.
    assert truth_of(*events, rule=by_both, weight_kg=80.0).onset_h.tolist() == [23]
    assert truth_of(*events, (5.0, "weight", 80.0), rule=by_both).onset_h.tolist() == [23]
    assert not len(truth_of(*events, rule=by_both).onset_h)  # no weight
    assert not len(truth_of(*events, weight_kg=80.0).onset_h)


def test_first_dialysis_is_an_event_and_what_follows_is_left_out() -> None:
    truth = truth_of((0, "creatinine", 80), (20, "dialysis", nan))
    np.testing.assert_array_equal(truth.risks, [[0, 1], [1, 1], [1, 1], [nan, nan], [nan, nan]])


def test_dialysis_at_an_unknown_hour_leaves_out_the_stay() -> None:
    truth = truth_of((0, "creatinine", 80), dialysis_in_stay=True)
    assert np.isnan(truth.risks).all()


def test_kidney_that_had_failed_before_is_left_out() -> None:
    # 500 umol/L at admission lies above 353.6.
    assert np.isnan(truth_of((0, "creatinine", 500), (20, "creatinine", 510)).risks).all()


def test_lab_maxima_are_of_the_horizon_alone() -> None:
    truth = truth_of((0, "creatinine", 80), (6, "urea", 9), (10, "urea", 5), (20, "urea", 7))
    np.testing.assert_array_equal(truth.lab_maxima[0, :, 0], [5, 7])


def test_what_is_measured_after_the_end_of_the_stay_is_no_label() -> None:
    stay = HospitalStay("1", 0.0, 24.0)
    record = record_of((0, "creatinine", 80), (26, "creatinine", 300))
    assert label_kidney(record, stay, STEPS[:3], RULE).onset_h.tolist() == []


class TestYaib:
    labels = Labels(np.arange(10.0), np.arange(10.0) >= 2)
    """Positive from hour 2: the onset is at hour 8."""

    def test_labels_are_taken_as_they_are(self) -> None:
        truth = label_yaib(record_of(), STAY, self.labels, drop_after_onset=False)
        assert truth.risks[:, 0].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
        assert truth.onset_h.tolist() == [8]

    def test_hours_from_the_onset_on_may_be_left_out(self) -> None:
        truth = label_yaib(record_of(), STAY, self.labels, drop_after_onset=True)
        np.testing.assert_array_equal(truth.risks[6:, 0], [1, 1, nan, nan])
