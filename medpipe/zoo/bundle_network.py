"""The network as a MONAI bundle's configuration names it."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from medpipe.models.registry import build_network


def logits_network(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a network that returns its logits alone, as MONAI's inferers want them.

    Its state has the same keys as that of :func:`medpipe.models.registry.build_network`.
    """
    network = build_network(name, arguments)
    network.register_forward_hook(_logits_alone)
    return network


def _logits_alone(network: nn.Module, inputs: object, output: Any) -> Tensor:
    logits: Tensor = output.logits
    return logits
