"""Isotonic curves: by hand, and what is none."""

import pytest
from pydantic import ValidationError

from medpipe.core.isotonic import IsotonicCurve

CURVE = IsotonicCurve(thresholds=(0.2, 0.4), values=(0.1, 0.5), num_cases=9)


def test_it_is_straight_between_corners_and_level_beyond() -> None:
    assert CURVE([[0.0, 0.3], [0.4, 1.0]]).tolist() == [[0.1, pytest.approx(0.3)], [0.5, 0.5]]


def test_it_survives_text() -> None:
    assert IsotonicCurve.model_validate_json(CURVE.model_dump_json()) == CURVE


@pytest.mark.parametrize(
    ("thresholds", "values", "message"),
    [
        ((0.2, 0.2), (0.1, 0.2), "ascend"),
        ((0.1, 0.2), (0.2, 0.1), "fall"),
        ((0.1,), (1.1,), "fall"),
        ((0.1, 0.2), (0.2,), "2 thresholds and 1 values"),
    ],
)
def test_what_is_no_curve_is_refused(
    thresholds: tuple[float, ...], values: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        IsotonicCurve(thresholds=thresholds, values=values, num_cases=1)
