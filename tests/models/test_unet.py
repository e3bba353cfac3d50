"""The U-Net: its size, its levels and what it refuses."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.models.registry import build_network, count_parameters
from medpipe.models.unet.decoder import DecoderLevel
from medpipe.models.unet.heads import UNetOutput
from medpipe.models.unet.model import UNet


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("dims", [2, 3])
def test_has_as_many_parameters_as_dynunet(dims: int, residual: bool) -> None:
    arguments = {"in_channels": 1, "num_classes": 3, "dims": dims, "residual": residual}
    ours, peer = (build_network(name, arguments) for name in ("unet", "dynunet"))
    assert count_parameters(ours) == count_parameters(peer)


@pytest.mark.parametrize("residual", [False, True])
def test_gives_the_logits_of_dynunet_with_its_weights(residual: bool) -> None:
    arguments = {
        "in_channels": 2,
        "num_classes": 3,
        "channels": (4, 8, 16),
        "residual": residual,
        "deep_supervision": True,
    }
    ours, peer = (build_network(name, arguments) for name in ("unet", "dynunet"))
    theirs = {_name_in_dynunet(name, num_levels=3): value for name, value in ours.state_dict().items()}
    assert peer.network.load_state_dict(theirs, strict=False).unexpected_keys == []
    images = torch.randn(2, 2, 8, 12, 16, generator=torch.Generator().manual_seed(0))
    for own, other in zip(_flat(ours(images)), _flat(peer(images)), strict=True):
        assert_close(own, other, rtol=1e-4, atol=1e-5)


def _flat(output: UNetOutput) -> tuple[torch.Tensor, ...]:
    return (output.logits, *output.deep)


def _name_in_dynunet(name: str, *, num_levels: int) -> str:
    """Return MONAI's name of one of our parameters; its decoder counts from the bottom."""
    side, _, level, *parts, kind = name.split(".")
    if side == "mask_head":
        return (
            f"{f'deep_supervision_heads.{int(level) - 1}' if int(level) else 'output_block'}.conv.conv.{kind}"
        )
    if side == "encoder":
        place = {0: "input_block", num_levels - 1: "bottleneck"}.get(
            int(level), f"downsamples.{int(level) - 1}"
        )
    else:
        place = f"upsamples.{num_levels - 2 - int(level)}"
        if parts == ["up"]:
            return f"{place}.transp_conv.conv.{kind}"
        place, parts = f"{place}.conv_block", parts[1:]
    layers = {
        "body.0": "conv1.conv", "body.1": "norm1", "body.3": "conv2.conv", "body.4": "norm2",
        "shortcut.0": "conv3.conv", "shortcut.1": "norm3",
    }  # fmt: skip
    return f"{place}.{layers['.'.join(parts)]}.{kind}"


def test_default_network_has_1_4_million_parameters() -> None:
    # 3x3x3 kernels, two a level. Down: 27 (1*16 + 16*16) + 27 (16*32 + 32*32) + 27 (32*64 + 64*64)
    # + 27 (64*128 + 128*128) = 7,344 + 41,472 + 165,888 + 663,552. Up, 2x2x2 and twice 3x3x3:
    # 8*128*64 + 27 (128*64 + 64*64) = 397,312; 8*64*32 + 27 (64*32 + 32*32) = 99,328;
    # 8*32*16 + 27 (32*16 + 16*16) = 24,832. Norms: 4 a channel of each block: 4 (240 + 112) = 1,408.
    # Head: 3*16 + 3 = 51.
    assert count_parameters(UNet(in_channels=1, num_classes=3)) == 1_401_187


