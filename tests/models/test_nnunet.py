"""nnU-Net's networks: against MONAI's DynUNet where that can be the same, and what is refused."""

import pytest
import torch
from monai.networks.nets import DynUNet
from torch import Tensor
from torch.testing import assert_close

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.models.nnunet.model import NnUNet

KERNELS = ((1, 3, 3), (3, 3, 3), (3, 3, 3))
STRIDES = ((1, 1, 1), (1, 2, 2), (2, 2, 2))
ARGUMENTS = {
    "in_channels": 2,
    "num_classes": 3,
    "channels": (4, 6, 8),
    "kernel_sizes": KERNELS,
    "strides": STRIDES,
    "encoder_blocks": (2, 2, 2),
    "decoder_convs": (2, 2),
}


def build(**changes: object) -> NnUNet:
    torch.manual_seed(4)
    return NnUNet(**{**ARGUMENTS, **changes}).eval()  # type: ignore[arg-type]  # mixed


def dynunet_name(name: str) -> str:
    """Return MONAI's name of one of our parameters; its decoder counts from the bottom."""
    side, _, level, *parts, kind = name.split(".")
    if side == "mask_head":
        return f"output_block.conv.conv.{kind}"
    if side == "encoder":
        place = ("input_block", "downsamples.0", "bottleneck")[int(level)]
    else:
        place = f"upsamples.{1 - int(level)}"
        if parts == ["up"]:
            return f"{place}.transp_conv.conv.{kind}"
        place, parts = f"{place}.conv_block", parts[1:]
    layers = {"body.0": "conv1.conv", "body.1": "norm1", "body.3": "conv2.conv", "body.4": "norm2"}
    return f"{place}.{layers['.'.join(parts)]}.{kind}"


def test_plain_network_gives_the_logits_of_dynunet() -> None:
    # MONAI gives a level of the decoder the kernel of the level below, nnU-Net its own: here all are equal.
    kernels = ((3, 3, 3),) * 3
    ours = build(up_bias=False, kernel_sizes=kernels)
    peer = DynUNet(
        spatial_dims=3,
        in_channels=2,
        out_channels=3,
        kernel_size=kernels,
        strides=STRIDES,
        upsample_kernel_size=STRIDES[1:],
        filters=(4, 6, 8),
    ).eval()
    state: dict[str, Tensor] = {dynunet_name(name): value for name, value in ours.state_dict().items()}
    assert peer.load_state_dict(state, strict=False).unexpected_keys == []
    images = torch.randn(1, 2, 6, 12, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert_close(ours(images).logits, peer(images), rtol=1e-4, atol=1e-5)


def test_residual_shortcut_takes_means_and_projects_only_where_channels_change() -> None:
    levels = build(residual=True, channels=(4, 4, 8)).encoder.levels
    kinds = [[type(item).__name__ for item in levels[level][-2].shortcut] for level in range(3)]
    # The first block of the first level stands behind the stem.
    assert kinds == [[], ["AvgPool3d"], ["AvgPool3d", "Conv3d", "InstanceNorm3d"]]
    assert levels[1][0].shortcut[0].kernel_size == (1, 2, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": (4,)}, r"channels of the nnU-Net must be two or more: found \(4,\)"),
        ({"kernel_sizes": KERNELS[1:]}, "kernel_sizes of the nnU-Net must be 3 lists of 3 numbers"),
        ({"kernel_sizes": ((2, 3, 3), *KERNELS[1:])}, "kernel_sizes of the nnU-Net must be odd"),
        ({"strides": ((1, 1), (2, 2), (2, 2))}, "strides of the nnU-Net must be 3 lists of 3 numbers"),
        ({"strides": ((2, 1, 1), *STRIDES[1:])}, "must be 1 at the first level"),
        ({"encoder_blocks": (2, 0, 2)}, "encoder_blocks of the nnU-Net must be 3 numbers of at least 1"),
        ({"decoder_convs": (2, 2, 2)}, "decoder_convs of the nnU-Net must be 2 numbers"),
        ({"dims": 4}, "dims of the nnU-Net must be 2 or 3: found 4"),
    ],
)
def test_argument_out_of_range_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build(**changes)


def test_images_with_one_voxel_at_the_bottom_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"found \(2, 4, 4\) voxels.*more than 2 or 4"):
        build()(torch.zeros(1, 2, 2, 4, 4))
