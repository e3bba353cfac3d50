"""Boxes: half-open, xyzxyz, and all eight corners count when a box crosses an affine."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from medpipe.core.boxes import (
    box_corners,
    box_iou,
    box_volumes,
    boxes_to_voxels,
    boxes_to_world_mm,
    checked_boxes,
)
from medpipe.core.errors import ShapeError
from medpipe.core.grid import Grid

CORNER = st.tuples(*[st.floats(-100, 100)] * 3)
SIZE = st.tuples(*[st.floats(0.01, 50)] * 3)
BOX = st.builds(lambda low, size: (*low, *np.add(low, size)), CORNER, SIZE)
BOXES = st.lists(BOX, max_size=4).map(lambda boxes: np.array(boxes).reshape(-1, 6))
STRAIGHT = [np.diag([1.0, 2.0, 3.0, 1.0]), np.diag([-0.5, -0.5, 5.0, 1.0])]


class TestCheckedBoxes:
    def test_no_boxes_are_zero_rows(self) -> None:
        assert checked_boxes([]).shape == (0, 6)

    @pytest.mark.parametrize("shape", [(6,), (2, 4), (0, 7), (1, 2, 6)])
    def test_other_shapes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ShapeError, match="found shape"):
            checked_boxes(np.zeros(shape))

    def test_lower_bound_above_upper_bound_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="x0 <= x1"):
            checked_boxes([[0, 5, 0, 1, 4, 1]])

    def test_nan_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="finite"):
            checked_boxes([[0, 0, 0, 1, np.nan, 1]])


class TestCrossingAnAffine:
    def test_one_voxel_is_a_voxel_around_its_centre(self) -> None:
        # Voxel (2, 2, 2) has its centre at 2, 4, 6 mm and extends half a voxel around it.
        world = boxes_to_world_mm([[2, 2, 2, 3, 3, 3]], np.diag([1.0, 2.0, 3.0, 1.0]))
        assert world.tolist() == [[1.5, 3.0, 4.5, 2.5, 5.0, 7.5]]

    def test_45_degrees_need_all_eight_corners(self) -> None:
        # A 2 x 2 square turned by 45 degrees is 2 * sqrt(2) wide; its corners (0, 0) and (2, 2) both lie at
        # x = 0 and would give no width at all.
        affine = np.eye(4)
        affine[:2, :2] = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
        affine[:2, 3] = affine[:2, :2] @ [0.5, 0.5]  # the edge of voxel 0 at the origin
        world = boxes_to_world_mm([[0, 0, 0, 2, 2, 1]], affine)
        assert_allclose(world[0, [0, 3]], [-np.sqrt(2), np.sqrt(2)], atol=1e-12)
        assert_allclose(world[0, [1, 4]], [0, 2 * np.sqrt(2)], atol=1e-12)

    @given(grid=..., boxes=BOXES)
    def test_all_eight_corners_lie_inside_and_touch_each_face(self, grid: Grid, boxes: np.ndarray) -> None:
        corners = grid.to_world_mm(box_corners(boxes) - 0.5)
        world = boxes_to_world_mm(boxes, grid.affine)
        for box, own in zip(world, corners, strict=True):
            assert_allclose(box, [*own.min(axis=0), *own.max(axis=0)])

    @given(grid=..., boxes=BOXES)
    def test_there_and_back_contains_the_box(self, grid: Grid, boxes: np.ndarray) -> None:
        back = boxes_to_voxels(boxes_to_world_mm(boxes, grid.affine), grid.affine)
        assert (back[:, :3] <= boxes[:, :3] + 1e-6).all()
        assert (back[:, 3:] >= boxes[:, 3:] - 1e-6).all()

    @pytest.mark.parametrize("affine", STRAIGHT)
    @given(boxes=BOXES)
    def test_there_and_back_is_exact_on_straight_grids(self, affine: np.ndarray, boxes: np.ndarray) -> None:
        assert_allclose(boxes_to_voxels(boxes_to_world_mm(boxes, affine), affine), boxes, atol=1e-9)

    def test_no_boxes_stay_none(self) -> None:
        assert boxes_to_world_mm([], np.eye(4)).shape == (0, 6)
        assert boxes_to_voxels([], np.eye(4)).shape == (0, 6)


class TestOverlap:
    def test_volume_has_no_plus_one(self) -> None:
        assert box_volumes([[0, 0, 0, 2, 3, 4]]).tolist() == [24]

    def test_half_shifted_cubes_overlap_by_a_third(self) -> None:
        # 2 x 2 x 2 cubes shifted by 1: 4 shared of 8 + 8 - 4 = 12.
        assert box_iou([[0, 0, 0, 2, 2, 2]], [[1, 0, 0, 3, 2, 2]]).tolist() == [[4 / 12]]

    def test_touching_boxes_share_nothing(self) -> None:
        assert box_iou([[0, 0, 0, 1, 1, 1]], [[1, 0, 0, 2, 1, 1]]).tolist() == [[0]]

    def test_empty_boxes_have_no_overlap(self) -> None:
        empty = [[1, 1, 1, 1, 1, 1]]
        assert box_iou(empty, empty).tolist() == [[0]]

    @given(boxes=BOXES, others=BOXES)
    def test_iou_is_symmetric_and_in_0_to_1(self, boxes: np.ndarray, others: np.ndarray) -> None:
        iou = box_iou(boxes, others)
        assert iou.shape == (len(boxes), len(others))
        assert ((iou >= 0) & (iou <= 1)).all()
        assert (iou == box_iou(others, boxes).T).all()

    @given(boxes=BOXES)
    def test_iou_with_itself_is_1(self, boxes: np.ndarray) -> None:
        assert (np.diag(box_iou(boxes, boxes)) == 1).all()
