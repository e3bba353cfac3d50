"""Vectors of codes: what lies near, and codes that have none."""

import numpy as np
import pytest

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.text.code_vectors import CodeVectors, VectorOrigin, VectorSettings

CODES = ("Drug//A", "drug//b", "lactate//high")


def vectors_of(rows: list[list[float]], codes: tuple[str, ...] = CODES) -> CodeVectors:
    origin = VectorOrigin(
        settings=VectorSettings(dimension=2), patients=3, patients_digest="ab", sentences=9, borders={}
    )
    return CodeVectors(codes, np.array(rows, dtype=np.float32), origin)


def test_nearest_are_sorted_by_cosine_and_leave_out_the_code_itself() -> None:
    # To (3, 4): (0, 2) has cosine 4/5, (10, 0) has 3/5; lengths do not count.
    found = vectors_of([[10.0, 0.0], [3.0, 4.0], [0.0, 2.0]]).nearest("drug//b")
    assert [item.code for item in found] == ["lactate//high", "Drug//A"]
    assert [item.similarity for item in found] == pytest.approx([0.8, 0.6])


def test_no_more_than_asked_for_come_out_and_a_vector_of_0_is_near_nothing() -> None:
    vectors = vectors_of([[0.0, 0.0], [3.0, 4.0], [0.0, 2.0]])
    assert [item.code for item in vectors.nearest("drug//b", 1)] == ["lactate//high"]
    assert [item.similarity for item in vectors.nearest("Drug//A")] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("code", "message"),
    [("drug//a", "Did you mean 'Drug//A'"), ("lactate//hihg", "'lactate//high'"), ("Q", "such as Drug//A")],
)
def test_a_code_without_a_vector_is_refused_with_the_nearest_spelling(code: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        vectors_of([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]).nearest(code)


def test_codes_without_a_vector_have_nan() -> None:
    found = vectors_of([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).of(["lactate//high", "none", "Drug//A"])
    np.testing.assert_array_equal(found, [[5.0, 6.0], [np.nan, np.nan], [1.0, 2.0]])


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        ([[1.0, 2.0]], CODES),
        ([[1.0, 2.0], [1.0, 2.0], [np.nan, 2.0]], CODES),
        ([[1.0, 2.0], [1.0, 2.0]], ("a", "a")),
        ([[1.0, 2.0, 3.0]], ("a",)),
    ],
)
def test_what_is_not_one_finite_vector_a_code_is_refused(
    rows: list[list[float]], codes: tuple[str, ...]
) -> None:
    with pytest.raises(ShapeError):
        vectors_of(rows, codes)
