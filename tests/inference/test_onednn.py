"""Convolutions by oneDNN: the same values, by another function of torch."""

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from medpipe.inference.onednn import OneDnnConvolutions


def convolutions_used(module: nn.Module, images: torch.Tensor) -> set[str]:
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        module(images)
    return {event.key for event in seen.key_averages()} & {
        "aten::slow_conv3d_forward",
        "aten::mkldnn_convolution",
    }


@pytest.mark.parametrize("padding", [1, "same"])
def test_small_convolutions_have_the_same_values(padding: int | str) -> None:
    module = nn.Conv3d(3, 4, 3, padding=padding)
    images = torch.randn(1, 3, 6, 7, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        plain = module(images)
        with OneDnnConvolutions():
            torch.testing.assert_close(module(images), plain, rtol=1e-4, atol=1e-5)


def test_small_convolutions_are_onednns() -> None:
    module, images = nn.Conv3d(3, 4, 3, stride=2, padding=1, bias=False), torch.randn(1, 3, 6, 7, 8)
    with torch.inference_mode():
        assert convolutions_used(module, images) == {"aten::slow_conv3d_forward"}
        with OneDnnConvolutions():
            assert convolutions_used(module, images) == {"aten::mkldnn_convolution"}
