"""Does an imported MONAI bundle give the labels that MONAI itself gives?

Writes results/bundle_agreement.json. A U-Net as the zoo's spleen bundle has it, smaller, learns a few organs
of one small CT; its bundle then segments that CT and a larger one twice: by MONAI (the bundle's own
preprocessing, inferer and postprocessing, built by ``monai.bundle.ConfigParser``) and, imported, by medpipe.
The share of equal voxels is stated for all voxels and for those that either calls an organ.

Run: ``python benchmarks/bundle_agreement.py DATA``
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import torch
from monai.bundle import ConfigParser
from monai.networks.nets import UNet
from monai.transforms import Compose
from torch.nn import functional

from medpipe.inference.segmenter import load_segmenter
from medpipe.io.nifti import read_nifti
from medpipe.io.nifti_header import index_nifti
from medpipe.zoo.foreign.monai_bundle import read_bundle
from medpipe.zoo.package import Package
from medpipe.zoo.writing import write_package

RESULTS = Path("benchmarks/results/bundle_agreement.json")
STEPS = 500
SMALL, LARGE = "example_ct_sm.nii.gz", "example_ct.nii.gz"
NUM_ORGANS = 4
NETWORK = {
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 1 + NUM_ORGANS,
    "channels": [8, 16, 32],
    "strides": [2, 2],
    "num_res_units": 2,
    "norm": "batch",
}
COARSE = [4.0, 4.0, 4.0]
WHOLE, WHOLE_COARSE, TILE = [128, 104, 32], [92, 76, 24], [64, 64, 24]
VARIANTS: dict[str, dict[str, Any]] = {
    "one patch": {"roi_size": WHOLE},
    "one patch, resampled": {"roi_size": WHOLE_COARSE, "pixdim": COARSE},
    "one patch, resampled, extent kept": {
        "roi_size": WHOLE_COARSE,
        "pixdim": COARSE,
        "scale_extent": True,
    },
    "tiles, gaussian": {"roi_size": TILE, "mode": "gaussian"},
    "tiles, equal weights": {"roi_size": TILE},
    "tiles, gaussian, resampled": {"roi_size": TILE, "mode": "gaussian", "pixdim": COARSE},
}
"""What each bundle asks for; the images have 3 mm, and without ``pixdim`` the network too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with example_ct.nii.gz, _ct_sm and _seg")
    data = parser.parse_args().data
    torch.manual_seed(0)
    networks: dict[str, UNet] = {}
    found = {}
    for name, variant in VARIANTS.items():
        config = inference(variant)
        spacing = str(variant.get("pixdim"))
        if spacing not in networks:
            networks[spacing] = trained(config, data)
        with tempfile.TemporaryDirectory() as folder:
            bundle = write_bundle(Path(folder) / "bundle", config, networks[spacing])
            package = imported(bundle)
            scans = (SMALL, LARGE) if variant["roi_size"] == TILE else (SMALL,)
            found[name] = {scan: agreement(bundle, package, data / scan) for scan in scans}
        print(name, found[name])
    summary = {"versions": f"torch {torch.__version__}, CPU", "variants": found}
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")


def agreement(bundle: Path, package: Package, scan: Path) -> dict[str, Any]:
    """Return the shares of voxels to which MONAI and medpipe give the same label."""
    theirs = by_monai(bundle, scan)
    ours = load_segmenter(package).segment({"image": read_nifti(index_nifti(scan))}).labels
    organ = (ours > 0) | (theirs > 0)
    return {
        "shape": list(ours.shape),
        "equal": round(float((ours == theirs).mean()), 5),
        "equal_of_organs": round(float((ours == theirs)[organ].mean()), 4),
        "organ_voxels": int(organ.sum()),
    }


