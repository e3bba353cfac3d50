"""Adding a model that another toolkit made: its kind is seen from its files."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.zoo.foreign.foreign_model import ForeignModel
from medpipe.zoo.foreign.licences import known_licence
from medpipe.zoo.foreign.monai_bundle import read_bundle
from medpipe.zoo.foreign.nnunet import is_nnunet, read_nnunet
from medpipe.zoo.foreign.own_bundle import OWN_MANIFEST, own_manifest
from medpipe.zoo.manifest import MANIFEST
from medpipe.zoo.package import Package
from medpipe.zoo.writing import add_package, own_folder, write_package

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LICENCE: Final = re.compile(r"[A-Za-z0-9.+-]{1,64}")


class Reader(Protocol):
    """Reads a folder of one kind."""

    def __call__(self, folder: Path, *, name: str, licence: str) -> ForeignModel:
        """Return the model as a package of that name and licence."""
        ...


class Kind(NamedTuple):
    """A kind of model.

    Attributes:
        noun: What people call it.
        marks: Whether a folder looks like one.
        read: Its reader.
    """

    noun: str
    marks: Callable[[Path], bool]
    read: Reader


KINDS: Final = (
    Kind("MONAI bundle", lambda folder: (folder / "configs").is_dir(), read_bundle),
    Kind("trained nnU-Net", is_nnunet, read_nnunet),
)
"""Kinds of models that are taken, besides packages."""


class Added(NamedTuple):
    """A package that was added.

    Attributes:
        package: The package.
        notes: What differs from the original or was left out, a sentence each.
    """

    package: Package
    notes: tuple[str, ...] = ()


def add_model(
    folder: Path, *, name: str | None = None, licence: str | None = None, replace: bool = False
) -> Added:
    """Add a package, or read a model of another toolkit and write it as a package of the user's.

    Args:
        folder: A package, or what the other toolkit wrote.
        name: Name of the package; the folder's by default.
        licence: SPDX identifier of its licence; read from its licence file by default.
        replace: Whether an older package of the name may be replaced.

    Raises:
        NoInputError: There is no such folder.
        SettingsError: It is of no kind that is known, its licence is not known, or it cannot be taken over;
            all that stands in the way is named.
        MachineError: The disk cannot be written.
    """
    if not folder.is_dir() or (folder / MANIFEST).exists():
        if name or licence:
            raise SettingsError(
                Code.E_PACKAGE, "A package has its name and its licence", fix="Leave the options out."
            )
        return Added(add_package(folder, replace=replace))
    kind = _kind_of(folder)
    made = own_manifest(folder) if (folder / OWN_MANIFEST).is_file() else None
    name = _checked_name(name or (made.name if made else _name_of(folder)))
    licence = _checked_licence(licence or (made.licence if made else known_licence(folder)))
    target = own_folder(name)
    model = kind.read(folder, name=name, licence=licence)
    package = write_package(
        target, model.spec, model.state, card=model.card, licence=model.licence, replace=replace
    )
    return Added(package, model.notes)


def _kind_of(folder: Path) -> Kind:
    if kind := next((kind for kind in KINDS if kind.marks(folder)), None):
        return kind
    nouns = " or a ".join(kind.noun for kind in KINDS)
    raise SettingsError(
        Code.E_PACKAGE,
        "The folder holds no model that can be added",
        found=", ".join(sorted(item.name for item in folder.iterdir())[:10]) or "nothing",
        fix=f"Name the folder of a package (it has {MANIFEST}) or of a {nouns}.",
    )


def _name_of(folder: Path) -> str:
    return re.sub(r"[^a-z0-9_-]+", "_", folder.resolve().name.lower()).strip("_-")[:64]


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingsError(
            Code.E_PACKAGE,
            "The name of a package has small letters, digits, _ and - only, at most 64",
            found=repr(name),
            fix="Name it with --name, such as --name spleen.",
        )
    return name


def _checked_licence(licence: str | None) -> str:
    if licence is None or not _LICENCE.fullmatch(licence):
        raise SettingsError(
            Code.E_PACKAGE,
            "The licence of the model is not known",
            found=repr(licence) if licence else "no licence file whose text is known",
            fix="Name it with --licence and its SPDX identifier, such as --licence Apache-2.0.",
        )
    return licence
