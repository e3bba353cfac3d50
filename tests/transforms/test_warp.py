"""Warps and splines: one map, forth and back, that never folds."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.transforms.draws import Draw, Lattice, SplineDraw, copy_seed, draw_copy
from medpipe.transforms.recipe import MAX_STRENGTH, Affine, DegreesAbout, Elastic, LowResolution, Recipe
from medpipe.transforms.spline import Spline
from medpipe.transforms.warp import Warp

LATTICE = Lattice(shape=(17, 23, 11), spacing=(1.0, 0.5, 2.5), orientation="LPS")


def bent(seed: int, *, strength: float = MAX_STRENGTH) -> Warp:
    """Return a warp that turns, scales and bends."""
    recipe = Recipe(
        name="bent",
        affine=Affine(
            probability=1, rotation_deg=DegreesAbout(head_foot=30, left_right=10), scale=(0.9, 1.2)
        ),
        elastic=Elastic(probability=1, cells=4, strength=strength),
    )
    warp = Warp.drawn(draw_copy(recipe, LATTICE, seed=seed), LATTICE)
    assert warp is not None
    return warp


def voxels() -> Array:
    return np.stack(np.meshgrid(*map(np.arange, LATTICE.shape), indexing="ij"), axis=-1).astype(np.float64)


@given(seed=st.integers(0, 2**40))
def test_points_come_back_from_the_strongest_bend(seed: int) -> None:
    warp, points = bent(seed), voxels().reshape(-1, 3)[::37]
    assert_allclose(warp.to_source(warp.to_augmented(points)), points, atol=2e-3)


@given(seed=st.integers(0, 2**40))
def test_the_strongest_bend_never_folds(seed: int) -> None:
    warp = bent(seed)
    source = warp.to_source(voxels().reshape(-1, 3)).reshape(*LATTICE.shape, 3)
    inner = tuple(slice(size - 1) for size in LATTICE.shape)
    jacobian = np.stack([np.diff(source, axis=axis)[inner] for axis in range(3)], axis=-1)
    assert (np.linalg.det(jacobian) > 0).all()


@given(seed=st.integers(0, 2**40))
def test_images_are_read_where_points_are_mapped_to(seed: int) -> None:
    # A ramp along each axis, read through the warp, is the map itself.
    warp = bent(seed)
    ramps = torch.from_numpy(np.moveaxis(voxels(), -1, 0)).float()
    read, _ = warp.resample(ramps, None, borders=("edge", "edge", "edge"), fill=0.0)
    expected = np.clip(warp.to_source(voxels().reshape(-1, 3)), 0, np.array(LATTICE.shape) - 1)
    assert read is not None
    assert_allclose(read.flatten(1).T, expected, atol=2e-4)


def test_slabs_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    warp, image = bent(3), torch.rand(2, *LATTICE.shape, generator=torch.Generator().manual_seed(1))
    borders = ("edge", "reflect", "fill")
    whole, _ = warp.resample(image, None, borders=borders, fill=-5.0)
    monkeypatch.setattr("medpipe.transforms.warp._SLAB_VOXELS", 3 * 23 * 11)
    slabs, _ = warp.resample(image, None, borders=borders, fill=-5.0)
    torch.testing.assert_close(slabs, whole, rtol=0, atol=1e-5)


def test_inverse_of_an_affine_undoes_it_and_a_bend_is_refused() -> None:
    draw = draw_copy(
        Recipe(name="turn", affine=Affine(probability=1, rotation_deg=DegreesAbout(head_foot=40))),
        LATTICE,
        seed=2,
    )
    warp = Warp.drawn(draw, LATTICE)
    assert warp is not None
    points = voxels().reshape(-1, 3)[::11]
    assert_allclose(warp.inverse().to_source(warp.to_source(points)), points, atol=1e-9)
    with pytest.raises(ShapeError, match="found an elastic step"):
        bent(0).inverse()


def test_nothing_drawn_is_no_warp() -> None:
    assert Warp.drawn(Draw(), LATTICE) is None


def test_spline_of_equal_control_values_is_constant() -> None:
    spline = Spline(np.full((1, 5, 4, 6), 2.5), (9, 7, 8))
    assert_allclose(spline.on_voxels(slice(2, 5), torch.device("cpu")), np.full((1, 3, 7, 8), 2.5), rtol=1e-6)


def test_spline_of_rising_control_values_is_a_ramp() -> None:
    # Cubic B-splines reproduce straight lines: control value c at index c is c - 1 cells from the start.
    spline = Spline(np.broadcast_to(np.arange(5.0)[None, :, None, None], (1, 5, 4, 4)), (9, 2, 2))
    values = spline.at(np.array([[0.0, 0, 0], [4.0, 1, 0], [8.0, 0, 1], [20.0, 0, 0]]))
    assert_allclose(values[:, 0], [1.0, 2.0, 3.0, 3.0])


def test_spline_on_voxels_is_the_spline_at_their_points() -> None:
    spline = Spline.drawn(SplineDraw(cells=(3, 2, 4), strength=2.0, seed=5), (6, 7, 5), components=3)
    grid = np.stack(np.meshgrid(*map(np.arange, (6, 7, 5)), indexing="ij"), axis=-1).reshape(-1, 3)
    dense = spline.on_voxels(slice(None), torch.device("cpu")).flatten(1).T
    assert_allclose(dense, spline.at(grid.astype(np.float64)), atol=1e-5)
    assert np.abs(dense).max() <= 2.0


def test_low_resolution_stops_at_the_coarsest_voxel_allowed() -> None:
    step = LowResolution(probability=1, factor=(2, 2), along="head_foot", max_mm=4)
    recipe = Recipe(name="thick", low_resolution=step)
    assert draw_copy(recipe, LATTICE, seed=0).low_resolution == (1.0, 1.0, 1.6)
    thick = LATTICE.model_copy(update={"spacing": (1.0, 0.5, 5.0)})
    assert draw_copy(recipe, thick, seed=0).low_resolution is None


def test_seeds_of_copies_differ_and_are_stable() -> None:
    seeds = {copy_seed(seed, copy) for seed in range(20) for copy in range(20)}
    assert len(seeds) == 400
    assert copy_seed(7, 1) == copy_seed(7, 1)
    with pytest.raises(ShapeError, match="found -3"):
        copy_seed(1, -3)
