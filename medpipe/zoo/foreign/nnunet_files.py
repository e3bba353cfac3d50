"""The JSON files of a trained nnU-Net as typed data: ``dataset.json`` and ``plans.json``.

What stands in them and medpipe does not need is passed over; what it needs and has not seen is refused.

Source: nnU-Net v2, ``documentation/dataset_format.md`` and ``documentation/explanation_plans_files.md``.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from medpipe.zoo.foreign.refusals import Refusals

PLANS: Final = "plans.json"
DATASET: Final = "dataset.json"

_LEAKY_SLOPE: Final = 0.01
_EPSILON: Final = 1e-5
_ARCHITECTURES: Final = "dynamic_network_architectures.architectures"

Number = Annotated[int, Field(ge=0, le=4096)]
"""Channels, blocks and sizes: none is larger, and building must end."""

PerLevel = Annotated[tuple[Number, ...], Field(max_length=16)]
PerLevelAndAxis = Annotated[tuple[tuple[Number, Number, Number], ...], Field(max_length=16)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class _Complete(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Dataset(_Data):
    """``dataset.json``, as far as medpipe reads it; the rest of it is free text for the card."""

    channel_names: dict[str, str] = Field(min_length=1)
    labels: dict[str, int | list[int]]
    regions_class_order: JsonValue = None
    num_training: JsonValue = Field(default=None, alias="numTraining")
    name: JsonValue = None
    description: JsonValue = None
    reference: JsonValue = None
    licence: JsonValue = None


class NormArguments(_Complete):
    """Of the instance normalisation."""

    eps: Annotated[float, Field(ge=_EPSILON, le=_EPSILON)] = _EPSILON
    affine: Literal[True]


class ActivationArguments(_Complete):
    """Of the leaky ReLU."""

    inplace: bool = True
    negative_slope: Annotated[float, Field(ge=_LEAKY_SLOPE, le=_LEAKY_SLOPE)] = _LEAKY_SLOPE


class ArchitectureArguments(_Complete):
    """Keyword arguments of the network; lists have an entry a level, the decoder's from the bottom up."""

    n_stages: Number
    features_per_stage: PerLevel
    conv_op: Literal["torch.nn.modules.conv.Conv3d"]
    kernel_sizes: PerLevelAndAxis
    strides: PerLevelAndAxis
    n_conv_per_stage: PerLevel | None = None
    n_blocks_per_stage: PerLevel | None = None
    n_conv_per_stage_decoder: PerLevel
    conv_bias: bool = False
    norm_op: Literal["torch.nn.modules.instancenorm.InstanceNorm3d"]
    norm_op_kwargs: NormArguments
    dropout_op: None = None
    dropout_op_kwargs: JsonValue = None
    nonlin: Literal["torch.nn.LeakyReLU"]
    nonlin_kwargs: ActivationArguments | None = None


class Architecture(_Data):
    """The network of a configuration."""

    network_class_name: Literal[
        "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
    ]
    arch_kwargs: ArchitectureArguments


class ResamplingArguments(_Data):
    """How images or logits are resampled."""

    order: int = 3
    order_z: Literal[0] = 0
    force_separate_z: Literal[False] | None = False
    separate_z_anisotropy_threshold: float = 3.0


class LogitsArguments(ResamplingArguments):
    """How logits are resampled: linearly, as medpipe does it."""

    order: Literal[1]


class Configuration(_Data):
    """One configuration of ``plans.json``."""

    previous_stage: None = None
    preprocessor_name: Literal["DefaultPreprocessor"]
    patch_size: tuple[Number, Number, Number]
    spacing: tuple[float, float, float]
    normalization_schemes: tuple[str, ...]
    use_mask_for_norm: tuple[bool, ...]
    resampling_fn_data: Literal["resample_data_or_seg_to_shape"]
    resampling_fn_data_kwargs: ResamplingArguments
    resampling_fn_probabilities: Literal["resample_data_or_seg_to_shape"]
    resampling_fn_probabilities_kwargs: LogitsArguments
    architecture: Architecture


class IntensityProperties(_Data):
    """Intensities of the foreground of all training cases."""

    mean: float
    std: float
    percentile_00_5: float
    percentile_99_5: float


class Plans(_Data):
    """``plans.json``, as far as medpipe reads it."""

    dataset_name: str
    image_reader_writer: str
    transpose_forward: tuple[Literal[0, 1, 2], Literal[0, 1, 2], Literal[0, 1, 2]]
    label_manager: Literal["LabelManager"] = "LabelManager"
    foreground_intensity_properties_per_channel: dict[str, IntensityProperties] = Field(default_factory=dict)
    configurations: dict[str, dict[str, JsonValue]]


def read_configuration(plans: Plans, name: str, refusals: Refusals) -> Configuration:
    """Return a configuration with what it inherits.

    Raises:
        RefusedItemError: There is none, it is 2-D or a cascade, or it is none that medpipe knows.
    """
    place = f"{PLANS}#configurations#{name}"
    data = _inherited(plans, name, place, refusals)
    if data.get("previous_stage") is not None:
        refusals.refuse(
            f"{place}#previous_stage", data["previous_stage"], "medpipe runs no cascades: add its first stage"
        )
    patch = data.get("patch_size")
    if isinstance(patch, list) and len(patch) != 3:
        refusals.refuse(f"{place}#patch_size", patch, "medpipe segments volumes: add a 3d configuration")
    if "architecture" not in data:
        data = {**data, "architecture": _old_architecture(data)}
    return refusals.validated(Configuration, data, place)


def _inherited(plans: Plans, name: str, place: str, refusals: Refusals) -> dict[str, Any]:
    chain: list[str] = []
    parent: JsonValue = name
    while parent is not None:
        if not isinstance(parent, str) or parent not in plans.configurations or parent in chain:
            refusals.refuse(place, repr(parent), f"there are {', '.join(plans.configurations)}")
        chain.append(parent)
        parent = plans.configurations[parent].get("inherits_from")
    return {key: value for item in reversed(chain) for key, value in plans.configurations[item].items()}


def _old_architecture(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the network as plans write it since nnU-Net 2.4, from the keys that older ones have.

    Keys that are missing stay so: the check of the result names them.
    """
    blocks = data.get("n_conv_per_stage_encoder", [])
    base, most = (data.get(key, 0) for key in ("UNet_base_num_features", "unet_max_num_features"))
    is_plain = data.get("UNet_class_name") == "PlainConvUNet"
    return {
        "network_class_name": f"{_ARCHITECTURES}.unet.{data.get('UNet_class_name')}",
        "arch_kwargs": {
            "n_stages": len(blocks),
            "features_per_stage": [min(base * 2**level, most) for level in range(len(blocks))],
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": data.get("conv_kernel_sizes"),
            "strides": data.get("pool_op_kernel_sizes"),
            "n_conv_per_stage" if is_plain else "n_blocks_per_stage": blocks,
            "n_conv_per_stage_decoder": data.get("n_conv_per_stage_decoder"),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": _EPSILON, "affine": True},
            "nonlin": "torch.nn.LeakyReLU",
        },
    }
