"""From a package to its network: weights hashed, keys matched, and a trial of what comes out."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, MedpipeError, SettingsError
from medpipe.models.registry import build_network, count_parameters
from medpipe.zoo.manifest import NetworkSpec, PackageSpec
from medpipe.zoo.package import WEIGHTS, Package, damaged_weights
from medpipe.zoo.weights import decode_weights


def load_network(package: Package, device: str | torch.device = "cpu", *, half: bool = False) -> nn.Module:
    """Build the network of a package and load its weights; see :meth:`Package.load_network`.

    The global random generator is left as it was.
    """
    manifest = package.manifest
    state = decode_weights(_checked_bytes(package), package=manifest.name)
    found = num_parameters(manifest.network)  # before anything of that size is allocated
    if found != manifest.weights.num_parameters:
        raise SettingsError(
            Code.E_PACKAGE,
            f"The network of {manifest.name!r} has not as many parameters as the manifest states",
            found=f"{found}, expected {manifest.weights.num_parameters}",
        )
    with torch.random.fork_rng(devices=[]):
        network = build_network(manifest.network.name, manifest.network.arguments)
    _check_keys(network.state_dict(), state, package=manifest.name)
    network.load_state_dict(state)
    return network.eval().to(device, torch.float16 if half else torch.float32)


def verify_package(package: Package) -> None:
    """Load the network and try it on an empty patch.

    Raises:
        MachineError: The weights are not those of the manifest.
        SettingsError: The network is unknown, the weights do not fit it, or its input and output are not
            those of the preprocessing and the labels.
    """
    network = load_network(package)
    expected = _shape_of_logits(package.manifest)
    channels = len(package.manifest.preprocessing.channels)
    try:
        with torch.inference_mode():
            output = network(torch.zeros(1, channels, *package.manifest.preprocessing.patch_shape))
    except (RuntimeError, ValueError) as error:  # another library's networks say it in their way
        raise SettingsError(
            Code.E_PACKAGE,
            f"The network of {package.manifest.name!r} does not take what its preprocessing gives",
            found=str(error),
        ) from error
    if tuple(output.logits.shape) != expected:
        raise SettingsError(
            Code.E_PACKAGE,
            f"The network of {package.manifest.name!r} must give logits for the background and each label",
            found=f"shape {tuple(output.logits.shape)}, expected {expected}",
        )
    given = 0 if output.scores is None else output.scores.shape[1]
    wanted = sum(item.score.num_outputs for item in package.manifest.scores)
    if given != wanted:
        raise SettingsError(
            Code.E_PACKAGE,
            f"The network of {package.manifest.name!r} must give the numbers of each score",
            found=f"{given}, expected {wanted}",
        )


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


def _shape_of_logits(spec: PackageSpec) -> tuple[int, ...]:
    return (1, 1 + len(spec.labels), *spec.preprocessing.patch_shape)


def _checked_bytes(package: Package) -> bytes:
    """Read the weights once, so that the bytes that are hashed are those that are used."""
    try:
        content = (package.path / WEIGHTS).read_bytes()
    except OSError as error:
        raise MachineError(
            Code.E_PACKAGE,
            f"The weights of {package.manifest.name!r} cannot be read",
            found=error.strerror or str(error),
        ) from error
    found, expected = hashlib.sha256(content).hexdigest(), package.manifest.weights.sha256
    if found != expected:
        raise damaged_weights(package.manifest.name, found=f"sha256 {found}", expected=expected)
    return content


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
