"""MONAI's networks behind our output: the same logits from the same weights."""

from collections.abc import Mapping

import pytest
import torch
from monai.networks import nets
from torch import nn

from medpipe.core.errors import SettingsError
from medpipe.models.registry import build_network

CASES: Mapping[str, tuple[type[nn.Module], dict[str, object]]] = {
    "monai-unet": (
        nets.UNet,
        {
            "spatial_dims": 3,
            "in_channels": 2,
            "out_channels": 3,
            "channels": [4, 8, 16],
            "strides": [2, [2, 2, 1]],
            "num_res_units": 1,
            "act": ["LEAKYRELU", {"negative_slope": 0.2}],
            "norm": "batch",
        },
    ),
    "monai-segresnet": (
        nets.SegResNet,
        {"in_channels": 2, "out_channels": 3, "init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]},
    ),
    "monai-basicunet": (
        nets.BasicUNet,
        {"in_channels": 2, "out_channels": 3, "features": [4, 4, 8, 8, 8, 4]},
    ),
    "monai-dynunet": (
        nets.DynUNet,
        {
            "spatial_dims": 3,
            "in_channels": 2,
            "out_channels": 3,
            "kernel_size": [3, 3, [3, 3, 1]],
            "strides": [1, 2, [2, 2, 1]],
            "upsample_kernel_size": [2, [2, 2, 1]],
            "filters": [4, 8, 16],
            "norm_name": "instance",
            "deep_supervision": True,
        },
    ),
}


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def images() -> torch.Tensor:
    return torch.randn(1, 2, 32, 32, 32, generator=torch.Generator().manual_seed(4))


def test_logits_are_those_of_monai_with_its_weights(name: str) -> None:
    original, arguments = CASES[name]
    torch.manual_seed(5)
    theirs = original(**arguments).eval()
    ours = build_network(name, arguments).eval()
    ours.load_state_dict({f"network.{key}": value for key, value in theirs.state_dict().items()})
    with torch.inference_mode():
        assert torch.equal(ours(images()).logits, theirs(images()))


def test_output_is_the_same_type_while_training(name: str) -> None:
    network = build_network(name, CASES[name][1]).train()
    assert network(images()).logits.shape == (1, 3, 32, 32, 32)


def test_unknown_argument_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match="unknown key 'in_chanels'"):
        build_network(name, {**CASES[name][1], "in_chanels": 2})
