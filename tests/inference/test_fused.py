"""Fused convolutions: the same feature maps, with nothing fused that only looks as if it could be."""

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.testing import assert_close

from medpipe.inference.fused import FusedConvolution, fuse_convolutions


def encoder(name: str) -> nn.Module:
    """Return a network of timm whose batch norms have seen something."""
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(name, pretrained=False, features_only=True, out_indices=(-1,))
    for norm in _norms(network):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.normal_(0.0, 0.1)
        norm.running_var.uniform_(0.5, 2.0)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0.0, 0.1)
    return network.eval()


def _norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def _count(network: nn.Module) -> int:
    return sum(isinstance(module, FusedConvolution) for module in network.modules())


def norm_of(
    *, mean: float = 0.0, var: float = 1.0, eps: float = 0.0, weight: float = 1.0, bias: float = 0.0
) -> BatchNormAct2d:
    norm = BatchNormAct2d(1, eps=eps, act_layer=nn.ReLU6).eval()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.fill_(mean)
    norm.running_var.fill_(var)
    nn.init.constant_(norm.weight, weight)
    nn.init.constant_(norm.bias, bias)
    return norm


class _ChangedBetween(nn.Module):
    """A convolution whose output is changed in place before the batch norm sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 1, 1), norm_of(bias=2.0)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = self.conv(image)
        maps += 1.0
        return [self.norm(maps)]


class _UsedTwice(nn.Module):
    """A convolution whose output is wanted without the batch norm too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 1, 1), norm_of(bias=2.0)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = self.conv(image)
        return [self.norm(maps) + maps]


class TestFusedConvolution:
    @torch.inference_mode()
    def test_is_the_convolution_the_norm_and_the_activation(self) -> None:
        conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(conv.weight, 2.0)
        # (2 x - 1) / sqrt(3 + 1) * 4 + 5 is 4 x + 3, clamped from 0 to 6.
        fused = FusedConvolution(conv, norm_of(mean=1.0, var=3.0, eps=1.0, weight=4.0, bias=5.0))
        assert_close(
            fused(torch.tensor([[[[-2.0, -0.5, 0.25, 3.0]]]])), torch.tensor([[[[0.0, 1.0, 4.0, 6.0]]]])
        )

    @given(
        size=st.tuples(st.integers(3, 20), st.integers(3, 20)),
        kernel=st.integers(1, 5),
        stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    )
    def test_pads_as_timm_does(self, size: tuple[int, int], kernel: int, stride: tuple[int, int]) -> None:
        torch.manual_seed(0)
        conv, norm = Conv2dSame(1, 1, kernel, stride=stride), norm_of(bias=3.0)
        image = torch.randn(2, 1, *size)
        with torch.inference_mode():
            assert_close(FusedConvolution(conv, norm)(image), norm(conv(image)), rtol=1e-4, atol=1e-4)


class TestFuseConvolutions:
    @pytest.mark.parametrize(
        ("name", "num_norms_left"),
        # Batch norms of a DenseNet that stand before a convolution, on joined maps, must stay.
        [("tf_efficientnet_lite0", 0), ("resnet10t", 0), ("inception_v3", 0), ("densenet121", 62)],
    )
    def test_features_stay_as_they_were(self, name: str, num_norms_left: int) -> None:
        network = encoder(name)
        fused = fuse_convolutions(network, torch.rand(1, 3, 96, 112))
        assert len(_norms(fused)) == num_norms_left
        other = torch.rand(3, 3, 95, 97)  # another size, of other padding
        with torch.inference_mode():
            expected = network(other)[-1]
            assert_close(fused(other)[-1], expected, rtol=0.0, atol=1e-4 * float(expected.abs().max()))

    def test_the_network_itself_is_not_changed(self) -> None:
        network = encoder("resnet10t")
        assert fuse_convolutions(network, torch.rand(1, 3, 64, 64)) is not network
        assert _count(network) == 0

    def test_what_is_changed_on_the_way_to_the_norm_is_left_alone(self) -> None:
        assert _count(fuse_convolutions(_ChangedBetween().eval(), torch.rand(1, 1, 4, 5))) == 0

    def test_a_network_that_would_answer_otherwise_is_left_alone(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        network = _UsedTwice().eval()
        assert fuse_convolutions(network, torch.rand(1, 1, 4, 5)) is network
        assert "features differ" in caplog.text
