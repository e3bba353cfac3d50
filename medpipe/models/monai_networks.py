"""Networks of MONAI as its bundles name them, with our output.

Arguments are MONAI's own, as plain data. A network's state is MONAI's, each key after ``network.``.
"""

from typing import Any

from monai.networks.nets import BasicUNet, DynUNet, SegResNet, UNet
from torch import Tensor, nn

from medpipe.models.unet.heads import UNetOutput

Sizes = tuple[int | tuple[int, ...], ...]
"""One size for each level: of all axes, or of each."""

Layer = str | tuple[str, dict[str, bool | int | float | str]]
"""An activation or a norm of MONAI's factories by name, with or without arguments."""


class MonaiNetwork(nn.Module):
    """A network whose forward gives logits.

    Args:
        network: MONAI's.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> UNetOutput:
        """Segment images ``(B, in_channels, I, J[, K])`` of a size that MONAI's network takes."""
        return UNetOutput(self.network(images))


class MonaiUNet(MonaiNetwork):
    """MONAI's U-Net; see :class:`monai.networks.nets.UNet`."""

    def __init__(
        self,
        *,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        channels: tuple[int, ...],
        strides: Sizes,
        kernel_size: int | tuple[int, ...] = 3,
        up_kernel_size: int | tuple[int, ...] = 3,
        num_res_units: int = 0,
        act: Layer = "PRELU",
        norm: Layer = "INSTANCE",
        dropout: float = 0.0,
        bias: bool = True,
        adn_ordering: str = "NDA",
    ) -> None:
        super().__init__(UNet(**_arguments(locals())))


class MonaiSegResNet(MonaiNetwork):
    """MONAI's SegResNet, without its autoencoder; see :class:`monai.networks.nets.SegResNet`."""

    def __init__(
        self,
        *,
        spatial_dims: int = 3,
        init_filters: int = 8,
        in_channels: int = 1,
        out_channels: int = 2,
        dropout_prob: float | None = None,
        act: Layer = ("RELU", {"inplace": True}),
        norm: Layer = ("GROUP", {"num_groups": 8}),
        norm_name: str = "",
        num_groups: int = 8,
        use_conv_final: bool = True,
        blocks_down: tuple[int, ...] = (1, 2, 2, 4),
        blocks_up: tuple[int, ...] = (1, 1, 1),
        upsample_mode: str = "nontrainable",
    ) -> None:
        super().__init__(SegResNet(**_arguments(locals())))


class MonaiBasicUNet(MonaiNetwork):
    """MONAI's BasicUNet of five levels; see :class:`monai.networks.nets.BasicUNet`."""

    def __init__(
        self,
        *,
        spatial_dims: int = 3,
        in_channels: int = 1,
        out_channels: int = 2,
        features: tuple[int, ...] = (32, 32, 64, 128, 256, 32),
        act: Layer = ("LeakyReLU", {"negative_slope": 0.1, "inplace": True}),
        norm: Layer = ("instance", {"affine": True}),
        bias: bool = True,
        dropout: float = 0.0,
        upsample: str = "deconv",
    ) -> None:
        super().__init__(BasicUNet(**_arguments(locals())))


class MonaiFullDynUNet(MonaiNetwork):
    """MONAI's DynUNet with all its arguments; see :class:`monai.networks.nets.DynUNet`.

    :class:`medpipe.models.unet.monai_dynunet.MonaiDynUNet` is the one to train: it has our arguments.
    """

    network: DynUNet

    def __init__(
        self,
        *,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        strides: Sizes,
        upsample_kernel_size: Sizes,
        filters: tuple[int, ...] | None = None,
        dropout: float | None = None,
        norm_name: Layer = ("INSTANCE", {"affine": True}),
        act_name: Layer = ("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
        deep_supervision: bool = False,
        deep_supr_num: int = 1,
        res_block: bool = False,
        trans_bias: bool = False,
    ) -> None:
        super().__init__(DynUNet(**_arguments(locals())))

    def forward(self, images: Tensor) -> UNetOutput:
        """Segment images; the coarser logits of deep supervision are left out."""
        # DynUNet's own forward returns another type while it trains.
        return UNetOutput(self.network.output_block(self.network.skip_layers(images)))


def _arguments(names: dict[str, Any]) -> dict[str, Any]:
    """Return what a constructor was given, from its local names."""
    return {name: value for name, value in names.items() if name not in ("self", "__class__")}
