"""Normalisation of one channel."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.preprocessing import FixedScale, PercentileScale, Region, ZScore
from medpipe.inference.normalise import normalise


def test_fixed_scale_clips_and_standardises() -> None:
    rule = FixedScale(clip=(-100.0, 200.0), mean=50.0, std=25.0)
    found = normalise(torch.tensor([-500.0, 0.0, 50.0, 900.0]), rule)
    torch.testing.assert_close(found, torch.tensor([-6.0, -2.0, 0.0, 6.0]))


def test_zscore_over_nonzero_leaves_the_background_at_zero() -> None:
    image = torch.tensor([0.0, 0.0, 2.0, 4.0])
    result = normalise(image, ZScore(region=Region.NONZERO))
    torch.testing.assert_close(result, torch.tensor([0.0, 0.0, -1.0, 1.0]))


def test_zscore_of_a_flat_image_is_zero() -> None:
    assert (normalise(torch.full((3, 3, 3), 7.0), ZScore()) == 0).all()


@given(st.floats(1, 1e6))
def test_percentiles_do_not_depend_on_the_scanner_scale(scale: float) -> None:
    image = torch.arange(101.0)
    rule = PercentileScale(low=10, high=90)
    result = normalise(image * scale, rule)
    torch.testing.assert_close(result, ((image - 10) / 80).clamp(0, 1), atol=1e-4, rtol=0)


def test_empty_foreground_gives_zeros() -> None:
    assert (normalise(torch.zeros(2, 2, 2), PercentileScale(region=Region.NONZERO)) == 0).all()
