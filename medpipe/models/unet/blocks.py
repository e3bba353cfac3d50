"""The block of convolutions that every level of the encoder and the decoder is made of."""

from torch import Tensor, nn

from medpipe.models.layers import PerAxis, convolution, instance_norm, leaky_relu, per_axis


class ConvBlock(nn.Module):
    """Convolutions, each with instance norm and leaky ReLU; the first may divide the grid.

    Convolutions have no bias: the normalisation after them would take it out again.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels of every convolution.
        dims: Spatial axes.
        num_convs: Number of convolutions.
        kernel_size: Odd sizes of their kernels.
        stride: Stride of the first one.
        shortcut: What is added before the last leaky ReLU, made of the input; None for nothing.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        dims: int,
        num_convs: int,
        kernel_size: PerAxis = 3,
        stride: PerAxis = 1,
        shortcut: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential()
        for index in range(num_convs):
            source, step = (out_channels, 1) if index else (in_channels, stride)
            if index:
                self.body.append(leaky_relu())
            self.body.append(convolution(dims, source, out_channels, kernel_size=kernel_size, stride=step))
            self.body.append(instance_norm(dims, out_channels))
        self.activation = leaky_relu()
        self.shortcut = shortcut

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, in_channels, I, J[, K])`` to ``(B, out_channels, ...)`` on the divided grid."""
        result: Tensor = self.body(features)
        if self.shortcut is not None:
            result = result + self.shortcut(features)
        activated: Tensor = self.activation(result)
        return activated


def strided_shortcut(dims: int, in_channels: int, out_channels: int, *, stride: PerAxis) -> nn.Module:
    """Return the identity, or a strided projection where a block changes the shape."""
    if in_channels == out_channels and set(per_axis(dims, stride)) == {1}:
        return nn.Identity()
    return nn.Sequential(
        convolution(dims, in_channels, out_channels, kernel_size=1, stride=stride),
        instance_norm(dims, out_channels),
    )
