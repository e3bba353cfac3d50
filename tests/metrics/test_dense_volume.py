"""What is as dense as blood is counted inside the skull, and nowhere else."""

import numpy as np
import pytest
import torch

from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import Source, SourceKind
from medpipe.metrics.dense_volume import dense_volume_ml

SPACING_MM = (2.0, 1.0)
GAPS_MM = (4.0, 4.0, 8.0)


def head(*, open_at: int | None = None) -> SliceStack:
    """Return four slices of brain in a ring of bone, 60 x 100 mm inside, in air."""
    array = np.full((4, 1, 50, 140), -1000.0, dtype=np.float32)
    array[:, :, 8:42, 15:125] = 1000.0
    array[:, :, 10:40, 20:120] = 35.0
    if open_at is not None:
        array[open_at, :, 20:22, 15:20] = 35.0
    positions = np.zeros((4, 3))
    positions[1:, 2] = np.cumsum(GAPS_MM)
    in_plane = np.array([[SPACING_MM[0], 0.0], [0.0, SPACING_MM[1]], [0.0, 0.0]])
    return SliceStack(
        torch.from_numpy(array), in_plane, positions, np.full(4, np.nan), "CT", Source(kind=SourceKind.MEMORY)
    )


def test_blood_counts_by_the_depth_that_its_slice_stands_for() -> None:
    slices = head()
    slices.array[:, 0, 20:25, 50:70] = 70.0
    # 10 mm x 20 mm, by 4, 4, (4 + 8) / 2 and 8 mm.
    np.testing.assert_allclose(dense_volume_ml(slices), [0.8, 0.8, 1.2, 1.6])


@pytest.mark.parametrize(("hu", "counts"), [(54.0, False), (55.0, True), (90.0, True), (91.0, False)])
def test_only_55_to_90_hu_are_blood(hu: float, counts: bool) -> None:
    slices = head()
    slices.array[1, 0, 20:25, 50:70] = hu
    assert (dense_volume_ml(slices)[1] > 0) == counts


def test_what_lies_next_to_bone_or_outside_does_not_count() -> None:
    slices = head()
    slices.array[:, 0, 10:11, 20:120] = 70.0  # within 4 mm of the bone
    slices.array[:, 0, 2:6, 20:120] = 70.0  # a scalp
    np.testing.assert_array_equal(dense_volume_ml(slices), np.zeros(4))


def test_a_slice_whose_bone_is_open_counts_as_nothing() -> None:
    slices = head(open_at=2)
    slices.array[:, 0, 20:25, 50:70] = 70.0
    np.testing.assert_allclose(dense_volume_ml(slices), [0.8, 0.8, 0.0, 1.6])


def test_one_slice_alone_stands_for_its_thickness() -> None:
    slices = head()
    slices.array[:, 0, 20:25, 50:70] = 70.0
    alone = SliceStack(
        slices.array[:1], slices.in_plane_mm, slices.positions_mm[:1], np.array([5.0]), "CT", slices.source
    )
    np.testing.assert_allclose(dense_volume_ml(alone), [1.0])
