"""Tiles along an axis: where they lie and how much they count."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data.utils import dense_patch_slices
from monai.inferers.utils import _get_scan_interval

from medpipe.core.patches import PatchCentre, PatchPlaces, PatchWeights
from medpipe.inference.tiles import AxisTiles, TileLayout

SUMMING_TO_ONE = [PatchWeights.GAUSSIAN, PatchWeights.EQUAL]


def axis_tiles(
    size: int,
    patch: int,
    overlap: float,
    centre: PatchCentre = PatchCentre.MIDDLE,
    places: PatchPlaces = PatchPlaces.EVEN,
    weights: PatchWeights = PatchWeights.GAUSSIAN,
) -> AxisTiles:
    layout = TileLayout((patch, 1, 1), overlap, centre, places, weights)
    return layout.tiles_of((size, 1, 1))[0]


@st.composite
def axes(draw: st.DrawFn) -> tuple[int, int, float]:
    patch = draw(st.integers(1, 24))
    return draw(st.integers(patch, 90)), patch, draw(st.sampled_from([0.0, 0.25, 0.5, 0.75]))


@given(axes(), st.sampled_from(PatchPlaces), st.sampled_from(SUMMING_TO_ONE))
def test_weights_of_all_tiles_sum_to_one_at_every_voxel(
    axis: tuple[int, int, float], places: PatchPlaces, weights_: PatchWeights
) -> None:
    size, patch, overlap = axis
    tiles = axis_tiles(size, patch, overlap, places=places, weights=weights_)
    total = torch.zeros(size)
    for start, weights in zip(tiles.starts, tiles.weights, strict=True):
        total[start : start + patch] += weights
    torch.testing.assert_close(total, torch.ones(size))


@given(axes(), st.sampled_from(PatchPlaces))
def test_tiles_reach_from_end_to_end_and_overlap_as_asked(
    axis: tuple[int, int, float], places: PatchPlaces
) -> None:
    size, patch, overlap = axis
    starts = axis_tiles(size, patch, overlap, places=places).starts
    assert starts[0] == 0
    assert starts[-1] + patch == size
    steps = [late - early for early, late in pairwise(starts)]
    assert all(0 < step <= max(1, int(patch * (1 - overlap))) for step in steps)


@given(axes())
def test_whole_steps_are_those_of_monai(axis: tuple[int, int, float]) -> None:
    size, patch, overlap = axis
    (interval,) = _get_scan_interval((size,), (patch,), 1, (overlap,))
    expected = [part[0].start for part in dense_patch_slices((size,), (patch,), (interval,))]
    assert list(axis_tiles(size, patch, overlap, places=PatchPlaces.STEPS).starts) == expected


def test_tile_counts_most_in_its_middle_or_at_the_voxel_behind_it() -> None:
    # Two tiles of 8 that share voxels 4 to 7: between them the first counts as much as the second, unless
    # both are highest half a voxel further on.
    middle = axis_tiles(12, 8, 0.5).weights
    torch.testing.assert_close(middle[0, 4:], middle[1, :4].flip(0))
    behind = axis_tiles(12, 8, 0.5, PatchCentre.VOXEL).weights
    assert (behind[0, 5:] > middle[0, 5:]).all()
    torch.testing.assert_close(behind[0, 4:] + behind[1, :4], torch.ones(4))
    # Voxel 6 is 2 behind the highest of the first tile and 2 before that of the second.
    assert float(behind[0, 6]) == pytest.approx(0.5)


def test_axis_of_one_patch_has_one_tile_of_full_weight() -> None:
    tiles = axis_tiles(16, 16, 0.5)
    assert tiles.starts == (0,)
    torch.testing.assert_close(tiles.weights, torch.ones(1, 16))
