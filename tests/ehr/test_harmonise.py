"""From raw rows to records: nothing is lost without being counted, nothing is guessed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.ehr.harmonise import Harmonised, RefusedPatient, harmonise, harmonise_each
from medpipe.ehr.mapping import Meaning, Predicates, read_predicates
from medpipe.ehr.record_counts import RecordCounts
from medpipe.ehr.variables import VARIABLES
from medpipe.io.records.raw_patient import RawPatient

Build = Callable[..., RawPatient]

MIMIC = read_predicates("mimic")
PLAIN = read_predicates("plain")
NAN = float("nan")


def events(result: Harmonised) -> list[tuple[float, str, float]]:
    record = result.record
    return list(zip(record.time_h.tolist(), record.codes.tolist(), record.values.tolist(), strict=True))


class TestUnits:
    def test_values_come_in_canonical_units(self, patient: Build) -> None:
        result = harmonise(patient([(0, "50912", 1.0, "mg/dL"), (1, "51006", 10.0, "mg/dL")]), MIMIC)
        assert events(result) == [(0, "creatinine", 88.4), (1, "urea", pytest.approx(3.57))]
        assert result.counts.conversions == {("creatinine", "mg/dl"): 1, ("urea", "mg/dl"): 1}

    def test_unit_of_the_row_goes_before_that_of_the_code(self, patient: Build) -> None:
        rows = [(0.0, "LAB//50912//mg/dL", 100.0, "umol/L"), (1.0, "LAB//50912//umol/L", 90.0, "")]
        assert [value for *_, value in events(harmonise(patient(rows), MIMIC))] == [100.0, 90.0]

    def test_unknown_unit_is_counted_by_variable_and_unit(self, patient: Build) -> None:
        result = harmonise(patient([(0, "creatinine", 1.0, "stone"), (0, "creatinine", 80, "umol/L")]), PLAIN)
        assert events(result) == [(0, "creatinine", 80)]
        assert result.counts.unknown_units == {("creatinine", "stone"): 1}
        assert result.notes[0] == (Code.W_UNIT, "1 of creatinine in 'stone'")

    def test_no_unit_anywhere_is_not_guessed(self, patient: Build) -> None:
        result = harmonise(patient([(0, "creatinine", 80.0, ""), (1, "creatinine", 0.9, "")]), PLAIN)
        assert result.record.num_events == 0
        assert result.counts.unknown_units == {("creatinine", ""): 2}
        assert (Code.W_UNIT, "2 of creatinine in no unit") in result.notes

    @pytest.mark.parametrize(("assumed", "kept"), [("mg/dL", 0.9 * 88.4), ("umol/L", 80.0)])
    def test_mixed_units_are_left_out_and_flagged(self, patient: Build, assumed: str, kept: float) -> None:
        predicates = Predicates("own", {"K": Meaning(VARIABLES["creatinine"], assumed_unit=assumed)})
        result = harmonise(patient([(0, "K", 80.0, ""), (1, "K", 0.9, "")]), predicates)
        assert [value for *_, value in events(result)] == [pytest.approx(kept)]
        assert result.counts.suspect_units == {"creatinine": 1}
        assert [note.code for note in result.notes] == [Code.W_UNIT]

    def test_stated_unit_is_no_matter_of_doubt(self, patient: Build) -> None:
        # 138 mg/dL would be a plausible 138 umol/L, but the source says mg/dL: an artefact, not a mixture.
        result = harmonise(patient([(0, "50912", 138.0, "mg/dL")]), MIMIC)
        assert result.counts.suspect_units == {}
        assert result.counts.out_of_limits == {"creatinine": 1}

    def test_ratio_needs_no_unit(self, patient: Build) -> None:
        result = harmonise(patient([(0, "ph", 7.4, ""), (0, "inr", 1.1, "")]), PLAIN)
        assert events(result) == [(0, "inr", 1.1), (0, "ph", 7.4)]


class TestArtefacts:
    @pytest.mark.parametrize("value", [0.0, 138.0, -1.0, np.inf, -np.inf, 1e308])
    def test_creatinine_beyond_its_limits_is_refused(self, patient: Build, value: float) -> None:
        result = harmonise(patient([(0, "50912", value, "mg/dL")]), MIMIC)
        assert result.record.num_events == 0
        assert result.counts.out_of_limits == {"creatinine": 1}

    def test_limits_themselves_are_believed(self, patient: Build) -> None:
        low, high = VARIABLES["creatinine"].low, VARIABLES["creatinine"].high
        rows = [(0, "creatinine", low, "umol/L"), (1, "creatinine", high, "umol/L")]
        assert harmonise(patient(rows), PLAIN).record.num_events == 2

    def test_row_without_a_number_is_counted(self, patient: Build) -> None:
        counts = harmonise(patient([(0, "50912", NAN, "mg/dL")]), MIMIC).counts
        assert counts.without_value == {"creatinine": 1}

    def test_row_without_a_time_is_counted(self, patient: Build) -> None:
        assert harmonise(patient([(NAN, "50912", 1.0, "mg/dL")]), MIMIC).counts.without_time == 1

    def test_unknown_codes_are_counted_by_code(self, patient: Build) -> None:
        rows = [(0, "X", 1.0, ""), (0, "X", 1.0, ""), (0, "Y", 1.0, ""), (0, "50912", 1.0, "mg/dL")]
        assert harmonise(patient(rows), MIMIC).counts.unknown_codes == Counter(X=2, Y=1)

    def test_row_without_a_code_is_unknown(self, patient: Build) -> None:
        counts = harmonise(patient([(0, None, 1.0, None)]), MIMIC).counts
        assert counts.unknown_codes == {"": 1}

    def test_statics_that_are_not_believed_are_left_out(self, patient: Build) -> None:
        result = harmonise(patient([], weight_kg=0.0, height_cm=15.2, age=50.0), PLAIN)
        assert result.record.statics == {"age": 50.0}
        assert result.counts.refused_statics == {"weight_kg": 1, "height_cm": 1}


class TestMerging:
    def test_times_are_sorted(self, patient: Build) -> None:
        rows = [(5.0, "50912", 1.0, "mg/dL"), (-2.0, "50912", 2.0, "mg/dL"), (1.0, "50912", 3.0, "mg/dL")]
        assert harmonise(patient(rows), MIMIC).record.time_h.tolist() == [-2.0, 1.0, 5.0]

    def test_identical_rows_are_one(self, patient: Build) -> None:
        result = harmonise(patient([(0, "50912", 1.0, "mg/dL")] * 3), MIMIC)
        assert events(result) == [(0, "creatinine", 88.4)]
        assert (result.counts.duplicates, result.counts.merged) == (2, 0)

    def test_one_value_in_two_units_is_one(self, patient: Build) -> None:
        rows = [(0, "sodium", 140.0, "mmol/L"), (0, "sodium", 140.0, "mEq/L")]
        assert harmonise(patient(rows), PLAIN).counts.duplicates == 1

    def test_different_values_of_a_moment_give_their_median(self, patient: Build) -> None:
        rows = [(0, "sodium", value, "mmol/L") for value in (150.0, 130.0, 140.0, 130.0)]
        result = harmonise(patient(rows), PLAIN)  # 130 twice is one: the median is of 130, 140, 150
        assert events(result) == [(0, "sodium", 140.0)]
        assert (result.counts.duplicates, result.counts.merged) == (1, 2)

    def test_median_of_two_is_their_mean_across_codes(self, patient: Build) -> None:
        result = harmonise(patient([(0, "50912", 1.0, "mg/dL"), (0, "52546", 2.0, "mg/dL")]), MIMIC)
        assert events(result) == [(0, "creatinine", pytest.approx(132.6))]

    def test_urine_of_two_catheters_adds_up(self, patient: Build) -> None:
        result = harmonise(patient([(0, "226564", 50.0, "mL"), (0, "226565", 50.0, "mL")]), MIMIC)
        assert events(result) == [(0, "urine", 100.0)]
        assert result.counts.summed == 1

    def test_urine_of_one_catheter_twice_is_a_duplicate_or_a_correction(self, patient: Build) -> None:
        rows = [
            (0, "226559", 50.0, "mL"),
            (0, "226559", 50.0, "mL"),
            (1, "226559", 50.0, "mL"),
            (1, "226559", 70.0, "mL"),
        ]
        result = harmonise(patient(rows), MIMIC)
        assert events(result) == [(0, "urine", 50.0), (1, "urine", 60.0)]
        assert (result.counts.duplicates, result.counts.merged, result.counts.summed) == (1, 1, 0)

    def test_events_of_one_moment_are_in_the_order_of_variables(self, patient: Build) -> None:
        rows = [(0, "225802", NAN, ""), (0, "226559", 50.0, "mL"), (0, "50912", 1.0, "mg/dL")]
        assert harmonise(patient(rows), MIMIC).record.codes.tolist() == ["creatinine", "urine", "dialysis"]

    def test_event_has_no_number_and_is_there_once(self, patient: Build) -> None:
        result = harmonise(patient([(3, "225802", NAN, ""), (3, "40286", 250.0, "ml")]), MIMIC)
        assert result.record.codes.tolist() == ["dialysis"]
        assert np.isnan(result.record.values).all()
        assert result.counts.duplicates == 1


class TestPatients:
    def test_birth_after_admission_is_refused(self, patient: Build) -> None:
        with pytest.raises(RefusedError, match=r"Birth lies after admission: found -1\.0 years") as caught:
            harmonise(patient([], age=-1.0), PLAIN)
        assert caught.value.code is Code.E_RECORD

    def test_birth_on_the_day_of_admission_is_age_zero(self, patient: Build) -> None:
        assert harmonise(patient([], age=-0.5 / 365.25), PLAIN).record.statics["age"] == 0.0

    @pytest.mark.parametrize("age", [126.0, 300.0, NAN])
    def test_age_of_no_human_is_refused(self, patient: Build, age: float) -> None:
        with pytest.raises(RefusedError, match="no human's"):
            harmonise(patient([], age=age), PLAIN)

    def test_discharge_before_admission_is_refused(self, patient: Build) -> None:
        with pytest.raises(RefusedError, match=r"ends before it begins: found discharge at hour -3\.0"):
            harmonise(patient([], discharge_h=-3.0), PLAIN)

    def test_stay_without_labs_is_flagged(self, patient: Build) -> None:
        result = harmonise(patient([(0, "heart_rate", 80.0, "bpm")]), PLAIN)
        assert [note.code for note in result.notes] == [Code.W_NO_LABS]
        assert result.counts.without_labs == 1

    def test_stay_without_rows_is_a_record(self, patient: Build) -> None:
        result = harmonise(patient([]), PLAIN)
        assert result.record.num_events == 0
        assert result.counts == RecordCounts(patients=1, without_labs=1)

    def test_code_without_time_gives_a_static(self, patient: Build) -> None:
        raw = patient([], static_codes=("GENDER//F", "RACE//X"), age=70.0)
        assert dict(harmonise(raw, MIMIC).record.statics) == {"sex": "F", "age": 70.0}

    def test_record_bears_the_name_that_is_given(self, patient: Build) -> None:
        assert (
            harmonise(patient([]), PLAIN, name_patient=lambda raw: f"pt-{raw}").record.patient_id == "pt-p1"
        )

    def test_origin_goes_along(self, patient: Build) -> None:
        moment = np.datetime64("2150-01-01")
        assert harmonise(replace(patient([]), origin=moment), PLAIN).record.origin == moment

    def test_one_who_is_refused_does_not_stop_the_others(self, patient: Build) -> None:
        good, bad = patient([(0, "urea", 5.0, "mmol/L")]), patient([(0, "urea", 5.0, "mmol/L")] * 2, age=-5.0)
        first, second, third = harmonise_each([good, bad, good], PLAIN)
        assert isinstance(first, Harmonised)
        assert isinstance(third, Harmonised)
        assert isinstance(second, RefusedPatient)
        assert (second.num_rows, second.error.code) == (2, Code.E_RECORD)


CODES = st.sampled_from(["50912", "52546", "226564", "226565", "40286", "223761", "what", "50820"])
UNITS = st.sampled_from(["", "mg/dL", "umol/L", "mL", "stone", "F"])
VALUES = st.one_of(st.floats(allow_nan=True), st.sampled_from([0.0, 1.0, 7.4, 80.0, 98.6]))
HOURS = st.one_of(st.integers(0, 3).map(float), st.just(NAN))
ROWS = st.lists(st.tuples(HOURS, CODES, VALUES, UNITS), max_size=30)


class TestProperties:
    @given(ROWS)
    def test_every_row_is_accounted_for(self, patient: Build, rows: list[Any]) -> None:
        result = harmonise(patient(rows), MIMIC)
        assert result.counts.rows == len(rows) == result.counts.accounted
        assert result.counts.kept == result.record.num_events

    @given(ROWS, st.randoms(use_true_random=False))
    def test_order_of_rows_does_not_matter(self, patient: Build, rows: list[Any], random: Any) -> None:
        shuffled = random.sample(rows, len(rows))
        one, two = harmonise(patient(rows), MIMIC), harmonise(patient(shuffled), MIMIC)
        assert one.counts == two.counts
        np.testing.assert_array_equal(one.record.time_h, two.record.time_h)
        np.testing.assert_array_equal(one.record.codes, two.record.codes)
        np.testing.assert_array_equal(one.record.values, two.record.values)

    @given(ROWS)
    def test_rows_written_twice_change_counts_alone(self, patient: Build, rows: list[Any]) -> None:
        one, two = harmonise(patient(rows), MIMIC), harmonise(patient(rows * 2), MIMIC)
        np.testing.assert_array_equal(one.record.values, two.record.values)
        np.testing.assert_array_equal(one.record.time_h, two.record.time_h)

    @given(ROWS)
    def test_each_variable_stands_once_a_moment_and_within_limits(
        self, patient: Build, rows: list[Any]
    ) -> None:
        record = harmonise(patient(rows), MIMIC).record
        assert len(set(zip(record.time_h.tolist(), record.codes.tolist(), strict=True))) == record.num_events
        for code, value in zip(record.codes.tolist(), record.values.tolist(), strict=True):
            variable = VARIABLES[code]
            most = 2 * variable.high if variable.is_additive else variable.high  # of two catheters
            assert np.isnan(value) if variable.is_event else variable.low <= value <= most

    def test_long_stay_equals_the_sum_of_its_parts(self, patient: Build) -> None:
        random = np.random.default_rng(3)
        num_rows = 100_000
        codes = np.array(["50912", "50983", "226559", "what", "40286"], dtype=object)
        raw = replace(
            patient([]),
            time_h=random.integers(0, 20_000, num_rows) / 60,
            codes=codes[random.integers(0, len(codes), num_rows)],
            values=random.uniform(0.5, 150, num_rows).round(1),
            units=np.full(num_rows, "", dtype=object),
        )
        result = harmonise(raw, MIMIC)
        assert result.counts.rows == num_rows == result.counts.accounted
        early = raw.time_h < 100
        parts = [
            harmonise(
                replace(
                    raw,
                    time_h=raw.time_h[part],
                    codes=raw.codes[part],
                    values=raw.values[part],
                    units=raw.units[part],
                ),
                MIMIC,
            )
            for part in (early, ~early)
        ]
        np.testing.assert_array_equal(
            np.concatenate([part.record.values for part in parts]), result.record.values
        )
        whole = parts[0].counts + parts[1].counts
        assert (whole.kept, whole.unknown_codes) == (result.counts.kept, result.counts.unknown_codes)
