"""Views along the patient's axes: marks and pictures agree with the affine."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.figures.planes import AXIAL, CORONAL, PLANES, SAGITTAL, closest_view

ORIENTATIONS = ["".join(letters) for pairs in permutations(("LR", "PA", "IS")) for letters in product(*pairs)]
SHAPE = (9, 11, 13)


def oriented_affine(orientation: str, spacing: tuple[float, float, float] = (1.0, 2.0, 3.0)) -> Array:
    """Return an affine whose voxel axes point where the letters say."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, letter in enumerate(orientation):
        world = next(index for index, pair in enumerate(("LR", "PA", "IS")) if letter in pair)
        affine[world, axis] = spacing[axis] * (1 if letter in "RAS" else -1)
    return affine


def corner_marker(affine: Array) -> np.ndarray:
    """Return a volume with one bright voxel at its left, front and head corner."""
    volume = np.zeros(SHAPE, dtype=np.float32)
    corners = np.array(list(product(*[(0, size - 1) for size in SHAPE])))
    world = corners @ affine[:3, :3].T
    volume[tuple(corners[np.argmax(world @ [-1, 1, 1])])] = 1.0
    return volume


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_left_front_head_marker_is_where_the_marks_say(orientation: str) -> None:
    affine = oriented_affine(orientation)
    view = closest_view(corner_marker(affine), affine)
    for plane in PLANES:
        picture = max((view.picture(plane, i) for i in range(view.array.shape[plane.normal])), key=np.max)
        row, column = np.unravel_index(int(picture.argmax()), picture.shape)
        left, right, top, bottom = view.marks(plane)
        seen = {left if column == 0 else right, top if row == 0 else bottom}
        assert picture[row, column] == 1.0
        assert seen <= {"L", "A", "S"}, (plane.name, seen)


def test_all_48_orientations_are_tried() -> None:
    assert len(set(ORIENTATIONS)) == 48


def test_radiological_convention_puts_left_at_the_right() -> None:
    view = closest_view(np.zeros(SHAPE), np.eye(4))
    assert view.marks(AXIAL) == ("R", "L", "A", "P")
    assert view.marks(CORONAL) == ("R", "L", "S", "I")
    assert view.marks(SAGITTAL) == ("A", "P", "S", "I")


@given(st.integers(0, 47), st.floats(-20, 20), st.floats(-20, 20))
def test_turns_below_45_degrees_keep_the_picture(number: int, about_z: float, about_x: float) -> None:
    straight = oriented_affine(ORIENTATIONS[number])
    z, x = np.radians(about_z), np.radians(about_x)
    turn = np.eye(4)
    turn[:3, :3] = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    )
    volume = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    expected, turned = closest_view(volume, straight), closest_view(volume, turn @ straight)
    for plane in PLANES:
        np.testing.assert_array_equal(expected.picture(plane, 2), turned.picture(plane, 2))


def test_position_is_the_coordinate_of_the_slice_centre() -> None:
    affine = oriented_affine("LPS", (1.0, 1.0, 5.0))
    affine[2, 3] = -12.0
    view = closest_view(np.zeros(SHAPE), affine)
    # -12 + 2 * 5 = -2 mm, and -12 + 3 * 5 = 3 mm.
    assert view.position(AXIAL, 2) == "I 2.0 mm"
    assert view.position(AXIAL, 3) == "S 3.0 mm"


def test_extent_follows_the_spacing() -> None:
    view = closest_view(np.zeros(SHAPE), oriented_affine("SLP", (3.0, 1.0, 2.0)))
    # Axis I is head to feet: 9 * 3 mm; J across: 11 * 1 mm; K front to back: 13 * 2 mm.
    assert view.extent_mm(CORONAL) == pytest.approx((11.0, 27.0))
    assert view.extent_mm(SAGITTAL) == pytest.approx((26.0, 27.0))


def test_unknown_orientation_is_marked_by_question_marks() -> None:
    view = closest_view(np.zeros(SHAPE), oriented_affine("LPS"), is_oriented=False)
    assert set(view.marks(AXIAL)) == {"?"}
    assert view.position(AXIAL, 4) == "slice 5"
    assert "sides are not known" in view.axes_note()


def test_notes_name_tilt_and_turn_with_their_degrees() -> None:
    tilted = np.eye(4)
    tilted[1, 2] = np.tan(np.radians(15))
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    assert "tilted by 15.0 degrees" in closest_view(np.zeros(SHAPE), tilted).axes_note()
    assert "up to 17.2 degrees" in closest_view(np.zeros(SHAPE), turned).axes_note()
    assert closest_view(np.zeros(SHAPE), np.eye(4)).axes_note() == ""


def test_wrong_number_of_axes_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"found shape \(3, 4\)"):
        closest_view(np.zeros((3, 4)), np.eye(4))
