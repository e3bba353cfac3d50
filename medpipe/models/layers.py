"""Layers by the number of spatial axes: one network definition serves 2-D and 3-D images."""

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn

LEAKY_SLOPE: Final = 0.01
"""Slope of leaky ReLUs below 0 (nnU-Net)."""

_Layers = Mapping[int, type[nn.Module]]

_CONVOLUTIONS: Final[_Layers] = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: Final[_Layers] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_INSTANCE_NORMS: Final[_Layers] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
DIMS: Final = tuple(_CONVOLUTIONS)
"""Numbers of spatial axes that networks can be built for."""

PerAxis = int | Sequence[int]
"""One number for every spatial axis, or one for all."""


def per_axis(dims: int, value: PerAxis) -> tuple[int, ...]:
    """Return the number of each axis."""
    return (value,) * dims if isinstance(value, int) else tuple(value)


def convolution(
    dims: int,
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    bias: bool = False,
) -> nn.Module:
    """Return a convolution of odd kernels that keeps the grid, or divides it by ``stride``, rounded up."""
    kernel = per_axis(dims, kernel_size)
    padding = tuple(size // 2 for size in kernel)
    return _CONVOLUTIONS[dims](
        in_channels, out_channels, kernel, stride=per_axis(dims, stride), padding=padding, bias=bias
    )


def enlarging(
    dims: int, in_channels: int, out_channels: int, *, factor: PerAxis = 2, bias: bool = False
) -> nn.Module:
    """Return a transposed convolution that multiplies the axes of the grid."""
    factors = per_axis(dims, factor)
    return _TRANSPOSED[dims](in_channels, out_channels, kernel_size=factors, stride=factors, bias=bias)


class AvgPool3d(nn.AvgPool3d):
    """Averages in float32 where torch has no other: it lacks bfloat16 on a CPU."""

    def forward(self, features: Tensor) -> Tensor:
        """Average ``(B, C, I, J, K)``."""
        if features.device.type == "cpu" and features.dtype is torch.bfloat16:
            return super().forward(features.float()).to(features.dtype)
        return super().forward(features)


_AVERAGES: Final[_Layers] = {2: nn.AvgPool2d, 3: AvgPool3d}


def average_pool(dims: int, factor: PerAxis) -> nn.Module:
    """Return the means of blocks of voxels: it divides the grid, rounded up."""
    factors = per_axis(dims, factor)
    return _AVERAGES[dims](factors, stride=factors, ceil_mode=True)


def instance_norm(dims: int, channels: int) -> nn.Module:
    """Return an instance normalisation with a learned scale and shift."""
    return _INSTANCE_NORMS[dims](channels, affine=True)


def leaky_relu() -> nn.Module:
    """Return a leaky ReLU that overwrites its input, which no layer before it needs again."""
    return nn.LeakyReLU(LEAKY_SLOPE, inplace=True)


def initialise(module: nn.Module) -> None:
    """Draw the weights of one convolution from torch's global generator; for ``Module.apply``.

    Source:
        He et al. 2015, "Delving deep into rectifiers", equation 15, for leaky ReLUs.
    """
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, a=LEAKY_SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
