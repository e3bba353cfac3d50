"""The network of a trained nnU-Net: its arguments, and its weights by our names.

Source: nnU-Net's networks in the package dynamic-network-architectures, ``architectures/unet.py``.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from torch import Tensor

from medpipe.core.errors import MedpipeError
from medpipe.zoo.foreign.nnunet_files import PLANS, ArchitectureArguments, Configuration
from medpipe.zoo.foreign.refusals import Refusals
from medpipe.zoo.foreign.weight_file import check_fit
from medpipe.zoo.manifest import NetworkSpec
from medpipe.zoo.network import empty_network

_LAYERS_PER_CONV: Final = 3
"""In our blocks: convolution, normalisation and leaky ReLU."""

_COPY: Final = re.compile(r"^decoder\.encoder\.|\.all_modules\.")
"""nnU-Net keeps each weight under two or three names."""

_IDLE_BIAS: Final = re.compile(r"\.conv\.bias$")
"""A normalisation follows: it takes out what the bias adds."""


def read_network(
    configuration: Configuration, *, in_channels: int, num_classes: int, place: str, refusals: Refusals
) -> NetworkSpec:
    """Return the network of a configuration.

    Args:
        configuration: Of the plans.
        in_channels: Channels of the images.
        num_classes: Background included.
        place: Name of the configuration in messages.
        refusals: Notes what is refused.

    Raises:
        RefusedItemError: Its lists do not fit each other.
    """
    architecture = configuration.architecture
    arguments = architecture.arch_kwargs
    is_residual = architecture.network_class_name.endswith("ResidualEncoderUNet")
    blocks = arguments.n_blocks_per_stage if is_residual else arguments.n_conv_per_stage
    if blocks is None:
        refusals.refuse(place, "no number of blocks a stage", "its network must state it")
    spec = NetworkSpec(
        name="nnunet",
        arguments={
            "in_channels": in_channels,
            "num_classes": num_classes,
            "channels": list(arguments.features_per_stage),
            "kernel_sizes": _lists(arguments.kernel_sizes),
            "strides": _lists(arguments.strides),
            "encoder_blocks": list(blocks),
            "decoder_convs": list(reversed(arguments.n_conv_per_stage_decoder)),
            "up_bias": arguments.conv_bias,
            "residual": is_residual,
        },
    )
    try:
        empty_network(spec)
    except MedpipeError as error:
        refusals.refuse(place, f"{error.what}: {error.found}", f"correct {PLANS}")
    return spec


def our_state(
    weights: Mapping[str, Tensor],
    arguments: ArchitectureArguments,
    spec: NetworkSpec,
    place: str,
    refusals: Refusals,
) -> dict[str, Tensor]:
    """Return nnU-Net's weights by the names of our network.

    Left out are second names, the heads of coarser levels, which only training uses, and biases that a
    normalisation takes out again.

    Raises:
        RefusedItemError: They are not those of the network.
    """
    num_levels = len(arguments.features_per_stage)
    named = {_our_name(name, num_levels): tensor for name, tensor in weights.items()}
    state = {name: tensor for name, tensor in named.items() if name}
    check_fit(empty_network(spec).state_dict(), state, place, refusals)
    return state


def _our_name(name: str, num_levels: int) -> str:
    """Return our name of a weight: empty where we do not need it, its own where it is unknown."""
    if _COPY.search(name) or _IDLE_BIAS.search(name):
        return ""
    for pattern, rename in _NAMES:
        if match := pattern.fullmatch(name):
            return rename(*match.groups(), num_levels=num_levels)
    return name


def _layer(conv: int, kind: str) -> int:
    return _LAYERS_PER_CONV * conv + (kind == "norm")


def _plain(level: str, conv: str, kind: str, value: str, *, num_levels: int) -> str:
    return f"encoder.levels.{level}.body.{_layer(int(conv), kind)}.{value}"


def _stem(kind: str, value: str, *, num_levels: int) -> str:
    return f"encoder.levels.0.0.body.{_layer(0, kind)}.{value}"


def _residual(level: str, block: str, conv: str, kind: str, value: str, *, num_levels: int) -> str:
    place = int(block) + (level == "0")  # the stem stands before the first block
    return f"encoder.levels.{level}.{place}.body.{_layer(int(conv) - 1, kind)}.{value}"


def _shortcut(level: str, block: str, layer: str, kind: str, value: str, *, num_levels: int) -> str:
    place = int(block) + (level == "0")
    return f"encoder.levels.{level}.{place}.shortcut.{int(layer) + (kind == 'norm')}.{value}"


def _joined(level: str, conv: str, kind: str, value: str, *, num_levels: int) -> str:
    return f"decoder.levels.{num_levels - 2 - int(level)}.block.body.{_layer(int(conv), kind)}.{value}"


def _raised(level: str, value: str, *, num_levels: int) -> str:
    return f"decoder.levels.{num_levels - 2 - int(level)}.up.{value}"


def _head(level: str, value: str, *, num_levels: int) -> str:
    return f"mask_head.levels.0.{value}" if int(level) == num_levels - 2 else ""


_LAYER: Final = r"\.(conv|norm)\.(weight|bias)"
_NAMES: Final[tuple[tuple[re.Pattern[str], Callable[..., str]], ...]] = tuple(
    (re.compile(pattern), rename)
    for pattern, rename in (
        (rf"encoder\.stages\.(\d+)\.0\.convs\.(\d+){_LAYER}", _plain),
        (rf"encoder\.stem\.convs\.0{_LAYER}", _stem),
        (rf"encoder\.stages\.(\d+)\.blocks\.(\d+)\.conv([12]){_LAYER}", _residual),
        (rf"encoder\.stages\.(\d+)\.blocks\.(\d+)\.skip\.([01]){_LAYER}", _shortcut),
        (rf"decoder\.stages\.(\d+)\.convs\.(\d+){_LAYER}", _joined),
        (r"decoder\.transpconvs\.(\d+)\.(weight|bias)", _raised),
        (r"decoder\.seg_layers\.(\d+)\.(weight|bias)", _head),
    )
)
"""nnU-Net's names; its decoder counts from the bottom up."""


def _lists(sizes: tuple[tuple[int, ...], ...]) -> list[list[int]]:
    return [list(item) for item in sizes]
