"""Connected objects in one pass, beside scipy's label by label."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medpipe.tasks.objects import LabelMap, connected_objects

MAPS = arrays.arrays(
    np.uint8, st.tuples(*[st.integers(1, size) for size in (5, 4, 6)]), elements=st.integers(0, 2)
)


@given(label_map=MAPS)
def test_objects_are_those_that_scipy_finds_label_by_label(label_map: LabelMap) -> None:
    objects = connected_objects(label_map)
    assert np.array_equal(objects.painted(objects.values), label_map)
    for value in range(3):
        theirs, count = ndimage.label(label_map == value)
        expected = sorted(np.bincount(theirs.ravel(), minlength=count + 1)[1:])
        assert sorted(objects.sizes[objects.values == value]) == expected


@given(label_map=MAPS)
def test_contacts_are_the_faces_between_values(label_map: LabelMap) -> None:
    objects = connected_objects(label_map)
    found = {tuple(sorted(objects.values[pair].tolist())) for pair in objects.contacts}
    assert all(first != second for first, second in found)
    expected = set()
    for axis in range(3):
        ahead = np.take(label_map, range(1, label_map.shape[axis]), axis=axis)
        behind = np.take(label_map, range(label_map.shape[axis] - 1), axis=axis)
        pairs = zip(behind.ravel().tolist(), ahead.ravel().tolist(), strict=True)
        expected |= {tuple(sorted(pair)) for pair in pairs if pair[0] != pair[1]}
    assert found == expected


@pytest.mark.parametrize("place", [(0, 2, 2), (3, 2, 2), (2, 0, 2), (2, 4, 2), (2, 2, 0), (2, 2, 5)])
def test_every_face_of_the_map_is_its_border(place: tuple[int, int, int]) -> None:
    label_map = np.zeros((4, 5, 6), dtype=np.uint8)
    label_map[1:3, 1:4, 1:5] = 1
    label_map[place] = 2
    objects = connected_objects(label_map)
    at_border = dict(zip(objects.values.tolist(), objects.at_border().tolist(), strict=True))
    assert at_border == {0: True, 1: False, 2: True}
