"""What nnU-Net's predictor is told: the same weights under its names, the same grid, window and tiles."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from segmentation.setting import CHANNELS, NETWORK_MM, OVERLAP, PATCH, WINDOW_HU, Labeller

_LAYERS_OF_A_CONVOLUTION = 3  # convolution, norm, activation


def nnunet_state(state: Mapping[str, torch.Tensor], levels: int) -> dict[str, torch.Tensor]:
    """Return a U-Net's weights under the names of ``PlainConvUNet``: both are the same network.

    medpipe counts the decoder from the finest level, nnU-Net from the coarsest.
    """
    return {_nnunet_name(name, levels): value for name, value in state.items()}


def _nnunet_name(name: str, levels: int) -> str:
    part, number, rest = re.fullmatch(r"(\w+)\.levels\.(\d+)\.(.*)", name).groups()  # type: ignore[union-attr]
    stage = int(number) if part == "encoder" else levels - 2 - int(number)
    if part == "mask_head":
        return f"decoder.seg_layers.{stage}.{rest}"
    if rest.startswith("up."):
        return f"decoder.transpconvs.{stage}.{rest.removeprefix('up.')}"
    layer, value = re.fullmatch(r"(?:block\.)?body\.(\d+)\.(\w+)", rest).groups()  # type: ignore[union-attr]
    convolution, kind = divmod(int(layer), _LAYERS_OF_A_CONVOLUTION)
    place = f"encoder.stages.{stage}.0" if part == "encoder" else f"decoder.stages.{stage}"
    return f"{place}.convs.{convolution}.{('conv', 'norm')[kind]}.{value}"


def write_job(folder: Path, scan: Path, *, classes: int, bands: bool, repeats: int, device: str) -> Path:
    """Write weights and job; return the job's path."""
    weights, job = folder / "weights.pt", folder / "job.json"
    torch.save(nnunet_state(Labeller(classes, bands=bands).unet.state_dict(), len(CHANNELS)), weights)
    told = {
        "scan": str(scan),
        "weights": str(weights),
        "channels": CHANNELS,
        "classes": classes,
        "bands": bands,
        "overlap": OVERLAP,
        "repeats": repeats,
        "device": device,
        "plans": _plans(),
        "dataset": {
            "channel_names": {"0": "CT"},
            "labels": {"background": 0, **{f"class{value}": value for value in range(1, classes)}},
            "file_ending": ".nii.gz",
        },
    }
    job.write_text(json.dumps(told))
    return job


def _plans() -> dict[str, Any]:
    low, high = WINDOW_HU
    # Subtracting the lower end and dividing by the width scales the window's ends to 0 and 1.
    window = {"mean": low, "std": high - low, "percentile_00_5": low, "percentile_99_5": high}
    resampling = "resample_data_or_seg_to_shape"
    kinds = {"data": (False, 3), "seg": (True, 1), "probabilities": (False, 1)}
    configuration: dict[str, Any] = {
        "preprocessor_name": "DefaultPreprocessor",
        "patch_size": PATCH,
        "spacing": NETWORK_MM,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": {"network_class_name": "", "arch_kwargs": {}, "_kw_requires_import": []},
    }
    for kind, (is_seg, order) in kinds.items():
        configuration[f"resampling_fn_{kind}"] = resampling
        configuration[f"resampling_fn_{kind}_kwargs"] = {
            "is_seg": is_seg,
            "order": order,
            "order_z": 0,
            "force_separate_z": None,
        }
    return {
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": window},
        "configurations": {"3d_fullres": configuration},
    }
