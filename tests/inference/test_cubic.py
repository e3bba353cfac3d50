"""Cubic resampling: the values of scikit-image's ``resize`` of order 3, SciPy's ``zoom`` clipped."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.transform import resize
from torch.nn import functional

from medpipe.core.network_grid import NetworkAxes, NetworkAxis, SpacingGrid
from medpipe.inference.cubic import resample_cubic

shapes = st.tuples(*[st.integers(1, 40)] * 3)


def dividing(old: tuple[int, ...], new: tuple[int, ...]) -> NetworkAxes:
    i, j, k = map(NetworkAxis.dividing, old, new)
    return i, j, k


def noise(shape: tuple[int, int, int]) -> np.ndarray:
    """Build an image of HU whose neighbours differ as much as they can."""
    return np.random.default_rng(1).uniform(-1000.0, 3000.0, shape)


@given(shapes, shapes)
def test_float32_agrees_with_scikit_image_to_a_hundredth_of_a_hu(
    old: tuple[int, int, int], new: tuple[int, int, int]
) -> None:
    image = noise(old)
    expected = resize(image, new, order=3, mode="edge", anti_aliasing=False)
    found = resample_cubic(torch.from_numpy(image).float(), dividing(old, new))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=0.01)


@pytest.mark.parametrize(("old", "new"), [((90, 33, 8), (48, 70, 8)), ((40, 41, 42), (81, 20, 43))])
def test_float64_agrees_with_scipy_where_nothing_is_clipped(
    old: tuple[int, int, int], new: tuple[int, int, int]
) -> None:
    image = noise(old)
    image[0, 0, 0], image[-1, -1, -1] = -1e5, 1e5  # widens the range: the overshoot of the rest stays
    zoom = np.divide(new, old)
    expected = ndimage.zoom(image, zoom, order=3, mode="nearest", grid_mode=True)
    found = resample_cubic(torch.from_numpy(image), dividing(old, new))
    inside = (expected > -1e5) & (expected < 1e5)
    np.testing.assert_allclose(found.numpy()[inside], expected[inside], rtol=0, atol=1e-3)
    assert inside.mean() > 0.999


def test_values_stay_within_the_range_of_the_image() -> None:
    step = torch.zeros(12, 4, 4)
    step[6:] = 1.0
    found = resample_cubic(step, dividing((12, 4, 4), (30, 4, 4)))
    assert (found.amin(), found.amax()) == (0.0, 1.0)


def test_field_of_view_is_that_of_linear_interpolation() -> None:
    # Both give a ramp back where they do not see its ends, so a shift of half a voxel would show.
    ramp = torch.arange(60.0)[:, None, None].expand(60, 2, 2)
    cubic = resample_cubic(ramp, dividing((60, 2, 2), (40, 2, 2)))
    linear = functional.interpolate(ramp[None, None], size=(40, 2, 2), mode="trilinear")[0, 0]
    torch.testing.assert_close(cubic[12:-12], linear[12:-12], rtol=0, atol=1e-4)


def test_same_shape_returns_the_image_and_leaves_it_alone() -> None:
    image = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(1))
    before = image.clone()
    assert torch.equal(resample_cubic(image, dividing((3, 4, 5), (3, 4, 5))), before)
    resample_cubic(image, dividing((3, 4, 5), (6, 4, 5)))
    assert torch.equal(image, before)


def test_exact_spacing_has_the_values_of_scipy_at_its_places() -> None:
    image = noise((20, 17, 12))
    image[0, 0, 0], image[-1, -1, -1] = -1e5, 1e5  # widens the range: the overshoot of the rest stays
    spacings = zip(image.shape, (1.0, 1.0, 1.0), (1.7, 0.6, 1.0), strict=True)
    i, j, k = (NetworkAxis.of_spacing(SpacingGrid.FIRST_VOXEL, *item) for item in spacings)
    found = resample_cubic(torch.from_numpy(image), (i, j, k))
    places = np.meshgrid(
        *(np.arange(n) * s for n, s in zip(found.shape, (1.7, 0.6, 1.0), strict=True)), indexing="ij"
    )
    expected = ndimage.map_coordinates(image, places, order=3, mode="nearest").clip(-1e5, 1e5)
    # 19 / 1.7 + 1 = 12.2 and 16 / 0.6 + 1 = 27.7 voxels.
    assert found.shape == (12, 28, 12)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-2)