def inference(variant: dict[str, Any]) -> dict[str, Any]:
    """Return ``inference.json``."""
    image = {"keys": "image"}
    steps: list[dict[str, Any]] = [
        {"_target_": "LoadImaged", **image},
        {"_target_": "EnsureChannelFirstd", **image},
        {"_target_": "Orientationd", **image, "axcodes": "RAS"},
    ]
    if "pixdim" in variant:
        spacing = {"pixdim": variant["pixdim"], "scale_extent": variant.get("scale_extent", False)}
        steps.append({"_target_": "Spacingd", **image, "mode": "bilinear", **spacing})
    window = {"a_min": -160, "a_max": 240, "b_min": 0.0, "b_max": 1.0, "clip": True}
    steps.append({"_target_": "ScaleIntensityRanged", **image, **window})
    back = {"keys": "pred", "transform": "@preprocessing", "orig_keys": "image", "nearest_interp": False}
    finish = [
        {"_target_": "Activationsd", "keys": "pred", "softmax": True},
        {"_target_": "Invertd", **back},
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
    ]
    return {
        "network_def": {"_target_": "UNet", **NETWORK},
        "preprocessing": {"_target_": "Compose", "transforms": steps},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": variant["roi_size"],
            "sw_batch_size": 1,
            "overlap": 0.5,
            "mode": variant.get("mode", "constant"),
        },
        "postprocessing": {"_target_": "Compose", "transforms": finish},
    }


def trained(config: dict[str, Any], data: Path) -> UNet:
    """Train on the small CT, prepared as the bundle prepares it, for the organs with most voxels."""
    prepare: Compose = ConfigParser(config).get_parsed_content("preprocessing")
    image = prepare({"image": str(data / SMALL)})["image"].as_tensor()
    labels = torch.from_numpy(np.asarray(nib.load(data / "example_seg.nii.gz").dataobj).astype(np.int64))
    largest = labels[labels > 0].bincount().argsort(descending=True)[:NUM_ORGANS]
    truth = torch.zeros_like(labels)
    for value, organ in enumerate(largest, start=1):
        truth[labels == organ] = value
    truth = functional.interpolate(truth[None, None].float(), size=image.shape[1:], mode="nearest-exact")[
        0, 0
    ].long()
    network = UNet(**NETWORK)
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        optimiser.zero_grad()
        functional.cross_entropy(network(pad(image)[None]), pad(truth)[None]).backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def pad(tensor: torch.Tensor) -> torch.Tensor:
    """Pad the last three axes behind to multiples of what the network takes."""
    missing = [-size % 4 for size in tensor.shape[-3:]]
    return functional.pad(tensor, [0, missing[2], 0, missing[1], 0, missing[0]])


def write_bundle(folder: Path, config: dict[str, Any], network: UNet) -> Path:
    """Write the bundle's three files."""
    image = {"modality": "CT", "channel_def": {"0": "image"}}
    names = ["background", *(f"organ {number}" for number in range(1, 1 + NUM_ORGANS))]
    pred = {"channel_def": {str(number): name for number, name in enumerate(names)}}
    formats = {"inputs": {"image": image}, "outputs": {"pred": pred}}
    metadata = {"version": "1.0.0", "description": "Organs", "network_data_format": formats}
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    return folder


def by_monai(bundle: Path, scan: Path) -> npt.NDArray[np.uint8]:
    """Return the labels of MONAI's own run of the bundle."""
    parser = ConfigParser()
    parser.read_config(bundle / "configs" / "inference.json")
    prepare, infer, network, finish = (
        parser.get_parsed_content(name)
        for name in ("preprocessing", "inferer", "network_def", "postprocessing")
    )
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    sample = prepare({"image": str(scan)})
    with torch.inference_mode():
        sample["pred"] = infer(sample["image"][None], network.eval())[0]
    labels: npt.NDArray[np.uint8] = finish(sample)["pred"][0].numpy().astype(np.uint8)
    return labels


def imported(bundle: Path) -> Package:
    """Return the bundle as a package."""
    model = read_bundle(bundle, name="imported", licence="CC0-1.0")
    folder = bundle.parent / "imported"
    return write_package(folder, model.spec, model.state, card=model.card, licence=model.licence)


if __name__ == "__main__":
    main()
