"""Patches: inside the volume where it is large enough, around labelled voxels as often as asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import SettingsError
from medpipe.data.patches import (
    MAX_VOXELS_A_CLASS,
    PatchSampling,
    cut_patch,
    draw_start,
    voxels_by_class,
)

sides = st.tuples(*[st.integers(1, 9)] * 3)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(extent=sides, shape=sides, seed=st.integers(0, 99), share=st.sampled_from([0.0, 1.0]))
def test_patch_lies_inside_and_padding_is_even(extent: tuple, shape: tuple, seed: int, share: float) -> None:
    voxels = {3: np.array([np.prod(extent) - 1])}
    start = draw_start(extent, PatchSampling(shape, share), voxels, rng(seed))
    for first, side, size in zip(start, shape, extent, strict=True):
        if side <= size:
            assert 0 <= first <= size - side
        else:
            assert first == -((side - size) // 2)


@given(shape=sides, seed=st.integers(0, 99), voxel=st.tuples(*[st.integers(0, 6)] * 3))
def test_patch_around_a_voxel_holds_it(shape: tuple, seed: int, voxel: tuple) -> None:
    label_map = np.zeros((7, 7, 7), np.uint8)
    label_map[voxel] = 1
    sampling = PatchSampling(shape, 1.0)
    start = draw_start(label_map.shape, sampling, voxels_by_class(label_map), rng(seed))
    assert cut_patch(label_map, start, shape).sum() == 1


def test_classes_are_drawn_evenly_however_rare() -> None:
    label_map = np.zeros((20, 20, 20), np.uint8)
    label_map[:10] = 1  # 4,000 voxels against 1
    label_map[15, 3, 4] = 2
    voxels, sampling, random = voxels_by_class(label_map), PatchSampling((1, 1, 1), 1.0), rng()
    drawn = [label_map[draw_start(label_map.shape, sampling, voxels, random)] for _ in range(400)]
    # Binomial with n = 400, p = 0.5: 200 +- 10; four deviations.
    assert set(drawn) == {1, 2}
    assert abs(drawn.count(2) - 200) < 40


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.001), (0.33, 0.33), (1.0, 1.0)])
def test_share_of_foreground_is_met(share: float, expected: float) -> None:
    label_map = np.zeros((10, 10, 10), np.uint8)
    label_map[5, 5, 5] = 1
    voxels, sampling, random = voxels_by_class(label_map), PatchSampling((1, 1, 1), share), rng()
    hits = [label_map[draw_start(label_map.shape, sampling, voxels, random)] for _ in range(1000)]
    assert np.mean(hits) == pytest.approx(expected, abs=0.06)


def test_voxel_may_lie_anywhere_in_its_patch() -> None:
    # A patch of 3 around voxel 5 of 11 starts at 3, 4 or 5.
    sampling = PatchSampling((3, 1, 1), 1.0)
    random = rng()
    starts = {draw_start((11, 1, 1), sampling, {1: np.array([5])}, random)[0] for _ in range(100)}
    assert starts == {3, 4, 5}


def test_background_alone_gives_patches_anywhere() -> None:
    assert voxels_by_class(np.zeros((4, 4, 4), np.uint8)) == {}
    assert draw_start((4, 4, 4), PatchSampling((4, 4, 4), 1.0), {}, rng()) == (0, 0, 0)


def test_many_voxels_are_thinned_to_the_same_ones() -> None:
    label_map = np.ones((30, 30, 30), np.uint8)
    voxels = voxels_by_class(label_map)[1]
    assert len(set(voxels.tolist())) == MAX_VOXELS_A_CLASS
    np.testing.assert_array_equal(voxels, voxels_by_class(label_map)[1])


def test_cut_keeps_channels_and_pads_with_zero() -> None:
    array = np.arange(1, 25, dtype=np.float32).reshape(1, 2, 3, 4)
    patch = cut_patch(array, (-1, 1, 2), (3, 2, 4))
    expected = np.zeros((1, 3, 2, 4), np.float32)
    # Rows j = 1, 2 and columns k = 2, 3 of both slices i, behind one slice of padding.
    expected[0, 1, :, :2] = [[7, 8], [11, 12]]
    expected[0, 2, :, :2] = [[19, 20], [23, 24]]
    np.testing.assert_array_equal(patch, expected)


def test_cut_is_a_copy() -> None:
    array = np.zeros((2, 2, 2), np.uint8)
    cut_patch(array, (0, 0, 0), (2, 2, 2))[:] = 9
    assert not array.any()


@pytest.mark.parametrize(
    ("shape", "share", "found"),
    [((0, 4, 4), 0.5, r"\(0, 4, 4\)"), ((4, 4), 0.5, r"\(4, 4\)"), ((4, 4, 4), 1.5, "1.5")],
)
def test_impossible_sampling_is_refused(shape: tuple, share: float, found: str) -> None:
    with pytest.raises(SettingsError, match=f"found {found}"):
        PatchSampling(shape, share)
