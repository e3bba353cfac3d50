"""From a manifest and its weights to the network: nothing is built before it is known to fit."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from medpipe.core.codes import Code
from medpipe.core.errors import MedpipeError, SettingsError
from medpipe.models.registry import build_network, count_parameters
from medpipe.zoo.manifest import Manifest, NetworkSpec
from medpipe.zoo.weight_bytes import checked_bytes
from medpipe.zoo.weights import decode_weights


def load_network(
    manifest: Manifest, folder: Path, device: str | torch.device = "cpu", *, half: bool = False
) -> nn.Module:
    """Build a network and load its weights; see :meth:`medpipe.zoo.package.Package.load_network`.

    The global random generator is left as it was.
    """
    state = decode_weights(checked_bytes(manifest, folder), package=manifest.name)
    empty = empty_network(manifest.network)  # before anything of that size is allocated
    found = count_parameters(empty)
    if found != manifest.weights.num_parameters:
        raise SettingsError(
            Code.E_PACKAGE,
            f"The network of {manifest.name!r} has not as many parameters as the manifest states",
            found=f"{found}, expected {manifest.weights.num_parameters}",
        )
    _check_keys(empty.state_dict(), state, package=manifest.name)
    with torch.random.fork_rng(devices=[]):
        network = build_network(manifest.network.name, manifest.network.arguments)
    network.load_state_dict(state)
    return network.eval().to(device, torch.float16 if half else torch.float32)


def num_parameters(spec: NetworkSpec) -> int:
    """Count the parameters of a network without allocating them; see :func:`empty_network`."""
    return count_parameters(empty_network(spec))


def empty_network(spec: NetworkSpec) -> nn.Module:
    """Build a network whose weights have shapes and no values: nothing of its size is allocated.

    Raises:
        SettingsError: The network or an argument is unknown (the nearest name is given) or not valid.
    """
    try:
        with torch.device("meta"):
            return build_network(spec.name, spec.arguments)
    except MedpipeError:
        raise
    except Exception as error:  # whatever a network of another library says of arguments that it cannot take
        raise SettingsError(
            Code.E_PACKAGE,
            f"The network {spec.name!r} cannot be built from its arguments",
            found=f"{type(error).__name__}: {error}",
        ) from error


def _check_keys(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], *, package: str) -> None:
    wanted, given = (
        {name: tuple(tensor.shape) for name, tensor in state.items()} for state in (expected, found)
    )
    for name in sorted(wanted.keys() | given.keys()):
        if wanted.get(name) != given.get(name):
            raise SettingsError(
                Code.E_PACKAGE,
                f"The weights of {package!r} do not fit its network: {name!r}",
                found=f"{given.get(name, 'nothing')}, expected {wanted.get(name, 'nothing')}",
            )
