"""The networks by name: what a package or a recipe may ask for, with arguments that are data."""

import inspect
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

from pydantic import ConfigDict, create_model
from torch import nn

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import SettingsFile, nearest, validate_settings

NETWORKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "unet": "medpipe.models.unet.model:UNet",
        "nnunet": "medpipe.models.nnunet.model:NnUNet",
        "slice-aggregator": "medpipe.models.slice_aggregator.model:SliceAggregator",
        "aki-rnn": "medpipe.models.aki_rnn.model:AkiRnn",
        "aki-ensemble": "medpipe.models.aki_rnn.ensemble:AkiEnsemble",
        "boosted-trees": "medpipe.models.boosted_trees.model:BoostedTrees",
        "dynunet": "medpipe.models.unet.monai_dynunet:MonaiDynUNet",
        "monai-unet": "medpipe.models.monai_networks:MonaiUNet",
        "monai-segresnet": "medpipe.models.monai_networks:MonaiSegResNet",
        "monai-basicunet": "medpipe.models.monai_networks:MonaiBasicUNet",
        "monai-dynunet": "medpipe.models.monai_networks:MonaiFullDynUNet",
    }
)
"""``module:Class`` of each network; the module is imported when the network is built."""


def build_network(name: str, arguments: Mapping[str, object]) -> nn.Module:
    """Build a network with weights drawn from torch's global generator.

    Args:
        name: One of :data:`NETWORKS`.
        arguments: Keyword arguments of its constructor as plain data, such as JSON holds.

    Raises:
        SettingsError: The name or an argument is unknown (the nearest one is named), missing or not valid.
    """
    network = network_class(name)
    return network(**_checked(network, arguments, place=f"network {name!r}"))


def network_class(name: str) -> type[nn.Module]:
    """Return the class of a network; its constructor's signature says what may be asked for.

    Raises:
        SettingsError: The name is unknown; the nearest one is named.
    """
    if name not in NETWORKS:
        raise SettingsError(Code.E_SETTINGS, f"Unknown network {name!r}", fix=nearest(name, NETWORKS))
    module, _, class_name = NETWORKS[name].partition(":")
    found: type[nn.Module] = getattr(import_module(module), class_name)
    return found


def count_parameters(network: nn.Module) -> int:
    """Return the number of learned values."""
    return sum(parameter.numel() for parameter in network.parameters())


def _checked(network: type[nn.Module], arguments: Mapping[str, object], *, place: str) -> dict[str, Any]:
    """Hold arguments against the names and types of the constructor."""
    fields: dict[str, Any] = {
        item.name: (item.annotation, ... if item.default is item.empty else item.default)
        for item in inspect.signature(network).parameters.values()
    }
    model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
    return validate_settings(model, SettingsFile(place, dict(arguments), lines={})).model_dump()
