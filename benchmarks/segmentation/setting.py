"""What every system is given: scan, network, tiles."""

from pathlib import Path

import numpy as np
import torch
from segmentation.bands import banded
from torch import nn

from medpipe.core.preprocessing import Channel, Preprocessing, WindowScale
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.io.nifti import write_volume
from medpipe.models.registry import build_network
from medpipe.models.unet.heads import UNetOutput
from medpipe.simulate.small_ct import small_ct

SPACING_MM = (0.8, 0.8, 0.8)
NETWORK_MM = (1.5, 1.5, 1.5)
PATCH = (96, 96, 96)
OVERLAP = 0.5
WINDOW_HU = (-160.0, 240.0)
CHANNELS = (16, 32, 64, 128)
_NOISE_HU = 10.0


class Labeller(nn.Module):
    """A U-Net with random weights, with bands of intensity added to its logits where they are wanted."""

    def __init__(self, num_classes: int, *, bands: bool, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        torch.manual_seed(0)
        arguments = {"in_channels": 1, "num_classes": num_classes, "channels": channels}
        self.unet = build_network("unet", arguments)
        self._bands = bands

    def forward(self, images: torch.Tensor) -> UNetOutput:
        """Return logits."""
        logits = self.unet(images).logits
        return UNetOutput(banded(logits, images) if self._bands else logits)


def preprocessing(*, interpolation: str = "linear", patch: tuple[int, int, int] = PATCH) -> Preprocessing:
    low, high = WINDOW_HU
    channel = Channel(name="image", modality="CT", intensity=WindowScale(low_hu=low, high_hu=high))
    return Preprocessing.model_validate(
        {
            "channels": (channel,),
            "spacing_mm": NETWORK_MM,
            "interpolation": interpolation,
            "patch_shape": patch,
            "multiple_of": 8,
        }
    )


def write_scan(path: Path, shape: tuple[int, int, int]) -> None:
    hu = small_ct(num_slices=shape[2], size=shape[0]).array[0, :, : shape[1]].numpy()
    noisy = np.round(hu + np.random.default_rng(0).normal(0.0, _NOISE_HU, hu.shape)).astype(np.float32)
    affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
    write_volume(path, Volume(torch.from_numpy(noisy)[None], affine, "CT", Source(kind=SourceKind.MEMORY)))
