"""Convolutions of a CNN on a CPU, each in one step with the batch norm and the activation after it.

A batch norm is a factor and an offset, which go into the weights; oneDNN applies the activation while the
values are at hand. What takes the time of small convolutions is passing over their output again and again.
"""

import copy
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

_LOG = logging.getLogger(__name__)

_TOLERANCE: Final = 1e-4
"""Largest difference of features, as a share of the largest one, that other rounding explains."""


class _Activation(NamedTuple):
    """An activation as oneDNN knows it."""

    name: str
    numbers: tuple[float, ...] = ()


_ACTIVATIONS: Final[dict[type[nn.Module], _Activation]] = {
    nn.Identity: _Activation("none"),
    nn.ReLU: _Activation("relu"),
    nn.ReLU6: _Activation("hardtanh", (0.0, 6.0)),
}


class FusedConvolution(nn.Module):
    """A convolution in float32 on a CPU, with what follows it.

    Args:
        conv: Padded with zeros, by as many on every side or by timm's ``SAME``, undilated.
        norm: The batch norm after it, as it evaluates; its activation is carried out if oneDNN knows it.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | BatchNormAct2d) -> None:
        super().__init__()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        weight, bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        self.weight, self.bias = weight.requires_grad_(False), bias.requires_grad_(False)
        self._activation = _ACTIVATIONS.get(type(_activation_of(norm)), _ACTIVATIONS[nn.Identity])
        self._stride, self._dilation, self._groups = conv.stride, conv.dilation, conv.groups
        self._padding = None if isinstance(conv, Conv2dSame) else [int(size) for size in conv.padding]
        self._by_size: dict[tuple[int, ...], tuple[Tensor, list[int]]] = {}

    def forward(self, image: Tensor) -> Tensor:
        """Convolve ``(N, C, I, J)``."""
        size = tuple(image.shape[2:])
        if size not in self._by_size:
            self._by_size[size] = self._padded(size)
        weight, padding = self._by_size[size]
        # Weights are not laid out for oneDNN ahead: where strides differ, what it then gives can be wrong.
        convolved: Tensor = torch.ops.mkldnn._convolution_pointwise(
            image,
            weight,
            self.bias,
            padding,
            self._stride,
            self._dilation,
            self._groups,
            self._activation.name,
            self._activation.numbers,
            "",
        )
        return convolved

    def _padded(self, size: Sequence[int]) -> tuple[Tensor, list[int]]:
        """Return the weights for an image of a size, and the zeros on either side of it.

        ``SAME`` pads by one more behind than before where it must. The same comes of that many on both sides
        and a first weight of zero, without a copy of the image to pad.
        """
        if self._padding is not None:
            return self.weight, self._padding
        missing = [
            max(0, (-(-length // stride) - 1) * stride + kernel - length)
            for length, stride, kernel in zip(size, self._stride, self.weight.shape[2:], strict=True)
        ]
        rise, run = (total % 2 for total in missing)
        weight = functional.pad(self.weight, (run, 0, rise, 0)).contiguous(memory_format=torch.channels_last)
        return weight, [total - total // 2 for total in missing]


def fuse_convolutions(network: nn.Module, example: Tensor) -> nn.Module:
    """Return a network that gives the same feature maps faster; itself where it cannot be had.

    Args:
        network: In evaluation mode, in float32 on the CPU; returns feature maps. It is not changed.
        example: ``(N, C, I, J)`` that it is tried on.
    """
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return network
    with torch.no_grad():
        fused = copy.deepcopy(network)
        for conv, norm in _pairs(fused, example).items():
            _fuse(fused, conv, norm)
        for expected, found in zip(network(example), fused(example), strict=True):
            difference = (expected - found).abs().max() / expected.abs().max().clamp(min=torch.finfo().tiny)
            if not difference <= _TOLERANCE:  # as not-a-number is not
                _LOG.warning("The network runs unfused, more slowly: features differ by %.1e", difference)
                return network
    return fused


def _fuse(network: nn.Module, conv_name: str, norm_name: str) -> None:
    conv, norm = network.get_submodule(conv_name), network.get_submodule(norm_name)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    activation = _activation_of(norm)
    network.set_submodule(conv_name, FusedConvolution(conv, norm).to(memory_format=torch.channels_last))
    network.set_submodule(norm_name, nn.Identity() if type(activation) in _ACTIVATIONS else activation)


def _activation_of(norm: nn.BatchNorm2d) -> nn.Module:
    return norm.act if isinstance(norm, BatchNormAct2d) else nn.Identity()


def _pairs(network: nn.Module, example: Tensor) -> dict[str, str]:
    """Return the name of the batch norm that each convolution goes into, unchanged, and called once."""
    made: dict[int, tuple[str, Tensor, int]] = {}
    pairs: dict[str, str] = {}
    calls: Counter[str] = Counter()

    def note_output(name: str, output: Tensor) -> None:
        calls[name] += 1
        # Kept, so that no other tensor gets its id; its version counts what was done to it in place.
        made[id(output)] = name, output, output._version

    def note_input(name: str, given: Tensor) -> None:
        calls[name] += 1
        conv, _, version = made.get(id(given), ("", given, -1))
        if given._version == version:
            pairs[conv] = name

    hooks: list[Any] = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and _can_be_fused(module):
            hooks.append(
                module.register_forward_hook(lambda _, __, output, name=name: note_output(name, output))
            )
        elif isinstance(module, nn.BatchNorm2d) and _can_be_folded(module):
            hooks.append(
                module.register_forward_pre_hook(lambda _, given, name=name: note_input(name, given[0]))
            )
    network(example)
    for hook in hooks:
        hook.remove()
    return {conv: norm for conv, norm in pairs.items() if calls[conv] == calls[norm] == 1}


def _can_be_fused(conv: nn.Conv2d) -> bool:
    if isinstance(conv, Conv2dSame):
        return conv.dilation == (1, 1)
    return type(conv) is nn.Conv2d and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)


def _can_be_folded(norm: nn.BatchNorm2d) -> bool:
    if isinstance(norm, BatchNormAct2d):
        return norm.track_running_stats and isinstance(norm.drop, nn.Identity)
    return type(norm) is nn.BatchNorm2d and norm.track_running_stats
