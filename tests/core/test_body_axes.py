"""Axes of the body."""

import pytest

from medpipe.core.body_axes import BODY_AXES, array_axis


@pytest.mark.parametrize(
    ("orientation", "expected"), [("RAS", (0, 1, 2)), ("PSR", (2, 0, 1)), ("ILA", (1, 2, 0))]
)
def test_array_axis_follows_the_codes_whichever_end_they_name(
    orientation: str, expected: tuple[int, int, int]
) -> None:
    assert tuple(array_axis(orientation, name) for name in BODY_AXES) == expected
