"""Axes of the body by name, and the array axes that lie along them."""

from typing import Final, Literal

BodyAxis = Literal["left_right", "front_back", "head_foot"]
BODY_AXES: Final[tuple[BodyAxis, ...]] = ("left_right", "front_back", "head_foot")

_LETTERS: Final[dict[BodyAxis, str]] = {"left_right": "RL", "front_back": "AP", "head_foot": "SI"}


def array_axis(orientation: str, body_axis: BodyAxis) -> int:
    """Return the array axis along an axis of the body.

    Args:
        orientation: Axis codes such as ``"RAS"``.
        body_axis: Axis of the body.
    """
    return next(axis for axis in range(3) if orientation[axis] in _LETTERS[body_axis])
