"""Connected objects: the largest stays, whatever labels it bears."""

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.tasks.objects import keep_largest_object


def test_largest_object_keeps_its_labels_and_others_go() -> None:
    labels = np.zeros((8, 5, 6), dtype=np.uint8)
    labels[1:3, 1:3, 1:3] = 1  # 8 + 4 voxels of two labels, which touch
    labels[3, 1:3, 1:3] = 2
    labels[5:8, 4, 3:6] = 1  # 9 voxels apart
    kept = keep_largest_object(labels)
    assert kept.dtype == np.uint8
    assert np.bincount(kept.ravel()).tolist() == [240 - 12, 8, 4]
    assert not kept[5:].any()


def test_corners_do_not_connect() -> None:
    labels = np.zeros((4, 4, 4), dtype=np.uint8)
    labels[0, 0, :2] = 1
    labels[1, 1, 2] = 1
    assert keep_largest_object(labels).sum() == 2


def test_empty_map_stays_empty() -> None:
    assert not keep_largest_object(np.zeros((3, 4, 5), dtype=np.uint8)).any()


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"found shape \(3, 4\)"):
        keep_largest_object(np.zeros((3, 4), dtype=np.uint8))
