"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.findings import Uncertainty
from medpipe.reports.numbers import (
    display_unit,
    format_count,
    format_interval,
    format_number,
    format_probability,
    format_quantity,
    format_sizes,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-12.6, "−12.6"),
        (1886.31, "1\u202f886"),
        (18863.27, "18\u202f863"),
        (1.25, "1.25"),
        (0.99999, "1"),
        (0.001234, "0.001234"),
        (9.9996e-4, "1 × 10⁻³"),
        (0.00012, "1.2 × 10⁻⁴"),
        (2.5e12, "2.5 × 10¹²"),
        (float("nan"), "not a number"),
        (float("-inf"), "−∞"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert format_number(value) == text


@given(st.floats(-1e8, 1e8))
def test_text_is_within_half_of_the_last_digit(value: float) -> None:
    text = format_number(value, digits=6).replace("\u202f", "").replace("−", "-")
    if "×" not in text:
        assert float(text) == pytest.approx(value, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize(
    ("ucum", "shown"),
    [
        ("[hnsf'U]", "HU"),
        ("1", ""),
        ("{score}", ""),
        ("mL", "mL"),
        ("%", "%"),
        ("umol/L", "µmol/L"),
        ("furlong", "furlong"),
    ],
)
def test_units(ucum: str, shown: str) -> None:
    assert display_unit(ucum) == shown


def test_quantities_and_intervals() -> None:
    assert format_quantity(-1024, "[hnsf'U]") == "−1\u202f024\u202fHU"
    assert format_quantity(0.25, "1") == "0.25"
    spread = Uncertainty(low=1, high=2, level=0, method="views")
    assert format_interval(spread, "mm") == "1 to 2\u202fmm (spread, views)"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.00"),
        (0.004, "<0.01"),
        (0.01, "0.01"),
        (0.876, "0.88"),
        (0.99, "0.99"),
        (0.996, ">0.99"),
        (1.0, "1.00"),
    ],
)
def test_probabilities_are_not_rounded_to_certainty(value: float, shown: str) -> None:
    assert format_probability(value) == shown


def test_sizes_and_counts() -> None:
    assert format_sizes((1, 2.5, 3), "mm") == "1 × 2.5 × 3\u202fmm"
    assert format_sizes((), "mm") == ""
    assert format_count(0, "flag") == "no flags"
    assert format_count(1, "study", "studies") == "1 study"
    assert format_count(2, "study", "studies") == "2 studies"
