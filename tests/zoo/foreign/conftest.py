"""Builder of small MONAI bundles, written as those of MONAI's model zoo are."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
from monai.networks.nets import UNet

Edit = Callable[[dict[str, Any]], None]

NETWORK = {
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "channels": [4, 8, 16],
    "strides": [2, 2],
    "num_res_units": 2,
    "norm": "batch",
}


def inference() -> dict[str, Any]:
    """Return ``inference.json`` as the zoo's spleen bundle has it, smaller."""
    image = {"keys": "@image_key"}
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "image_key": "image",
        "window": {"low": -100, "high": "$200.0"},
        "output_dir": "$@bundle_root + '/eval'",
        "dataset_dir": "/workspace/data",
        "datalist": "$list(sorted(glob.glob(@dataset_dir + '/imagesTs/*.nii.gz')))",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": {"_target_": "UNet", **NETWORK},
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", **image},
                {"_target_": "EnsureChannelFirstd", **image},
                {"_target_": "Orientationd", **image, "axcodes": "RAS"},
                {"_target_": "Spacingd", **image, "pixdim": [3.0, 3.0, 3.0], "mode": "bilinear"},
                {
                    "_target_": "monai.transforms.ScaleIntensityRanged",
                    **image,
                    "a_min": "@window#low",
                    "a_max": "@window::high",
                    "b_min": 0,
                    "b_max": 1.0,
                    "clip": True,
                },
                {"_target_": "EnsureTyped", **image, "dtype": "$torch.float32"},
            ],
        },
        "dataset": {"_target_": "Dataset", "data": "$[{'image': i} for i in @datalist]"},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [32, 32, 16],
            "sw_batch_size": 4,
            "overlap": 0.5,
            "device": "$torch.device('cpu')",
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {
                    "_target_": "Invertd",
                    "keys": "pred",
                    "transform": "@preprocessing",
                    "orig_keys": "@image_key",
                    "nearest_interp": False,
                },
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"},
            ],
        },
        "handlers": [{"_target_": "StatsHandler", "iteration_log": False}],
        "evaluator": {"_target_": "SupervisedEvaluator", "device": "@device", "network": "@network"},
        "initialize": ["$monai.utils.set_determinism(seed=123)"],
        "run": ["$@evaluator.run()"],
    }


def metadata() -> dict[str, Any]:
    """Return ``metadata.json`` as the zoo's bundles have it."""
    common = {"type": "image", "spatial_shape": [32, 32, 16], "dtype": "float32", "value_range": [0, 1]}
    image = {"format": "hounsfield", "modality": "CT", "num_channels": 1, "channel_def": {"0": "image"}}
    pred = {
        "format": "segmentation",
        "num_channels": 3,
        "channel_def": {"0": "background", "1": "Spleen", "2": "kidney (left)"},
    }
    return {
        "version": "0.5.4",
        "monai_version": "1.4.0",
        "name": "Spleen & kidney",
        "task": "Decathlon segmentation",
        "description": "Segments the spleen\n\n## Figures\n0.99 (0.98 to 1.00)",
        "authors": "A team",
        "copyright": "Copyright (c) A team",
        "data_source": "Task09_Spleen.tar",
        "eval_metrics": {"mean_dice": 0.96},
        "intended_use": "This is an example",
        "network_data_format": {
            "inputs": {"image": {**common, **image}},
            "outputs": {"pred": {**common, **pred}},
        },
    }


def write_bundle(
    folder: Path,
    *,
    edit_inference: Edit | None = None,
    edit_metadata: Edit | None = None,
    weights: object | None = None,
) -> Path:
    """Write a bundle.

    Args:
        folder: To be made.
        edit_inference: Changes ``inference.json``.
        edit_metadata: Changes ``metadata.json``.
        weights: What ``model.pt`` holds; the state of the network by default.
    """
    for name in ("configs", "models"):
        (folder / name).mkdir(parents=True)
    for name, data, edit in (
        ("inference", inference(), edit_inference),
        ("metadata", metadata(), edit_metadata),
    ):
        if edit:
            edit(data)
        (folder / "configs" / f"{name}.json").write_text(json.dumps(data, indent=2))
    torch.save(network().state_dict() if weights is None else weights, folder / "models" / "model.pt")
    (folder / "LICENSE").write_text("Apache License\nVersion 2.0, January 2004\n")
    return folder


def network() -> UNet:
    """Return MONAI's own network of the bundle, drawn from a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return UNet(**NETWORK).eval()


class MakeBundle(Protocol):
    """Writes a bundle; see :func:`write_bundle`."""

    def __call__(
        self,
        *,
        edit_inference: Edit | None = None,
        edit_metadata: Edit | None = None,
        weights: object | None = None,
    ) -> Path: ...


@pytest.fixture
def make_bundle(tmp_path: Path) -> MakeBundle:
    """Return what writes a bundle that can be taken over, but for what a test changes."""
    return partial(write_bundle, tmp_path / "Spleen_CT")


@pytest.fixture
def monai_network() -> UNet:
    """Return MONAI's own network of the bundle, with its weights."""
    return network()
