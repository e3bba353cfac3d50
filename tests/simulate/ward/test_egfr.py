"""CKD-EPI 2021 against worked examples, and its inverse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.simulate.ward.egfr import creatinine_of, egfr_of


def test_it_agrees_with_a_worked_example() -> None:
    # 0.9 mg/dL, woman of 55: 142 * (0.9 / 0.7)^-1.2 * 0.9938^55 * 1.012
    # = 142 * 0.7396 * 0.7103 * 1.012 = 75.5
    assert egfr_of(0.9 * 88.4, age_years=55, is_female=True) == pytest.approx(75.5, abs=0.1)


def test_at_the_hinge_only_age_and_sex_count() -> None:
    # 0.9 mg/dL of a man is the hinge: 142 * 0.9938^50 = 142 * 0.7327
    assert egfr_of(0.9 * 88.4, age_years=50, is_female=False) == pytest.approx(104.05, abs=0.05)


@given(st.floats(5, 160), st.floats(18, 100), st.booleans())
def test_the_creatinine_of_an_egfr_has_that_egfr(egfr: float, age_years: float, is_female: bool) -> None:
    creatinine = creatinine_of(egfr, age_years=age_years, is_female=is_female)
    assert egfr_of(creatinine, age_years=age_years, is_female=is_female) == pytest.approx(egfr)
