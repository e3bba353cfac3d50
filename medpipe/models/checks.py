"""Checks that networks share: their arguments, and the images that they are given."""

from collections.abc import Sequence

from torch import Tensor

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError, ShapeError


def check_argument(network: str, name: str, value: object, *, holds: bool, expected: str) -> None:
    """Refuse an argument of a constructor.

    Raises:
        SettingsError: It does not hold; names the network, the argument, its value and what is expected.
    """
    if not holds:
        raise SettingsError(Code.E_SETTINGS, f"{name} of the {network} must be {expected}", found=repr(value))


def check_images(images: Tensor, *, in_channels: int, total_stride: Sequence[int]) -> None:
    """Refuse images that a U-Net cannot take.

    Args:
        images: Should be ``(B, in_channels, I, J[, K])``.
        in_channels: Channels of the network.
        total_stride: By how much the network divides each axis at its bottom.

    Raises:
        ShapeError: Channels or axes differ, or the images are so small that the bottom is one voxel.
    """
    if images.ndim != len(total_stride) + 2 or images.shape[1] != in_channels:
        axes = "I, J, K" if len(total_stride) == 3 else "I, J"
        raise ShapeError(f"Images must be (B, {in_channels}, {axes})", found=f"{tuple(images.shape)}")
    # Instance norm over a single voxel has no variance to divide by.
    if all(size <= stride for size, stride in zip(images.shape[2:], total_stride, strict=True)):
        raise ShapeError(
            "The images are too small for the levels of the network",
            found=f"{tuple(images.shape[2:])} voxels",
            fix=f"One axis at least must have more than {' or '.join(map(str, dict.fromkeys(total_stride)))}"
            ": pad the images.",
        )
