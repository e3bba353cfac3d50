"""Convolutions on a CPU by oneDNN, also those that torch gives to its own slower ones."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_POSITIONS: Final = 7
"""Arguments of ``conv3d``, none passed by name."""


class OneDnnConvolutions(TorchFunctionMode):
    """Inside of it 3-D convolutions in float32 on a CPU are oneDNN's, whatever their size; no gradients.

    Torch chooses by size, and for one image its own unrolled convolution up to ``C * I * J`` of 20480,
    whatever K is: the coarse levels of a U-Net, where it is the slower one.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Carry out a function of torch."""
        if func is functional.conv3d and _is_onednns(args):
            image, weight, bias, stride, padding, dilation, groups = args
            return torch.mkldnn_convolution(image, weight, bias, padding, stride, dilation, groups)
        return func(*args, **(kwargs or {}))


def _is_onednns(args: tuple[Any, ...]) -> bool:
    """Whether arguments of ``conv3d`` are as ``nn.Conv3d`` passes them, in float32 on a CPU."""
    if len(args) != _POSITIONS or isinstance(args[4], str):
        return False
    return args[0].device.type == "cpu" and args[0].dtype is torch.float32
