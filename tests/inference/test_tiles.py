"""Tiles along an axis: where they lie and how much they count."""

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from medpipe.inference.tiles import axis_tiles


@st.composite
def axes(draw: st.DrawFn) -> tuple[int, int, float]:
    patch = draw(st.integers(1, 24))
    return draw(st.integers(patch, 90)), patch, draw(st.sampled_from([0.0, 0.25, 0.5, 0.75]))


@given(axes())
def test_weights_of_all_tiles_sum_to_one_at_every_voxel(axis: tuple[int, int, float]) -> None:
    size, patch, overlap = axis
    tiles = axis_tiles(size, patch, overlap)
    total = torch.zeros(size)
    for start, weights in zip(tiles.starts, tiles.weights, strict=True):
        total[start : start + patch] += weights
    torch.testing.assert_close(total, torch.ones(size))


@given(axes())
def test_tiles_reach_from_end_to_end_and_overlap_as_asked(axis: tuple[int, int, float]) -> None:
    size, patch, overlap = axis
    starts = axis_tiles(size, patch, overlap).starts
    assert starts[0] == 0
    assert starts[-1] + patch == size
    steps = [late - early for early, late in pairwise(starts)]
    assert all(0 < step <= max(1, int(patch * (1 - overlap))) for step in steps)


def test_axis_of_one_patch_has_one_tile_of_full_weight() -> None:
    tiles = axis_tiles(16, 16, 0.5)
    assert tiles.starts == (0,)
    torch.testing.assert_close(tiles.weights, torch.ones(1, 16))
