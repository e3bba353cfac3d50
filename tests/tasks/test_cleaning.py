"""Cleaning of label maps: each rule by hand, holes beside scipy's, and what is reported."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medpipe.core.errors import ShapeError
from medpipe.metrics.structures import count_labels
from medpipe.tasks.cleaning import Cleaning, LabelChange, clean_labels
from medpipe.tasks.objects import LabelMap

VOXEL_ML = 0.5
LARGEST = Cleaning(largest=True)


def crumbs() -> LabelMap:
    """Return objects of 8, 3 and 1 voxels of label 1, and of 4 and 2 voxels of label 2."""
    labels = np.zeros((9, 7, 6), dtype=np.uint8)
    labels[1:3, 1:3, 1:3] = 1
    labels[3, 1:3, 1:3] = 2  # beside the 8
    labels[5, 4, 1:4] = 1
    labels[7, 4, 4] = 1
    labels[7, 1, 1:3] = 2
    return labels


def shell(inside: int = 0) -> LabelMap:
    """Return a box of label 1, 5 voxels wide, around 3 x 3 x 3 voxels of something else."""
    labels = np.zeros((7, 8, 9), dtype=np.uint8)
    labels[1:6, 1:6, 1:6] = 1
    labels[2:5, 2:5, 2:5] = inside
    return labels


def counts(labels: LabelMap) -> list[int]:
    return count_labels(labels)[1:3].tolist()


class TestLargest:
    def test_largest_object_keeps_its_labels_and_others_go(self) -> None:
        labels = np.zeros((8, 5, 6), dtype=np.uint8)
        labels[1:3, 1:3, 1:3] = 1  # 8 + 4 voxels of two labels, which touch
        labels[3, 1:3, 1:3] = 2
        labels[5:8, 4, 3:6] = 1  # 9 voxels apart
        kept, changes = clean_labels(labels, LARGEST, VOXEL_ML)
        assert kept.dtype == np.uint8
        assert counts(kept) == [8, 4]
        assert not kept[5:].any()
        assert changes == (LabelChange(1, before=17, removed=9, added=0),)
        assert changes[0].share == pytest.approx(9 / 17)

    def test_corners_do_not_connect(self) -> None:
        labels = np.zeros((4, 4, 4), dtype=np.uint8)
        labels[0, 0, :2] = 1
        labels[1, 1, 2] = 1
        assert clean_labels(labels, LARGEST, VOXEL_ML).labels.sum() == 2

    def test_it_is_the_largest_before_objects_of_single_labels_are(self) -> None:
        labels = np.zeros((9, 3, 3), dtype=np.uint8)
        labels[:4, 1, 1] = 1, 2, 1, 2
        labels[5:8, 1, 1] = 1
        kept = clean_labels(labels, Cleaning(largest=True, max_objects=1), VOXEL_ML).labels
        assert kept[:, 1, 1].tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0]


class TestObjects:
    def test_small_ones_go_by_their_volume(self) -> None:
        # 0.5 mL a voxel: 1.5 mL are 3 voxels, which is enough.
        kept, changes = clean_labels(crumbs(), Cleaning(min_object_ml=1.5), VOXEL_ML)
        assert counts(kept) == [8 + 3, 4]
        assert changes == (LabelChange(1, 12, 1, 0), LabelChange(2, 6, 2, 0))

    @pytest.mark.parametrize(("most", "left"), [(1, [8, 4]), (2, [11, 6]), (3, [12, 6])])
    def test_largest_few_of_each_label_stay(self, most: int, left: list[int]) -> None:
        assert counts(clean_labels(crumbs(), Cleaning(max_objects=most), VOXEL_ML).labels) == left

    def test_first_of_equal_ones_stays(self) -> None:
        labels = np.zeros((5, 3, 3), dtype=np.uint8)
        labels[[0, 2, 4], 1, 1] = 1
        kept = clean_labels(labels, Cleaning(max_objects=1), VOXEL_ML).labels
        assert kept[:, 1, 1].tolist() == [1, 0, 0, 0, 0]

    def test_label_may_go_altogether(self) -> None:
        kept, changes = clean_labels(crumbs(), Cleaning(min_object_ml=2.5), VOXEL_ML)
        assert counts(kept) == [8, 0]
        assert changes[1].share == 1


class TestHoles:
    def test_enclosed_background_is_filled(self) -> None:
        filled, changes = clean_labels(shell(), Cleaning(fill_holes=True), VOXEL_ML)
        assert counts(filled) == [125, 0]
        assert changes == (LabelChange(1, before=98, removed=0, added=27),)

    def test_other_labels_inside_stay_what_they_are(self) -> None:
        assert counts(clean_labels(shell(2), Cleaning(fill_holes=True), VOXEL_ML).labels) == [98, 27]

    def test_background_between_two_labels_is_of_neither(self) -> None:
        labels = shell()
        labels[3, 3, 3] = 2
        assert counts(clean_labels(labels, Cleaning(fill_holes=True), VOXEL_ML).labels) == [98, 1]

    def test_hole_around_a_crumb_is_filled_once_the_crumb_has_gone(self) -> None:
        labels = shell()
        labels[3, 3, 3] = 2
        labels[6, 0, :3] = 2
        cleaned = clean_labels(labels, Cleaning(max_objects=1, fill_holes=True), VOXEL_ML).labels
        assert counts(cleaned) == [125, 3]

    def test_tunnel_is_no_hole_and_neither_is_a_dent_at_the_border(self) -> None:
        tunnel = shell()
        tunnel[3, 3, 1] = 0
        assert not clean_labels(tunnel, Cleaning(fill_holes=True), VOXEL_ML).changes
        cut = shell()[:, :, 2:]  # the image ends in the hole
        assert not clean_labels(cut, Cleaning(fill_holes=True), VOXEL_ML).changes

    @given(mask=arrays.arrays(np.uint8, (5, 6, 7), elements=st.sampled_from([0, 1, 1, 1]), fill=st.nothing()))
    def test_holes_of_a_single_label_are_those_of_scipy(self, mask: LabelMap) -> None:
        filled = clean_labels(mask, Cleaning(fill_holes=True), VOXEL_ML).labels
        assert np.array_equal(filled, ndimage.binary_fill_holes(mask))


class TestAnyMap:
    @pytest.mark.parametrize("cleaning", [Cleaning(), LARGEST, Cleaning(max_objects=1, fill_holes=True)])
    def test_empty_map_stays_empty(self, cleaning: Cleaning) -> None:
        cleaned = clean_labels(np.zeros((3, 4, 5), dtype=np.uint8), cleaning, VOXEL_ML)
        assert not cleaned.labels.any()
        assert not cleaned.changes

    def test_input_is_not_changed(self) -> None:
        labels = crumbs()
        clean_labels(labels, Cleaning(largest=True, max_objects=1, fill_holes=True), VOXEL_ML)
        assert np.array_equal(labels, crumbs())

    def test_axes_are_alike(self) -> None:
        cleaning = Cleaning(max_objects=1, fill_holes=True)
        labels = crumbs()
        turned = clean_labels(labels.transpose(2, 0, 1), cleaning, VOXEL_ML).labels
        assert np.array_equal(turned, clean_labels(labels, cleaning, VOXEL_ML).labels.transpose(2, 0, 1))

    def test_every_value_of_uint8_is_a_label(self) -> None:
        labels = np.where(shell() == 1, 255, 0).astype(np.uint8)
        filled, changes = clean_labels(labels, Cleaning(fill_holes=True), VOXEL_ML)
        assert (filled == 255).sum() == 125
        assert changes == (LabelChange(255, 98, 0, 27),)

    def test_other_shapes_are_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"found shape \(3, 4\)"):
            clean_labels(np.zeros((3, 4), dtype=np.uint8), LARGEST, VOXEL_ML)