class TestLevels:
    def test_encoder_gives_each_level_down_to_the_bottom(self) -> None:
        network = UNet(in_channels=1, num_classes=2, channels=(2, 3, 4))
        features = network.encoder(torch.zeros(1, 1, 9, 12, 17))
        # ceil(9/2) = 5, ceil(5/2) = 3; 12, 6, 3; 17, 9, 5.
        assert [tuple(item.shape) for item in features] == [
            (1, 2, 9, 12, 17),
            (1, 3, 5, 6, 9),
            (1, 4, 3, 3, 5),
        ]

    def test_every_decoder_level_gives_logits_under_deep_supervision(self) -> None:
        network = UNet(in_channels=1, num_classes=2, channels=(2, 3, 4, 5), deep_supervision=True)
        output = network(torch.zeros(1, 1, 9, 12, 17))
        assert [tuple(item.shape) for item in output.deep] == [(1, 2, 5, 6, 9), (1, 2, 3, 3, 5)]

    def test_no_deep_logits_without_deep_supervision(self) -> None:
        assert UNet(in_channels=1, num_classes=2, channels=(2, 3))(torch.zeros(1, 1, 4, 4, 4)).deep == ()

    def test_convolutions_a_level_are_what_was_asked_for(self) -> None:
        network = UNet(in_channels=1, num_classes=2, channels=(2, 3), convs_per_level=3)
        kernels = [item.kernel_size for item in network.modules() if isinstance(item, nn.Conv3d)]
        assert kernels.count((3, 3, 3)) == 3 * (2 + 1)  # two levels down, one up

    def test_coarse_voxel_is_raised_onto_the_voxels_it_was_taken_from(self) -> None:
        level = DecoderLevel(1, 1, dims=2, num_convs=1)
        nn.init.ones_(level.up.weight)  # type: ignore[arg-type]  # a convolution's weight
        coarse = torch.tensor([[[[1.0, 2.0, 3.0]]]])
        seen: list[torch.Tensor] = []
        level.block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        level(coarse, torch.zeros(1, 1, 2, 5))
        # Five voxels make three coarse ones, 0-1, 2-3 and 4: the sixth is cut off.
        assert_close(seen[0][0, 0], torch.tensor([[1.0, 1.0, 2.0, 2.0, 3.0]]).expand(2, 5))


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "found"),
        [
            ({"in_channels": 0}, "in_channels of the U-Net must be at least 1: found 0"),
            ({"num_classes": 1}, "num_classes of the U-Net must be at least 2.*found 1"),
            ({"channels": (16,)}, r"channels of the U-Net must be two or more.*found \(16,\)"),
            ({"channels": (16, 0)}, r"found \(16, 0\)"),
            ({"convs_per_level": 0}, "convs_per_level of the U-Net must be at least 1: found 0"),
            ({"dims": 4}, "dims of the U-Net must be 2 or 3: found 4"),
        ],
    )
    def test_argument_out_of_range_is_named(self, arguments: dict[str, object], found: str) -> None:
        with pytest.raises(SettingsError, match=found):
            UNet(**{"in_channels": 1, "num_classes": 2, **arguments})  # type: ignore[arg-type]  # mixed

    @pytest.mark.parametrize("shape", [(1, 3, 8, 8, 8), (1, 1, 8, 8)])
    def test_other_channels_or_axes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ShapeError, match=r"must be \(B, 1, I, J, K\): found \(1, "):
            UNet(in_channels=1, num_classes=2, channels=(2, 2))(torch.zeros(shape))

    def test_images_with_one_voxel_at_the_bottom_are_refused_with_the_size_that_would_do(self) -> None:
        network = UNet(in_channels=1, num_classes=2, channels=(2, 2, 2))
        with pytest.raises(ShapeError, match=r"found \(4, 4, 4\) voxels.*more than 4"):
            network(torch.zeros(1, 1, 4, 4, 4))
        assert network(torch.zeros(1, 1, 5, 1, 1)).logits.shape == (1, 2, 5, 1, 1)


def test_peer_says_what_to_pad_to() -> None:
    network = build_network("dynunet", {"in_channels": 1, "num_classes": 2, "channels": (2, 2, 2)})
    with pytest.raises(ShapeError, match=r"found \(8, 9, 10\).*Pad the images to \(8, 12, 12\)"):
        network(torch.zeros(1, 1, 8, 9, 10))
