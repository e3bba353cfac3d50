"""Stacks: planes, heights and pictures agree with where the slices lie."""

from itertools import permutations, product

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.figures.stack import stack_places

WORLDS = dict(
    zip("RLASPI", ([1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 1], [0, -1, 0], [0, 0, -1]), strict=True)
)
STACKS = ["".join(letters) for pairs in permutations(("LR", "PA", "IS")) for letters in product(*pairs)]
"""Directions of I, of J and of the slices in their order."""

NAMES = {"R": "sagittal", "L": "sagittal", "A": "coronal", "P": "coronal", "S": "axial", "I": "axial"}
GAPS_MM = np.array([0.0, 4.0, 8.0, 15.0])


def geometry(stack: str) -> tuple[np.ndarray, np.ndarray]:
    """Return steps of 1 mm and 2 mm in the plane, and four slices with an uneven gap, off the origin."""
    i, j, normal = (np.array(WORLDS[letter], dtype=float) for letter in stack)
    return np.stack((i, 2 * j), axis=1), np.array([10.0, 20.0, 30.0]) + GAPS_MM[:, None] * normal


@pytest.mark.parametrize("stack", STACKS)
class TestEveryOrientation:
    def test_plane_and_heights_follow_the_slices(self, stack: str) -> None:
        places = stack_places(*geometry(stack))
        assert places.plane.name == NAMES[stack[2]]
        goes_up = stack[2] in "RAS"
        assert places.heights_mm == pytest.approx(GAPS_MM if goes_up else 15 - GAPS_MM)
        assert places.order.tolist() == ([0, 1, 2, 3] if goes_up else [3, 2, 1, 0])
        # The places themselves are coordinates: 10, 20 or 30 mm at the first slice.
        assert places.places_mm[0] == pytest.approx(
            {"sagittal": 10, "coronal": 20, "axial": 30}[NAMES[stack[2]]]
        )

    def test_pictures_show_the_patient_as_radiologists_look(self, stack: str) -> None:
        in_plane_mm, positions_mm = geometry(stack)
        places = stack_places(in_plane_mm, positions_mm)
        i, j = np.mgrid[:5, :7]
        world = positions_mm[:, None, None] + (
            i[..., None] * in_plane_mm[:, 0] + j[..., None] * in_plane_mm[:, 1]
        )
        view = places.view(world[..., places.plane.across])
        for rank in range(4):
            picture = view.picture(places.plane, rank)
            # Coordinates fall from left to right: the positive end is at the left.
            assert (np.diff(picture, axis=1) < 0).all()
        heights = places.view(world[..., places.plane.normal]).picture
        assert [float(heights(places.plane, rank)[0, 0]) for rank in range(4)] == pytest.approx(
            np.sort(places.places_mm)
        )

    def test_one_slice_is_shown_as_within_the_stack(self, stack: str) -> None:
        places = stack_places(*geometry(stack))
        array = np.arange(4 * 5 * 7).reshape(4, 5, 7)
        view = places.view(array)
        for rank, index in enumerate(places.order):
            alone = places.slice_view(array[index]).picture(places.plane, 0)
            assert np.array_equal(alone, view.picture(places.plane, rank))


def test_tilted_slices_are_measured_along_their_normal() -> None:
    tilt = np.radians(20)
    in_plane_mm = np.array([[-1.0, 0.0], [0.0, -np.cos(tilt)], [0.0, np.sin(tilt)]])
    places = stack_places(in_plane_mm, np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 5.0]]))
    assert places.plane.name == "axial"
    assert places.heights_mm == pytest.approx([0.0, 5 * np.cos(tilt)])


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(3, 2\) and \(4,\)"):
        stack_places(np.zeros((3, 2)), np.zeros(4))
