"""Writing packages: complete and tried, or not at all."""

import hashlib
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from torch import Tensor

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.atomic import atomic_folder
from medpipe.zoo.card import CARD, check_card
from medpipe.zoo.finder import shipped_folder, user_folder
from medpipe.zoo.manifest import MANIFEST, PackageSpec, Weights, complete, manifest_text
from medpipe.zoo.network import num_parameters
from medpipe.zoo.package import FILES, LICENCE, Package, read_package
from medpipe.zoo.trial import verify_package
from medpipe.zoo.weight_bytes import WEIGHTS
from medpipe.zoo.weights import encode_weights

MAX_PARAMETERS: Final = 6_000_000
"""Packages are small: they are kept in the repository and run on two cores."""

MAX_IMPORTED_PARAMETERS: Final = 500_000_000
"""Imported networks are as large as others made them, up to a gigabyte of float16: nnU-Net's largest residual
encoder has 140 million, MONAI's largest bundles 60 to 90 million."""


def write_package(
    folder: Path,
    spec: PackageSpec,
    state: Mapping[str, Tensor],
    *,
    card: str,
    licence: str,
    replace: bool = False,
) -> Package:
    """Write a package, try it, and only then move it into place.

    Args:
        folder: The package's folder, named as ``spec.name``.
        spec: What the manifest says, but for the weights.
        state: State of the network that ``spec`` names.
        card: Markdown with the sections of :data:`medpipe.zoo.card.SECTIONS`.
        licence: Text of the licence.
        replace: Whether an older package there may be replaced.

    Raises:
        SettingsError: The network is unknown or too large, the weights do not fit it, the card lacks a
            section, or something stands there already.
        MachineError: The disk is full or cannot be written (``E_DISK``); nothing is left behind.
    """
    _check_target(folder, spec.name, replace=replace)
    check_card(card, imported=spec.origin is not None)
    count = num_parameters(spec.network)
    most = MAX_IMPORTED_PARAMETERS if spec.origin else MAX_PARAMETERS
    if count > most:
        raise SettingsError(
            Code.E_PACKAGE,
            f"The network of {spec.name!r} is too large for a package",
            found=f"{count:,} parameters, at most {most:,}",
            fix="Choose fewer channels or levels.",
        )
    content = encode_weights(state)
    weights = Weights(
        sha256=hashlib.sha256(content).hexdigest(), num_bytes=len(content), num_parameters=count
    )
    manifest = complete(spec, weights, _software())
    with atomic_folder(folder) as staged:
        (staged / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")
        (staged / WEIGHTS).write_bytes(content)
        (staged / CARD).write_text(card, encoding="utf-8")
        (staged / LICENCE).write_text(licence, encoding="utf-8")
        verify_package(read_package(staged))
    return read_package(folder)


def add_package(source: Path, *, replace: bool = False) -> Package:
    """Copy a package into the user's folder once the copy was tried.

    Raises:
        NoInputError: There is no such folder.
        SettingsError: It is no valid package, or its name is taken.
        MachineError: The weights are damaged, or the disk cannot be written.
    """
    name = read_package(source).manifest.name
    folder = own_folder(name)
    _check_target(folder, name, replace=replace)
    with atomic_folder(folder) as staged:
        for file in FILES:
            shutil.copyfile(source / file, staged / file, follow_symlinks=False)
        verify_package(read_package(staged))
    return read_package(folder)


def own_folder(name: str) -> Path:
    """Return the folder that a package of the user has.

    Raises:
        SettingsError: A package that comes with medpipe has this name.
    """
    if (shipped_folder() / name).exists():
        raise SettingsError(
            Code.E_PACKAGE,
            "A package that comes with medpipe has this name",
            found=repr(name),
            fix="Name the folder itself instead of adding it, or give an imported model another --name.",
        )
    return user_folder() / name


def _check_target(folder: Path, name: str, *, replace: bool) -> None:
    if folder.name != name:
        raise SettingsError(
            Code.E_PACKAGE, "A package's folder bears its name", found=f"{folder.name!r}, expected {name!r}"
        )
    if folder.exists() and not (replace and (folder / MANIFEST).is_file()):
        raise SettingsError(
            Code.E_OUTPUT,
            "The package's folder exists already",
            found=str(folder),
            fix="Replace a package with --replace; choose another folder for anything else.",
        )


def _software() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("medpipe", "torch", "monai")},
    }
