"""Finding packages: those that come with medpipe, the user's own, and folders named by path."""

import os
from collections.abc import Sequence
from pathlib import Path

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import configuration_folder, nearest
from medpipe.zoo.package import Package, read_package


def shipped_folder() -> Path:
    """Return the folder of the packages that come with medpipe."""
    return Path(__file__).parent / "packages"


def user_folder() -> Path:
    """Return the folder of the user's own packages; it may not exist."""
    return configuration_folder() / "packages"


def package_folders() -> tuple[Path, ...]:
    """Return the folders of all packages that have a name, by name; none of them is checked."""
    folders = [
        folder
        for root in (shipped_folder(), user_folder())
        if root.is_dir()
        for folder in root.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
    ]
    return tuple(sorted(folders, key=lambda folder: folder.name))


def find_package(reference: str | Path) -> Package:
    """Read a package by name or path.

    Args:
        reference: A name, or a folder: a ``Path``, or text with a slash such as ``"./hippocampus"``.

    Raises:
        NoInputError: There is no such folder.
        SettingsError: There is no package of that name, or two; or the package is not valid.
        MachineError: It cannot be read.
    """
    if isinstance(reference, Path) or os.sep in reference:
        return read_package(Path(reference))
    folders = package_folders()
    found = [folder for folder in folders if folder.name == reference]
    if not found:
        raise SettingsError(
            Code.E_PACKAGE, f"There is no model package {reference!r}", fix=_instead(reference, folders)
        )
    if len(found) > 1:
        raise SettingsError(
            Code.E_PACKAGE,
            f"Two packages are named {reference!r}",
            found=" and ".join(str(folder) for folder in found),
            fix="Remove or rename your own, or name one by its path.",
        )
    package = read_package(found[0])
    if package.manifest.name != reference:
        raise SettingsError(
            Code.E_PACKAGE,
            f"The package in the folder {reference!r} has another name",
            found=repr(package.manifest.name),
            fix="Rename the folder.",
        )
    return package


def _instead(reference: str, folders: Sequence[Path]) -> str:
    if Path(reference).is_dir():
        return f"Write ./{reference} for the folder here."
    if not folders:
        return "There are none yet: 'medpipe models add FOLDER' adds one, 'medpipe train' makes one."
    return nearest(reference, (folder.name for folder in folders))
