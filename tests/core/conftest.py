"""Any grid: Hypothesis draws one wherever a test asks for a ``Grid`` by type."""

import numpy as np
from hypothesis import strategies as st

from medpipe.core.affine import Array
from medpipe.core.grid import Grid


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Draw a grid of unequal sizes: turned in space, maybe mirrored, maybe sheared as by gantry tilt."""
    shape = draw(st.permutations([2, 3, 5]))
    spacing = [draw(st.floats(0.1, 10)) for _ in range(3)]
    shear = np.eye(3)
    shear[1, 2] = np.tan(np.radians(draw(st.floats(-30, 30))))
    mirror = draw(st.sampled_from([-1.0, 1.0]))
    affine = np.eye(4)
    affine[:3, :3] = _rotation(draw) @ shear @ np.diag(spacing) * [1, 1, mirror]
    affine[:3, 3] = [draw(st.floats(-500, 500)) for _ in range(3)]
    return Grid((shape[0], shape[1], shape[2]), affine)


def _rotation(draw: st.DrawFn) -> Array:
    turn = np.eye(3)
    for first, second in ((0, 1), (1, 2), (0, 2)):
        angle = np.radians(draw(st.floats(-180, 180)))
        step = np.eye(3)
        step[[first, second], [first, second]] = np.cos(angle)
        step[first, second], step[second, first] = -np.sin(angle), np.sin(angle)
        turn = step @ turn
    return turn


st.register_type_strategy(Grid, grids())
