"""Weights as bytes: float16 safetensors, which hold numbers and names and nothing that runs."""

from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError


def encode_weights(state: Mapping[str, Tensor]) -> bytes:
    """Return the bytes of ``model.safetensors``.

    Args:
        state: A network's state; floating tensors become float16, counters stay as they are.

    Raises:
        SettingsError: A value is not finite or too large for float16; the tensor is named.
    """
    stored = {}
    for name, tensor in state.items():
        value = tensor.detach().cpu()
        if value.is_floating_point():
            value = value.half()
            if not torch.isfinite(value).all():
                raise SettingsError(
                    Code.E_PACKAGE,
                    f"The weights {name!r} cannot be stored as float16",
                    found=f"largest size {float(tensor.abs().max()):g}",
                    fix="Train again with a lower learning rate; finite float16 ends at 65504.",
                )
        # safetensors refuses tensors that share memory.
        stored[name] = value.clone(memory_format=torch.contiguous_format)
    return bytes(save(stored))


def decode_weights(content: bytes, *, package: str) -> dict[str, Tensor]:
    """Return the state that stands in the bytes of ``model.safetensors``.

    Raises:
        SettingsError: It is no safetensors file, or floating tensors are not float16.
    """
    try:
        state: dict[str, Tensor] = load(content)
    except SafetensorError as error:
        raise SettingsError(
            Code.E_PACKAGE, f"The weights of {package!r} are no safetensors file", found=str(error)[:100]
        ) from error
    for name, tensor in state.items():
        if tensor.is_floating_point() and tensor.dtype is not torch.float16:
            raise SettingsError(
                Code.E_PACKAGE,
                f"The weights of {package!r} must be float16",
                found=f"{tensor.dtype} in {name!r}",
            )
    return state
