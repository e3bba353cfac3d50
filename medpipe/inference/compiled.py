"""Compiled networks: the forward at a few fixed shapes, kept on disk for the processes that come after."""

import logging
from collections.abc import Sequence
from typing import Final

import torch
from torch import nn

from medpipe.core.settings import cache_folder, offer_environment

_LOG = logging.getLogger(__name__)

_CPU_OPTIONS: Final = {"freezing": True}
"""Weights become constants, laid out for oneDNN once: on a CPU most of the gain, on a GPU not needed."""


def compile_network(network: nn.Module, shapes: Sequence[tuple[int, ...]]) -> None:
    """Compile a network in place, or leave it as it is where that cannot be done, with a warning.

    Inductor keeps what it makes in medpipe's cache folder, unless ``TORCHINDUCTOR_CACHE_DIR`` names another
    or Dynamo was imported before: the first process pays for compiling, later ones for reading. A copy of the
    network is not compiled.

    Args:
        network: Evaluates on its own device and in its own type; its output has ``logits``.
        shapes: ``(B, C, P, Q, R)`` of the patches that it will see, and of no others.
    """
    offer_environment(TORCHINDUCTOR_CACHE_DIR=str(cache_folder() / "inductor"))
    weights = next(network.parameters())
    options = _CPU_OPTIONS if weights.device.type == "cpu" else {}
    network.eval().compile(dynamic=False, options=dict(options))
    try:
        with torch.inference_mode():
            for shape in shapes:
                network(torch.zeros(shape, device=weights.device, dtype=weights.dtype))
    except RuntimeError as error:  # the base of Dynamo's and Inductor's own
        network._compiled_call_impl = None
        reason = str(error).strip().partition("\n")[0]
        _LOG.warning("The network runs without being compiled, more slowly: %s", reason)


def is_compiled(network: nn.Module) -> bool:
    """Whether calls of a network go through what :func:`compile_network` has made."""
    return network._compiled_call_impl is not None
