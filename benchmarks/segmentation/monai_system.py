"""MONAI's usual bundle steps, their parts timed."""

from pathlib import Path

import torch
from monai.inferers import SlidingWindowInferer
from monai.transforms import (
    AsDiscreted,
    Compose,
    EnsureChannelFirstd,
    Invertd,
    LoadImaged,
    Orientationd,
    SaveImaged,
    ScaleIntensityRanged,
    Spacingd,
    ToDeviced,
)
from segmentation.parts import FORWARD, LABELS, PREPROCESS, READ, WRITE, Clock, Segment
from segmentation.setting import NETWORK_MM, OVERLAP, PATCH, WINDOW_HU
from torch import nn


def monai_bundle(network: nn.Module, device: str, *, transforms_on: str = "cpu") -> Segment:
    """Return the steps; transforms run on the CPU, as bundles have it, or on the network's device."""
    low, high = WINDOW_HU
    load = Compose([LoadImaged("image"), EnsureChannelFirstd("image")])
    move = ToDeviced("image", device=transforms_on)
    before = Compose(
        [
            Orientationd("image", axcodes="RAS", labels=None),
            Spacingd("image", pixdim=NETWORK_MM, mode="bilinear"),
            ScaleIntensityRanged("image", a_min=low, a_max=high, b_min=0.0, b_max=1.0, clip=True),
        ]
    )
    inferer = SlidingWindowInferer(PATCH, overlap=OVERLAP, mode="gaussian", sw_batch_size=1)
    back = Compose(
        [
            ToDeviced("pred", device=transforms_on),
            Invertd("pred", transform=before, orig_keys="image", nearest_interp=False, to_tensor=True),
            AsDiscreted("pred", argmax=True),
        ]
    )

    def segment(scan: Path, mask: Path, clock: Clock) -> None:
        save = SaveImaged(
            "pred", output_dir=mask.parent, output_postfix="monai", separate_folder=False, print_log=False
        )
        with clock.part(READ):
            item = load({"image": str(scan)})
        with clock.part(PREPROCESS):
            item = before(move(item))
        with clock.part(FORWARD), torch.inference_mode():
            image = item["image"][None].to(device)
            item["pred"] = inferer(image, lambda patches: network(patches).logits)[0]
        with clock.part(LABELS):
            item = back(item)
        with clock.part(WRITE):
            save(item)

    return segment
