"""What stands in the files of a MONAI bundle.

``inference.json`` names classes of MONAI and our network by their paths and holds three expressions: where
the weights lie, the move to the device, and the call that runs it.

Source: MONAI bundle specification; metadata after its schema of 2024-07-25.
"""

from importlib.metadata import version
from typing import Any, Final

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.findings import NOT_FOR_DIAGNOSIS
from medpipe.core.network_grid import SpacingGrid, WayBack
from medpipe.core.patches import DEFAULT_OVERLAP, PatchWeights
from medpipe.core.preprocessing import (
    Channel,
    FixedScale,
    Interpolation,
    NormaliseOn,
    Preprocessing,
    Region,
    WindowScale,
    ZScore,
)
from medpipe.zoo.manifest import SegmentationManifest

_SCHEMA: Final = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)
_OLDEST_IGNITE: Final = "0.4.11"
"""The first release of pytorch-ignite that MONAI's evaluator takes."""

_IMAGE, _PRED = "image", "pred"

OWN_PARTS: Final = ("network_def", "preprocessing", "inferer", "postprocessing")
"""Keys of ``inference.json`` that follow from the manifest and nothing else."""

USE: Final = "## Use with MONAI"
"""Heading of the readme behind the card."""


def bundle_inference(manifest: SegmentationManifest) -> dict[str, Any]:
    """Return ``configs/inference.json``: NIfTI files in, label maps on their grids out.

    Raises:
        SettingsError: MONAI has no transform for a step of the preprocessing.
    """
    spec = manifest.preprocessing
    return {
        "bundle_root": ".",
        "dataset_dir": ".",
        "images": [],
        "output_dir": "out",
        "ckpt_path": "$@bundle_root + '/models/model.pt'",
        "device": {"_target_": "torch.device", "type": "cpu"},
        "network_def": {
            "_target_": "medpipe.zoo.bundle_network.logits_network",
            "name": manifest.network.name,
            "arguments": manifest.network.arguments,
        },
        "network": "$@network_def.to(@device)",
        "preprocessing": _compose(_steps(spec)),
        "dataset": {"_target_": "monai.data.Dataset", "data": "@images", "transform": "@preprocessing"},
        "dataloader": {"_target_": "monai.data.DataLoader", "dataset": "@dataset", "batch_size": 1},
        "inferer": {
            "_target_": "monai.inferers.SlidingWindowInferer",
            "roi_size": list(spec.patch_shape),
            "sw_batch_size": 1,
            "overlap": DEFAULT_OVERLAP if spec.patch_overlap is None else spec.patch_overlap,
            "mode": "constant" if spec.patch_weights is PatchWeights.EQUAL else "gaussian",
        },
        "postprocessing": _compose(_steps_back(spec)),
        "handlers": [
            {
                "_target_": "monai.handlers.CheckpointLoader",
                "load_path": "@ckpt_path",
                "load_dict": {"model": "@network"},
            }
        ],
        "evaluator": {
            "_target_": "monai.engines.SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
        },
        "run": ["$@evaluator.run()"],
    }


def bundle_metadata(manifest: SegmentationManifest) -> dict[str, Any]:
    """Return ``configs/metadata.json``."""
    return {
        "schema": _SCHEMA,
        "name": manifest.name,
        "version": manifest.version,
        "changelog": {manifest.version: manifest.summary},
        "monai_version": version("monai"),
        "pytorch_version": version("torch"),
        "numpy_version": version("numpy"),
        "required_packages_version": {
            "medpipe": version("medpipe"),
            "nibabel": version("nibabel"),
            "pytorch-ignite": _OLDEST_IGNITE,
        },
        "task": manifest.task,
        "description": manifest.summary,
        "authors": "See docs/README.md",
        "copyright": f"{manifest.licence}; see LICENSE",
        "data_type": "nibabel",
        "intended_use": NOT_FOR_DIAGNOSIS,
        "network_data_format": {"inputs": {_IMAGE: _input(manifest)}, "outputs": {_PRED: _output(manifest)}},
    }


def bundle_readme(manifest: SegmentationManifest, card: str) -> str:
    """Return ``docs/README.md``: the card, and how MONAI runs the bundle."""
    images = ", ".join(f"'{channel.name}': 'scan.nii.gz'" for channel in manifest.preprocessing.channels)
    mirror = (
        "The network knows the left side only: mirror images of the right side along their left-right axis "
        "before, and their label maps after. This bundle does not do that.\n\n"
        if manifest.preprocessing.mirror_right
        else ""
    )
    return (
        f"{card.rstrip()}\n\n"
        f"{USE}\n{mirror}"
        "The network comes from the Python package `medpipe`; nothing else in this bundle is code. Within "
        "its folder:\n\n"
        "```sh\n"
        f'python -m monai.bundle run --config_file configs/inference.json --images "[{{{images}}}]"\n'
        "```\n\n"
        "Label maps are written to `out/`. Add `--device#type cuda` for a GPU.\n"
    )


