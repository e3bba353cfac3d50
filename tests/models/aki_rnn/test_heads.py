from math import log

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medpipe.models.aki_rnn.heads import RisingHead


def test_curves_start_at_a_number_and_rise_by_softplus() -> None:
    head = RisingHead(1, 3, 1)
    nn.init.zeros_(head.linear.weight)
    head.linear.bias.data = torch.tensor([-4.0, 0.0, log(3.0)])
    # softplus(0) = log 2 and softplus(log 3) = log 4.
    expected = torch.tensor([-4.0, -4.0 + log(2.0), -4.0 + log(8.0)])
    assert_close(head(torch.zeros(1, 1, 1))[0, 0, :, 0], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_curves_never_fall_whatever_the_weights(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    for spread in (0.1, 3.0, 100.0):
        head = RisingHead(6, 8, 7).to(dtype)
        nn.init.normal_(head.linear.weight, std=spread)
        curves = head((50 * torch.randn(16, 9, 6)).to(dtype))
        assert curves.shape == (16, 9, 8, 7)
        assert (curves.diff(dim=2) >= 0).all()


def test_curves_of_new_heads_rise_little() -> None:
    curves = RisingHead(6, 8, 2)(torch.zeros(1, 1, 6))
    # Seven steps of softplus(-2) = 0.126928.
    assert_close(curves[..., -1, :] - curves[..., 0, :], torch.full((1, 1, 2), 7 * 0.126928))
