"""The U-Net: encoder, decoder, mask head."""

from torch import Tensor, nn

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError, ShapeError
from medpipe.models.layers import DIMS, initialise
from medpipe.models.unet.decoder import Decoder
from medpipe.models.unet.encoder import Encoder
from medpipe.models.unet.heads import MaskHead, UNetOutput


class UNet(nn.Module):
    """A U-Net of nnU-Net's plain design; takes images of any size, odd ones too.

    Instance norm, leaky ReLU, strided convolutions down, transposed ones up. With the default channels it
    has 1.4 million parameters in 3-D, as many as MONAI's DynUNet. Other heads go beside ``mask_head``:
    ``encoder(images)[-1]`` are the features at the bottom.

    Args:
        in_channels: Channels of the images.
        num_classes: Classes of the logits, background included.
        channels: Channels of each level, finest first; each level halves the grid.
        convs_per_level: Convolutions of each level, on both sides.
        residual: Whether the encoder's blocks have shortcuts.
        dims: Spatial axes, 2 or 3.
        deep_supervision: Whether the decoder's coarser levels give logits too.

    Raises:
        SettingsError: An argument is out of range; it is named.

    Source:
        Isensee et al. 2021, "nnU-Net", supplementary note 2. There the coarsest level of the decoder
        gives no logits; here every level does, so that deep supervision means the same at any depth.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        channels: tuple[int, ...] = (16, 32, 64, 128),
        convs_per_level: int = 2,
        residual: bool = False,
        dims: int = 3,
        deep_supervision: bool = False,
    ) -> None:
        _check("in_channels", in_channels, holds=in_channels >= 1, expected="at least 1")
        _check("num_classes", num_classes, holds=num_classes >= 2, expected="at least 2, background included")
        _check("channels", channels, holds=len(channels) >= 2 and min(channels) >= 1, expected="two or more")
        _check("convs_per_level", convs_per_level, holds=convs_per_level >= 1, expected="at least 1")
        _check("dims", dims, holds=dims in DIMS, expected="2 or 3")
        super().__init__()
        self._in_channels = in_channels
        self._dims = dims
        self._stride = 2 ** (len(channels) - 1)
        self.encoder = Encoder(
            in_channels, channels, dims=dims, convs_per_level=convs_per_level, residual=residual
        )
        self.decoder = Decoder(channels, dims=dims, convs_per_level=convs_per_level)
        supervised = channels[:-1] if deep_supervision else channels[:1]
        self.mask_head = MaskHead(supervised, num_classes, dims=dims)
        self.apply(initialise)

    def forward(self, images: Tensor) -> UNetOutput:
        """Segment images.

        Args:
            images: ``(B, in_channels, I, J[, K])`` float, preprocessed as the package states.

        Returns:
            Logits on the grid of the images; the same in training and evaluation.

        Raises:
            ShapeError: Channels or axes differ, or the images are so small that the bottom is one voxel.
        """
        self._check_images(images)
        output: UNetOutput = self.mask_head(self.decoder(self.encoder(images)))
        return output

    def _check_images(self, images: Tensor) -> None:
        if images.ndim != self._dims + 2 or images.shape[1] != self._in_channels:
            axes = "I, J, K" if self._dims == 3 else "I, J"
            raise ShapeError(
                f"Images must be (B, {self._in_channels}, {axes})", found=f"{tuple(images.shape)}"
            )
        # Instance norm over a single voxel has no variance to divide by.
        if max(images.shape[2:]) <= self._stride:
            raise ShapeError(
                "The images are too small for the levels of the network",
                found=f"{tuple(images.shape[2:])} voxels",
                fix=f"One axis at least must have more than {self._stride}: pad the images.",
            )


def _check(name: str, value: object, *, holds: bool, expected: str) -> None:
    if not holds:
        raise SettingsError(Code.E_SETTINGS, f"{name} of the U-Net must be {expected}", found=repr(value))
