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
    """The last feature maps of a convolutional network, summed up over the slice.

    Args:
        name: As timm knows it, such as ``"resnet18"``; its weights are drawn anew.
        in_channels: Channels of a slice, its neighbours' included.
        levels: Feature maps that are read, counted from the last: earlier ones know sizes and edges better.
        peaks: Whether the maximum of each feature over the slice is read beside its mean: a small finding
            hardly raises a mean.
        chunk: Slices that are encoded at a time.
        recompute: Whether to keep no activations of a chunk for the way back, but to compute them again:
            whole studies are then trained on in the memory of one chunk.
    """

    def __init__(
        self,
        name: str,
        in_channels: int,
        *,
        levels: int = 1,
        peaks: bool = False,
        chunk: int = 32,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        # Channels last: twice as fast on a CPU for depthwise convolutions, and what a GPU likes.
        self.network = _feature_network(name, in_channels, levels).to(memory_format=torch.channels_last)
        channels: list[int] = self.network.feature_info.channels()  # type: ignore[operator, union-attr]  # timm's own
        self.num_features = sum(channels) * (2 if peaks else 1)
        self.peaks = peaks
        self.name = name
        self.chunk = chunk
        self.recompute = recompute

    def forward(self, slices: Tensor) -> Tensor:
        """Return ``(N, F)`` of ``(N, in_channels, I, J)``; a slice's features depend on no other slice.

        While training, encoders with batch norm do look at the other slices of a chunk.
        """
        parts = torch.split(slices, self.chunk)
        if self.recompute and torch.is_grad_enabled():
            return torch.cat([checkpoint(self._summed_up, part, use_reentrant=False) for part in parts])
        return torch.cat([self._summed_up(part) for part in parts])

    def _summed_up(self, slices: Tensor) -> Tensor:
        maps: list[Tensor] = self.network(slices.contiguous(memory_format=torch.channels_last))
        found = [level.mean(dim=(2, 3)) for level in maps]
        if self.peaks:
            found += [level.amax(dim=(2, 3)) for level in maps]
        return torch.cat(found, dim=1)


def _feature_network(name: str, in_channels: int, levels: int) -> nn.Module:
    if name not in timm.list_models():
        near = get_close_matches(name, timm.list_models(), n=3)
        raise SettingsError(
            Code.E_SETTINGS,
            f"Unknown encoder {name!r}",
            fix=f"Did you mean {' or '.join(near)}?" if near else f"Such as {', '.join(FAMILIES)}.",
        )
    network: nn.Module = timm.create_model(
        name, pretrained=False, in_chans=in_channels, features_only=True, out_indices=tuple(range(-levels, 0))
    )
    return network