def _steps(spec: Preprocessing) -> list[dict[str, Any]]:
    _refuse_what_monai_lacks(spec)
    keys = [channel.name for channel in spec.channels]
    steps = [
        _transform("LoadImaged", keys) | {"reader": "NibabelReader"},
        _transform("EnsureChannelFirstd", keys),
        _transform("Orientationd", keys) | {"axcodes": spec.orientation, "labels": None},
    ]
    if spec.spacing_mm is not None:
        keeps_extent = spec.spacing_grid is not SpacingGrid.FIRST_VOXEL
        spacing = {"pixdim": list(spec.spacing_mm), "mode": "bilinear", "scale_extent": keeps_extent}
        steps.append(_transform("Spacingd", keys) | spacing)
    steps += [_intensity(channel) for channel in spec.channels]
    steps.append(_transform("SpatialPadd", keys) | {"spatial_size": list(spec.patch_shape)})
    if spec.multiple_of > 1:
        steps.append(_transform("DivisiblePadd", keys) | {"k": spec.multiple_of})
    if keys != [_IMAGE]:
        steps.append(_transform("ConcatItemsd", keys) | {"name": _IMAGE})
    return steps


def _refuse_what_monai_lacks(spec: Preprocessing) -> None:
    if spec.spacing_mm is not None and spec.interpolation is not Interpolation.LINEAR:
        raise SettingsError(
            Code.E_PACKAGE,
            "The bundle cannot be written: MONAI resamples logits as it did the images",
            found=repr(spec.interpolation.value),
        )
    needed = {
        "an orientation by the image's own axes": not isinstance(spec.orientation, str),
        "crop_nonzero": spec.crop_nonzero,
        "thick_ratio": spec.thick_ratio is not None,
        "normalise_on source": spec.normalise_on is NormaliseOn.SOURCE,
    }
    if found := [name for name, is_needed in needed.items() if is_needed]:
        raise SettingsError(
            Code.E_PACKAGE,
            "The bundle cannot be written: its steps are not those of this preprocessing",
            found=", ".join(found),
        )


def _steps_back(spec: Preprocessing) -> list[dict[str, Any]]:
    is_nearest = spec.way_back is WayBack.NEAREST
    back = {"transform": "@preprocessing", "orig_keys": spec.channels[0].name, "nearest_interp": is_nearest}
    saved = {"output_dir": "@output_dir", "output_postfix": "seg", "output_dtype": "uint8"}
    softmax = [_transform("Activationsd", [_PRED]) | {"softmax": True}]
    return [
        *(softmax if spec.way_back is WayBack.PROBABILITIES else []),
        _transform("Invertd", [_PRED]) | back,
        _transform("AsDiscreted", [_PRED]) | {"argmax": True},
        _transform("SaveImaged", [_PRED]) | saved,
    ]


def _intensity(channel: Channel) -> dict[str, Any]:
    keys, rule = [channel.name], channel.intensity
    if isinstance(rule, ZScore):
        return _transform("NormalizeIntensityd", keys) | {"nonzero": rule.region is Region.NONZERO}
    ends = {"b_min": 0.0, "b_max": 1.0, "clip": True}
    if isinstance(rule, WindowScale):
        return _transform("ScaleIntensityRanged", keys) | {"a_min": rule.low_hu, "a_max": rule.high_hu} | ends
    if isinstance(rule, FixedScale):
        return _fixed_scale(rule, keys)
    if rule.region is not Region.ALL:
        raise SettingsError(
            Code.E_PACKAGE,
            "MONAI has no transform for percentiles over nonzero voxels; the bundle cannot be written",
            found=f"channel {channel.name!r}",
        )
    return (
        _transform("ScaleIntensityRangePercentilesd", keys) | {"lower": rule.low, "upper": rule.high} | ends
    )


def _fixed_scale(rule: FixedScale, keys: list[str]) -> dict[str, Any]:
    if rule.clip is None:
        return _transform("NormalizeIntensityd", keys) | {"subtrahend": rule.mean, "divisor": rule.std}
    (a_min, a_max), (b_min, b_max) = rule.clip, ((end - rule.mean) / rule.std for end in rule.clip)
    ends = {"a_min": a_min, "a_max": a_max, "b_min": b_min, "b_max": b_max, "clip": True}
    return _transform("ScaleIntensityRanged", keys) | ends


def _transform(name: str, keys: list[str]) -> dict[str, Any]:
    return {"_target_": f"monai.transforms.{name}", "keys": keys}


def _compose(steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {"_target_": "monai.transforms.Compose", "transforms": steps}


def _input(manifest: SegmentationManifest) -> dict[str, Any]:
    channels = manifest.preprocessing.channels
    scaled = not any(isinstance(channel.intensity, ZScore | FixedScale) for channel in channels)
    return {
        "type": "image",
        "format": "hounsfield" if channels[0].modality == "CT" else "magnitude",
        "modality": ", ".join(sorted({channel.modality for channel in channels})),
        "num_channels": len(channels),
        "spatial_shape": list(manifest.preprocessing.patch_shape),
        "dtype": "float32",
        "value_range": [0, 1] if scaled else [],
        "is_patch_data": True,
        "channel_def": {str(number): channel.name for number, channel in enumerate(channels)},
    }


def _output(manifest: SegmentationManifest) -> dict[str, Any]:
    names = ["background", *(label.code.meaning for label in manifest.labels)]
    return {
        "type": "image",
        "format": "labels",
        "num_channels": len(names),
        "spatial_shape": list(manifest.preprocessing.patch_shape),
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": True,
        "channel_def": {str(number): name for number, name in enumerate(names)},
    }
