"""Intensity steps: each by its own numbers, worked by hand."""

import numpy as np
import torch
from numpy.testing import assert_allclose

from medpipe.transforms.draws import Draw, NoiseDraw, SplineDraw
from medpipe.transforms.intensity import change_intensities
from medpipe.transforms.recipe import Contrast, Noise, Recipe

HU = Recipe(name="hu", units="value")


def ramp(size: int = 11) -> torch.Tensor:
    """Return values 0, 10 ... 100 along I."""
    return (torch.arange(float(size)) * 10)[None, :, None, None].expand(1, size, 4, 4).contiguous()


def test_gamma_bends_the_middle_and_keeps_the_ends_of_the_range() -> None:
    # Of 11 levels with 16 voxels each, the 0.5th and 99.5th percentiles are the ends, 0 and 100.
    changed = change_intensities(ramp(), Draw(gamma=2.0), HU)[0, :, 0, 0]
    assert_allclose(changed[[0, 5, 10]], [0, 25, 100], atol=1e-3)


def test_contrast_keeps_the_value_it_is_about() -> None:
    about_water = HU.model_copy(update={"contrast": Contrast(probability=1, factor=(1.1, 1.1), about=20.0)})
    assert_allclose(
        change_intensities(ramp(), Draw(contrast=1.1), about_water)[0, :3, 0, 0], [-2, 9, 20], atol=1e-4
    )
    about_mean = HU.model_copy(update={"contrast": Contrast(probability=1, factor=(1.1, 1.1))})
    assert_allclose(change_intensities(ramp(), Draw(contrast=1.1), about_mean)[0, 5, 0, 0], 50.0)


def test_brightness_is_in_the_units_of_the_recipe() -> None:
    assert_allclose(change_intensities(ramp(), Draw(brightness=7.0), HU)[0, :2, 0, 0], [7, 17])
    by_range = Recipe(name="range", units="range")
    assert_allclose(
        change_intensities(ramp(), Draw(brightness=0.1), by_range)[0, :2, 0, 0], [10, 20], rtol=1e-5
    )


def test_noise_has_the_drawn_deviation_and_follows_its_seed() -> None:
    image = torch.full((1, 40, 40, 40), 50.0)
    noisy, again, other = (
        change_intensities(image, Draw(noise=NoiseDraw(std=12.0, seed=seed)), HU) for seed in (1, 1, 2)
    )
    assert abs(float(noisy.std()) - 12.0) < 0.2
    assert abs(float(noisy.mean()) - 50.0) < 0.2
    assert torch.equal(noisy, again)
    assert not torch.equal(noisy, other)


def test_rician_noise_lifts_air_and_leaves_bright_tissue() -> None:
    recipe = HU.model_copy(update={"noise": Noise(probability=1, std=(5, 5), kind="rician")})
    image = torch.zeros(1, 40, 40, 40)
    image[:, 20:] = 500.0
    noisy = change_intensities(image, Draw(noise=NoiseDraw(std=5.0, seed=1)), recipe)
    # The mean of a Rayleigh distribution is std * sqrt(pi / 2).
    assert abs(float(noisy[:, :20].mean()) - 5.0 * np.sqrt(np.pi / 2)) < 0.1
    assert abs(float(noisy[:, 20:].mean()) - 500.0) < 0.1
    assert float(noisy.min()) >= 0


def test_bias_field_multiplies_and_leaves_air_black() -> None:
    image = torch.full((1, 20, 24, 16), 100.0)
    image[:, :5] = 0.0
    draw = Draw(bias_field=SplineDraw(cells=(2, 2, 2), strength=0.3, seed=4))
    changed = change_intensities(image, draw, HU)
    assert float(changed[:, :5].abs().max()) == 0
    assert (
        100 * np.exp(-0.3) <= float(changed[:, 5:].min()) < float(changed[:, 5:].max()) <= 100 * np.exp(0.3)
    )


def test_low_resolution_averages_pairs_of_slices_and_moves_nothing() -> None:
    image = torch.zeros(1, 4, 4, 8)
    image[..., 2] = 8.0
    changed = change_intensities(image, Draw(low_resolution=(1.0, 1.0, 2.0)), HU)[0, 0, 0]
    # Pairs average to 0 4 0 0; their centres are at 0.5, 2.5, 4.5, 6.5, and lines join them.
    assert_allclose(changed, [0, 1, 3, 3, 1, 0, 0, 0], atol=1e-5)
    assert_allclose(
        change_intensities(ramp(12), Draw(low_resolution=(2.0, 1, 1)), HU).mean(), 55.0, rtol=1e-5
    )


def test_holes_show_their_own_mean() -> None:
    changed = change_intensities(ramp(), Draw(dropout=((2, 1, 1, 5, 3, 3),)), HU)[0]
    assert_allclose(changed[2:5, 1:3, 1:3], 30.0)
    assert_allclose(changed[2:5, 0, 0], [20, 30, 40])


def test_clipping_keeps_the_ends_that_it_names() -> None:
    for clip, low, high in (("none", -30, 130), ("below", 0, 130), ("both", 0, 100)):
        recipe = Recipe(
            name="clip", units="value", clip=clip, contrast=Contrast(probability=1, factor=(1, 2))
        )
        changed = change_intensities(ramp(), Draw(contrast=1.6), recipe)
        assert_allclose([float(changed.min()), float(changed.max())], [low, high], atol=1e-3)


def test_channels_are_changed_by_their_own_range() -> None:
    image = torch.cat([ramp(), 1000 * ramp()])
    changed = change_intensities(image, Draw(gamma=0.7, brightness=0.1), Recipe(name="range", units="range"))
    assert_allclose(changed[1], 1000 * changed[0], rtol=1e-4)


def test_a_blank_image_stays_finite() -> None:
    draw = Draw(gamma=0.7, contrast=1.2, brightness=0.1, noise=NoiseDraw(std=0.1, seed=0))
    assert torch.isfinite(change_intensities(torch.zeros(1, 5, 6, 7), draw, Recipe(name="range"))).all()


def test_nothing_drawn_returns_the_very_image() -> None:
    image = ramp()
    assert change_intensities(image, Draw(), HU) is image
