"""The U-Net: encoder, decoder, mask head, and a score head on the bottom."""

from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from medpipe.models.checks import check_argument, check_images
from medpipe.models.layers import DIMS, initialise
from medpipe.models.unet.decoder import Decoder, DecoderLevel
from medpipe.models.unet.encoder import halving_encoder
from medpipe.models.unet.heads import MaskHead, UNetOutput
from medpipe.models.unet.score_head import ACTIVATIONS, ScoreHead


class UNet(nn.Module):
    """A U-Net of nnU-Net's plain design; takes images of any size, odd ones too.

    Instance norm, leaky ReLU, strided convolutions down, transposed ones up. With the default channels it
    has 1.4 million parameters in 3-D, as many as MONAI's DynUNet. The mask head reads the decoder, the score
    head the bottom of the encoder and the sizes of the masks.

    Args:
        in_channels: Channels of the images.
        num_classes: Classes of the logits, background included.
        channels: Channels of each level, finest first; each level halves the grid.
        convs_per_level: Convolutions of each level, on both sides.
        residual: Whether the encoder's blocks have shortcuts.
        dims: Spatial axes, 2 or 3.
        deep_supervision: Whether the decoder's coarser levels give logits too.
        score_outputs: Numbers of each score, see :class:`medpipe.models.unet.score_head.ScoreHead`; empty for
            no score head.
        score_hidden: Width of each of its dense layers.
        score_activation: Between them: ``"leaky_relu"``, ``"relu"``, ``"gelu"`` or ``"tanh"``.
        score_dropout: Share of values that it drops while training.

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
        score_outputs: tuple[int, ...] = (),
        score_hidden: tuple[int, ...] = (64,),
        score_activation: str = "leaky_relu",
        score_dropout: float = 0.2,
    ) -> None:
        _check("in_channels", in_channels, holds=in_channels >= 1, expected="at least 1")
        _check("num_classes", num_classes, holds=num_classes >= 2, expected="at least 2, background included")
        _check("channels", channels, holds=len(channels) >= 2 and min(channels) >= 1, expected="two or more")
        _check("convs_per_level", convs_per_level, holds=convs_per_level >= 1, expected="at least 1")
        _check("dims", dims, holds=dims in DIMS, expected="2 or 3")
        _check(
            "score_outputs", score_outputs, holds=min(score_outputs, default=1) >= 1, expected="at least 1"
        )
        _check("score_hidden", score_hidden, holds=min(score_hidden, default=1) >= 1, expected="at least 1")
        _check(
            "score_activation",
            score_activation,
            holds=score_activation in ACTIVATIONS,
            expected=" or ".join(ACTIVATIONS),
        )
        _check("score_dropout", score_dropout, holds=0 <= score_dropout < 1, expected="in [0, 1)")
        super().__init__()
        self._in_channels = in_channels
        self._total_stride = (2 ** (len(channels) - 1),) * dims
        self.encoder = halving_encoder(
            in_channels, channels, dims=dims, convs_per_level=convs_per_level, residual=residual
        )
        self.decoder = Decoder(
            DecoderLevel(coarse, fine, dims=dims, num_convs=convs_per_level)
            for fine, coarse in pairwise(channels)
        )
        supervised = channels[:-1] if deep_supervision else channels[:1]
        self.mask_head = MaskHead(supervised, num_classes, dims=dims)
        self.score_head: ScoreHead | None = None
        if score_outputs:
            self.score_head = ScoreHead(
                channels[-1],
                num_classes,
                score_outputs,
                hidden=score_hidden,
                activation=score_activation,
                dropout=score_dropout,
            )
        self.apply(initialise)

    def forward(self, images: Tensor) -> UNetOutput:
        """Segment images.

        Args:
            images: ``(B, in_channels, I, J[, K])`` float, preprocessed as the package states.

        Returns:
            Logits on the grid of the images, and scores where there is a score head.

        Raises:
            ShapeError: Channels or axes differ, or the images are so small that the bottom is one voxel.
        """
        check_images(images, in_channels=self._in_channels, total_stride=self._total_stride)
        features = self.encoder(images)
        output: UNetOutput = self.mask_head(self.decoder(features))
        if self.score_head is None:
            return output
        return output._replace(scores=self.score_head(features[-1], output.logits))


_check = partial(check_argument, "U-Net")
