"""Checks of grids and label values: both sides and the fix are named."""

import re

import numpy as np
import pytest

from medpipe.core.errors import RefusedError
from medpipe.core.grid import Grid
from medpipe.data.checks import check_grids, checked_label_map

SHAPE = (5, 6, 7)
AFFINE = np.array([[2.0, 0, 0, 10], [0, 3.0, 0, -20], [0, 0, 4.0, 30], [0, 0, 0, 1]])


def shifted(distance_mm: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[0, 3] += distance_mm
    return affine


class TestGrids:
    def test_equal_grids_pass(self) -> None:
        check_grids("c", {"image": Grid(SHAPE, AFFINE), "mask": Grid(SHAPE, AFFINE)})

    def test_rounding_of_headers_passes(self) -> None:
        # 5 % of the smallest spacing, 2 mm, is 0.1 mm.
        check_grids("c", {"image": Grid(SHAPE, AFFINE), "mask": Grid(SHAPE, shifted(0.09))})

    def test_other_place_names_both_and_the_fix(self) -> None:
        message = (
            r"Case c: image and mask lie on different grids: found image 5 x 6 x 7 voxels of 2 x 3 x 4 mm, "
            r"RAS, first voxel at \(10\.00, -20\.00, 30\.00\) mm; mask 5 x 6 x 7 voxels of 2 x 3 x 4 mm, "
            r"RAS, first voxel at \(11\.50, -20\.00, 30\.00\) mm; corners up to 1\.5 mm apart\. "
            r"If the mask belongs to the image, copy the affine of the image to it\."
        )
        with pytest.raises(RefusedError, match=message):
            check_grids("c", {"image": Grid(SHAPE, AFFINE), "mask": Grid(SHAPE, shifted(1.5))})

    def test_other_shape_asks_for_resampling(self) -> None:
        with pytest.raises(
            RefusedError, match=r"mask 5 x 6 x 8 voxels.*Resample the mask to the grid of the image"
        ):
            check_grids("c", {"image": Grid(SHAPE, AFFINE), "mask": Grid((5, 6, 8), AFFINE)})

    def test_channels_are_compared_too(self) -> None:
        with pytest.raises(RefusedError, match="t1 and flair lie on different grids"):
            check_grids("c", {"t1": Grid(SHAPE, AFFINE), "flair": Grid(SHAPE, shifted(5))})


class TestLabels:
    def test_known_values_become_bytes(self) -> None:
        label_map = checked_label_map("c", np.array([[[0.0, 1.0, 2.0]]], np.float32), known=(1, 2))
        assert label_map.dtype == np.uint8
        assert label_map.tolist() == [[[0, 1, 2]]]

    def test_unknown_values_are_named_with_their_counts(self) -> None:
        message = r"Case c: .*labels are 0, 1, 2\): found 3 in 2 voxels, 9 in 1 voxels\. Name the label"
        with pytest.raises(RefusedError, match=message):
            checked_label_map("c", np.array([[[0, 3, 3, 9, 1]]]), known=(1, 2))

    @pytest.mark.parametrize("value", [0.5, -1.0, 256.0, 1e9, np.nan])
    def test_what_is_no_small_integer_is_refused(self, value: float) -> None:
        with pytest.raises(
            RefusedError, match=rf"integers from 0 to 255\): found {re.escape(f'{value:g}')} in 1 voxels"
        ):
            checked_label_map("c", np.array([[[0.0, 1.0, value]]], np.float32))

    def test_background_alone_is_a_label_map(self) -> None:
        assert not checked_label_map("c", np.zeros((1, 1, 2)), known=(1,)).any()
