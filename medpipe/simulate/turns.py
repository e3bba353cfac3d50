"""Rotations, one plane at a time."""

import numpy as np

from medpipe.core.affine import Array


def turn(first: int, second: int, angle: float) -> Array:
    """Return the 3x3 rotation that turns one axis towards another.

    Args:
        first: Axis that is turned towards ``second``.
        second: The other axis of the plane.
        angle: Radians.
    """
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix
