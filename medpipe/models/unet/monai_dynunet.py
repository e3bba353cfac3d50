"""MONAI's DynUNet with our arguments and output: the peer that our U-Net is compared with."""

from monai.networks.nets import DynUNet
from torch import Tensor, nn

from medpipe.core.errors import ShapeError
from medpipe.models.unet.heads import UNetOutput


class MonaiDynUNet(nn.Module):
    """DynUNet with kernels of 3, strides of 2, instance norm and leaky ReLU.

    Args:
        in_channels: Channels of the images.
        num_classes: Classes of the logits, background included.
        channels: Channels of each level, finest first, at least three.
        residual: Whether blocks have shortcuts.
        dims: Spatial axes, 2 or 3.
        deep_supervision: Whether the decoder's coarser levels give logits too.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        channels: tuple[int, ...] = (16, 32, 64, 128),
        residual: bool = False,
        dims: int = 3,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        steps = [2] * (len(channels) - 1)
        self._stride = 2 ** len(steps)
        self.network = DynUNet(
            spatial_dims=dims,
            in_channels=in_channels,
            out_channels=num_classes,
            kernel_size=[3] * len(channels),
            strides=[1, *steps],
            upsample_kernel_size=steps,
            filters=list(channels),
            res_block=residual,
            deep_supervision=deep_supervision,
            deep_supr_num=len(steps) - 1,
        )
        self._deep_supervision = deep_supervision

    def forward(self, images: Tensor) -> UNetOutput:
        """Segment images ``(B, in_channels, I, J[, K])``.

        Raises:
            ShapeError: An axis is not a multiple of the network's stride.
        """
        if any(size % self._stride for size in images.shape[2:]):
            needed = tuple(-(-size // self._stride) * self._stride for size in images.shape[2:])
            raise ShapeError(
                f"DynUNet takes multiples of {self._stride} voxels an axis",
                found=f"{tuple(images.shape[2:])}",
                fix=f"Pad the images to {needed}.",
            )
        # DynUNet's own forward enlarges the coarser logits and returns another type while it trains.
        logits = self.network.output_block(self.network.skip_layers(images))
        return UNetOutput(logits, tuple(self.network.heads) if self._deep_supervision else ())
