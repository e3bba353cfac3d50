"""nnU-Net's networks: U-Nets whose levels have kernels and strides of their own, as its planner sets them."""

from functools import partial
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from medpipe.models.checks import check_argument, check_images
from medpipe.models.layers import DIMS, initialise
from medpipe.models.nnunet.encoders import Level, plain_encoder, residual_encoder
from medpipe.models.unet.decoder import Decoder, DecoderLevel
from medpipe.models.unet.heads import MaskHead, UNetOutput


class NnUNet(nn.Module):
    """A U-Net of nnU-Net's plans; takes images of any size.

    Instance norm, leaky ReLU, strided convolutions down, transposed ones up. nnU-Net gives every convolution
    a bias; one that a normalisation follows changes nothing, so that only transposed ones have it here.
    Lists have one entry a level, finest first.

    Args:
        in_channels: Channels of the images.
        num_classes: Classes of the logits, background included.
        channels: Channels of each level.
        kernel_sizes: Odd size of the kernels along each axis, for each level.
        strides: By how much each level divides the grid along each axis.
        encoder_blocks: Convolutions of each level of the encoder; of a residual one, blocks of two.
        decoder_convs: Convolutions of each level of the decoder, which has one less.
        up_bias: Whether transposed convolutions have a bias.
        residual: Whether the encoder is residual, with a stem.
        dims: Spatial axes, 2 or 3.
        deep_supervision: Whether all levels of the decoder give logits.

    Raises:
        SettingsError: An argument is out of range; it is named.

    Source:
        Isensee et al. 2021, "nnU-Net"; Isensee et al. 2024, arXiv 2404.09556, for the residual encoder. As
        ``PlainConvUNet`` and ``ResidualEncoderUNet`` of dynamic-network-architectures compute it.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        channels: tuple[int, ...],
        kernel_sizes: tuple[tuple[int, ...], ...],
        strides: tuple[tuple[int, ...], ...],
        encoder_blocks: tuple[int, ...],
        decoder_convs: tuple[int, ...],
        up_bias: bool = True,
        residual: bool = False,
        dims: int = 3,
        deep_supervision: bool = False,
    ) -> None:
        _check("dims", dims, holds=dims in DIMS, expected="2 or 3")
        _check("in_channels", in_channels, holds=in_channels >= 1, expected="at least 1")
        _check("num_classes", num_classes, holds=num_classes >= 2, expected="at least 2, background included")
        _check_levels(dims, channels, kernel_sizes, strides, encoder_blocks, decoder_convs)
        super().__init__()
        self._in_channels = in_channels
        self._total_stride = tuple(map(prod, zip(*strides, strict=True)))
        levels = [
            Level(*values) for values in zip(channels, kernel_sizes, strides, encoder_blocks, strict=True)
        ]
        encoder = residual_encoder if residual else plain_encoder
        self.encoder = encoder(in_channels, levels, dims=dims)
        self.decoder = Decoder(
            DecoderLevel(
                coarse.channels,
                fine.channels,
                dims=dims,
                num_convs=num_convs,
                kernel_size=fine.kernel_size,
                factor=coarse.stride,
                up_bias=up_bias,
            )
            for (fine, coarse), num_convs in zip(pairwise(levels), decoder_convs, strict=True)
        )
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
        check_images(images, in_channels=self._in_channels, total_stride=self._total_stride)
        output: UNetOutput = self.mask_head(self.decoder(self.encoder(images)))
        return output


_check = partial(check_argument, "nnU-Net")


def _check_levels(
    dims: int,
    channels: tuple[int, ...],
    kernel_sizes: tuple[tuple[int, ...], ...],
    strides: tuple[tuple[int, ...], ...],
    encoder_blocks: tuple[int, ...],
    decoder_convs: tuple[int, ...],
) -> None:
    count = len(channels)
    _check("channels", channels, holds=count >= 2 and min(channels) >= 1, expected="two or more")
    for name, sizes in (("kernel_sizes", kernel_sizes), ("strides", strides)):
        fits = len(sizes) == count and all(len(item) == dims and min(item) >= 1 for item in sizes)
        _check(name, sizes, holds=fits, expected=f"{count} lists of {dims} numbers")
    _check("strides", strides, holds=set(strides[0]) == {1}, expected="1 at the first level")
    is_odd = all(size % 2 for item in kernel_sizes for size in item)
    _check("kernel_sizes", kernel_sizes, holds=is_odd, expected="odd")
    for name, numbers, expected in (
        ("encoder_blocks", encoder_blocks, count),
        ("decoder_convs", decoder_convs, count - 1),
    ):
        fits = len(numbers) == expected and min(numbers) >= 1
        _check(name, numbers, holds=fits, expected=f"{expected} numbers of at least 1")
