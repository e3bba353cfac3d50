"""The CNN: each slice to a feature vector, by an encoder of timm."""

from difflib import get_close_matches
from typing import Final

import timm
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError

FAMILIES: Final = ("vgg16", "resnet18", "densenet121", "inception_v3", "tf_efficientnet_lite0")
"""One of each family, for messages; every convolutional encoder of timm may be named."""


class SliceEncoder(nn.Module):
    """The last feature map of a convolutional network, averaged over the slice.

    Args:
        name: As timm knows it, such as ``"resnet18"``; its weights are drawn anew.
        in_channels: Channels of a slice, its neighbours' included.
        chunk: Slices that are encoded at a time.
        recompute: Whether to keep no activations of a chunk for the way back, but to compute them again:
            whole studies are then trained on in the memory of one chunk.
    """

    def __init__(self, name: str, in_channels: int, *, chunk: int = 32, recompute: bool = False) -> None:
        super().__init__()
        # Channels last: twice as fast on a CPU for depthwise convolutions, and what a GPU likes.
        self.network = _feature_network(name, in_channels).to(memory_format=torch.channels_last)
        self.num_features = int(self.network.feature_info.channels()[-1])  # type: ignore[operator, union-attr]  # timm's own
        self.name = name
        self.chunk = chunk
        self.recompute = recompute

    def feature_maps(self, slices: Tensor) -> Tensor:
        """Return ``(N, F, P, Q)`` of ``(N, in_channels, I, J)``."""
        maps: Tensor = self.network(slices.contiguous(memory_format=torch.channels_last))[-1]
        return maps

    def forward(self, slices: Tensor) -> Tensor:
        """Return ``(N, F)`` of ``(N, in_channels, I, J)``; a slice's features depend on no other slice.

        While training, encoders with batch norm do look at the other slices of a chunk.
        """
        parts = torch.split(slices, self.chunk)
        if self.recompute and torch.is_grad_enabled():
            return torch.cat([checkpoint(self._averaged, part, use_reentrant=False) for part in parts])
        return torch.cat([self._averaged(part) for part in parts])

    def _averaged(self, slices: Tensor) -> Tensor:
        return self.feature_maps(slices).mean(dim=(2, 3))


def _feature_network(name: str, in_channels: int) -> nn.Module:
    if name not in timm.list_models():
        near = get_close_matches(name, timm.list_models(), n=3)
        raise SettingsError(
            Code.E_SETTINGS,
            f"Unknown encoder {name!r}",
            fix=f"Did you mean {' or '.join(near)}?" if near else f"Such as {', '.join(FAMILIES)}.",
        )
    network: nn.Module = timm.create_model(
        name, pretrained=False, in_chans=in_channels, features_only=True, out_indices=(-1,)
    )
    return network
