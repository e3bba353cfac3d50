"""Tiling: a network's logits for an image of any size, from overlapping patches."""

from dataclasses import dataclass
from typing import Literal

import torch
from monai.inferers import SlidingWindowInferer
from torch import nn

from medpipe.core.preprocessing import Shape3

Precision = Literal["fp32", "bf16", "fp16"]

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Tiling:
    """How an image is cut into patches.

    Attributes:
        patch_shape: Voxels along each axis.
        overlap: Share of a patch that it has in common with the next one, in [0, 1).
        batch_size: Patches computed at once; results do not depend on it.
        precision: Of the network's arithmetic; logits are summed in float32.
    """

    patch_shape: Shape3
    overlap: float = 0.5
    batch_size: int = 1
    precision: Precision = "fp32"


def predict_logits(network: nn.Module, images: torch.Tensor, tiling: Tiling) -> torch.Tensor:
    """Return ``(num_classes, P, Q, R)`` float32 logits of ``(C, P, Q, R)`` images, on their device.

    Patches are weighted by a Gaussian, as borders of a patch see less of the image. The network is put
    into evaluation mode.
    """
    network.eval()
    inferer = SlidingWindowInferer(
        roi_size=tiling.patch_shape,
        sw_batch_size=tiling.batch_size,
        overlap=tiling.overlap,
        mode="gaussian",
        padding_mode="constant",
    )
    dtype = _DTYPES.get(tiling.precision, torch.float32)

    def forward(patches: torch.Tensor) -> torch.Tensor:
        with torch.autocast(patches.device.type, dtype=dtype, enabled=tiling.precision != "fp32"):
            logits: torch.Tensor = network(patches).logits
        return logits.float()

    with torch.inference_mode():
        logits: torch.Tensor = inferer(images[None], forward)[0]
    return logits
