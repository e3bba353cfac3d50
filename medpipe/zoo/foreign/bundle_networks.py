"""The network of a bundle: one of an allow-list, its arguments data, its weights tensors."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from medpipe.core.errors import MedpipeError
from medpipe.models.registry import network_class
from medpipe.zoo.foreign.bundle_config import BundleConfig
from medpipe.zoo.foreign.component import Component
from medpipe.zoo.foreign.refusals import Refusals
from medpipe.zoo.foreign.weight_file import check_fit, load_data
from medpipe.zoo.manifest import NetworkSpec
from medpipe.zoo.network import empty_network

NETWORKS: Final[Mapping[str, str]] = {
    "UNet": "monai-unet",
    "SegResNet": "monai-segresnet",
    "BasicUNet": "monai-basicunet",
    "DynUNet": "monai-dynunet",
}
"""Networks of ``monai.networks.nets`` that are taken, by their names in medpipe's registry."""

_NETWORK: Final = "network_def"
_WEIGHTS: Final = "models/model.pt"
_LARGEST: Final = 4096
"""Of the arguments that are whole numbers: no channel or block count is larger, and building must end."""

_WRAPPERS: Final = ("model", "state_dict", "network")
"""Keys under which training programs keep the state among other things."""


def read_network(config: BundleConfig, refusals: Refusals) -> NetworkSpec | None:
    """Read ``network_def``, or return None where it was refused."""
    with refusals.collecting():
        network = Component(config, config.at(_NETWORK), _NETWORK, refusals, package="monai.networks.nets")
        arguments = network.take_all()
        if network.name not in NETWORKS:
            network.refuse("_target_", network.name, f"medpipe knows {', '.join(NETWORKS)}")
        name = NETWORKS[network.name]
        known = inspect.signature(network_class(name)).parameters
        for key, value in arguments.items():
            if key not in known:
                refusals.add(f"{_NETWORK}#{key}", value, f"{network.name} takes {', '.join(known)}")
            elif (largest := _largest(value)) > _LARGEST:
                refusals.add(f"{_NETWORK}#{key}", largest, f"at most {_LARGEST} is built")
        if arguments.get("spatial_dims", 3) != 3:
            refusals.add(f"{_NETWORK}#spatial_dims", arguments["spatial_dims"], "medpipe segments volumes: 3")
        return NetworkSpec(name=name, arguments=arguments)
    return None


def read_state(content: bytes, refusals: Refusals) -> dict[str, Tensor]:
    """Read ``models/model.pt``: tensors by name, and nothing that runs.

    Raises:
        RefusedItemError: It holds anything else.
    """
    found = load_data(content, _WEIGHTS, refusals)
    if isinstance(found, dict):
        found = next((found[key] for key in _WRAPPERS if isinstance(found.get(key), dict)), found)
    if not isinstance(found, dict) or not found:
        refusals.refuse(_WEIGHTS, type(found).__name__, "save the network's state_dict there")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            refusals.refuse(_WEIGHTS, f"{type(tensor).__name__} in {name!r}", "save the state_dict alone")
    return dict(found)


def fitted_state(state: Mapping[str, Tensor], spec: NetworkSpec, refusals: Refusals) -> dict[str, Tensor]:
    """Return the state by the keys of medpipe's network.

    Raises:
        RefusedItemError: The network cannot be built from its arguments, or the weights are not its own.
    """
    try:
        expected = empty_network(spec).state_dict()
    except MedpipeError as error:
        refusals.refuse(_NETWORK, error.found or error.what, error.fix or "correct its arguments")
    fitted = {f"network.{name.removeprefix('module.')}": tensor for name, tensor in state.items()}
    check_fit(expected, fitted, _WEIGHTS, refusals)
    return fitted


def _largest(value: Any) -> int:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return max(map(_largest, value), default=0)
    return abs(value) if isinstance(value, int) else 0
