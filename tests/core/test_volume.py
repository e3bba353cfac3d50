"""Volumes: reorientation moves values and affine together, and nothing is interpolated."""

from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from medpipe.core.errors import RefusedError, ShapeError
from medpipe.core.grid import Grid
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume

ORIENTATIONS = ["".join(letters) for pairs in permutations(("LR", "PA", "IS")) for letters in product(*pairs)]
SOURCE = Source(kind=SourceKind.MEMORY)


def counting(grid: Grid) -> Volume:
    """Return a volume whose voxels all differ."""
    return Volume(torch.arange(30.0).reshape(1, *grid.shape), grid.affine, "CT", SOURCE)


def place_of_each_value(volume: Volume) -> np.ndarray:
    """Return ``(N, 3)`` RAS mm of the voxels, ordered by their values."""
    order = np.argsort(volume.array[0].numpy().ravel())
    return volume.grid.to_world_mm(np.array(list(np.ndindex(volume.grid.shape)))[order])


class TestReorientation:
    @pytest.mark.parametrize("orientation", ORIENTATIONS)
    @given(grid=...)
    def test_every_value_keeps_its_place(self, orientation: str, grid: Grid) -> None:
        volume = counting(grid)
        turned = volume.reoriented(orientation)
        assert turned.grid.orientation == orientation
        assert_allclose(place_of_each_value(turned), place_of_each_value(volume), atol=1e-9)

    @given(grid=..., orientation=st.sampled_from(ORIENTATIONS))
    def test_there_and_back_is_identity(self, grid: Grid, orientation: str) -> None:
        volume = counting(grid)
        back = volume.reoriented(orientation).reoriented(grid.orientation)
        assert torch.equal(back.array, volume.array)
        assert back.grid.matches(volume.grid, tolerance_mm=1e-9)

    def test_channels_stay_in_front(self) -> None:
        volume = Volume(torch.arange(48.0).reshape(2, 2, 3, 4), np.eye(4), "MR", SOURCE)
        assert volume.reoriented("SAR").array.shape == (2, 4, 3, 2)


class TestConstruction:
    @pytest.mark.parametrize("shape", [(2, 3, 4), (1, 2, 0, 4), (1, 1, 2, 3, 4)])
    def test_other_shapes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ShapeError, match=r"found shape \("):
            Volume(torch.zeros(shape), np.eye(4), "CT", SOURCE)

    def test_singular_affine_is_refused(self) -> None:
        with pytest.raises(RefusedError, match="singular"):
            Volume(torch.zeros(1, 2, 3, 4), np.diag([1.0, 1.0, 0.0, 1.0]), "CT", SOURCE)

    def test_array_of_another_grid_is_refused(self) -> None:
        volume = Volume(torch.zeros(1, 2, 3, 4), np.eye(4), "CT", SOURCE)
        assert volume.with_array(torch.ones(5, 2, 3, 4)).array.shape == (5, 2, 3, 4)
        with pytest.raises(ShapeError, match=r"found \(4, 3, 2\), expected \(2, 3, 4\)"):
            volume.with_array(torch.zeros(1, 4, 3, 2))


@pytest.mark.slow
def test_metatensor_shares_voxels_and_carries_no_path() -> None:
    volume = Volume(torch.zeros(1, 2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0]), "CT", SOURCE)
    view = volume.to_metatensor()
    assert view.data_ptr() == volume.array.data_ptr()
    assert_allclose(view.affine.numpy(), volume.affine)
    assert "filename_or_obj" not in view.meta
