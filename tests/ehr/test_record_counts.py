"""Counts add up over patients."""

from collections import Counter

from medpipe.ehr.record_counts import RecordCounts


def test_counts_add_field_by_field() -> None:
    one = RecordCounts(patients=1, rows=3, kept=2, unknown_codes=Counter(x=1))
    two = RecordCounts(patients=1, rows=2, kept=0, unknown_codes=Counter(x=1, y=1), without_labs=1)
    assert one + two == RecordCounts(
        patients=2, rows=5, kept=2, unknown_codes=Counter(x=2, y=1), without_labs=1
    )


def test_nothing_is_neutral() -> None:
    one = RecordCounts(patients=1, rows=3, kept=2, out_of_limits=Counter(creatinine=1))
    assert one + RecordCounts() == one


def test_sum_takes_counts_from_nothing() -> None:
    assert sum([RecordCounts(rows=1), RecordCounts(rows=2)], start=RecordCounts()).rows == 3


def test_conversions_and_statics_are_no_further_rows() -> None:
    counts = RecordCounts(
        rows=1, kept=1, conversions=Counter({("urea", "mg/dl"): 1}), refused_statics=Counter(weight_kg=1)
    )
    assert counts.accounted == 1
