"""Codes: stable names that scripts test for, each with a meaning."""

import re

import pytest

from medpipe.core.codes import Code


@pytest.mark.parametrize("code", Code)
def test_code_is_its_name_and_has_a_meaning(code: Code) -> None:
    assert code == code.name
    assert re.fullmatch("[EW]_[A-Z_]+", code)
    assert len(code.meaning) > 10
    assert not code.meaning.endswith(".")


def test_meanings_differ() -> None:
    assert len({code.meaning for code in Code}) == len(Code)


def test_w_codes_are_flags() -> None:
    assert Code.W_TILT.is_flag
    assert not Code.E_TILT.is_flag


def test_code_is_found_by_its_text() -> None:
    assert Code("E_GAP") is Code.E_GAP
