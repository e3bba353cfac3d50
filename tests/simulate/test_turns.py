"""A turn in a plane is a rotation that leaves the third axis alone."""

import numpy as np
import pytest

from medpipe.simulate.turns import turn


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 2), (2, 0)])
def test_a_quarter_turn_takes_the_first_axis_to_the_second(first: int, second: int) -> None:
    axes = np.eye(3)
    np.testing.assert_allclose(turn(first, second, np.pi / 2) @ axes[first], axes[second], atol=1e-12)
    third = 3 - first - second
    np.testing.assert_allclose(turn(first, second, 0.3) @ axes[third], axes[third])
    assert np.linalg.det(turn(first, second, 0.3)) == pytest.approx(1.0)
