"""A model package: a folder of four files, none of which is code; reading it needs no torch."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, NoInputError, SettingsError
from medpipe.core.findings import Maker
from medpipe.zoo.card import CARD, check_card
from medpipe.zoo.manifest import (
    MANIFEST,
    ClassificationManifest,
    KidneyManifest,
    Manifest,
    SegmentationManifest,
    parse_manifest,
)
from medpipe.zoo.weight_bytes import WEIGHTS, damaged_weights

if TYPE_CHECKING:
    import torch

LICENCE: Final = "LICENSE"
FILES: Final = (MANIFEST, WEIGHTS, CARD, LICENCE)
"""All files of a package; anything else in the folder is refused."""

_USES: Final[Mapping[str, tuple[str, str]]] = {
    "segmentation": ("labels voxels", "with segment"),
    "classification": ("classifies studies", "with classify"),
    "kidney": ("forecasts kidney injury", "on health records"),
}
"""What packages of each task do, and how they are used."""

_CODE_ENDINGS: Final = frozenset(
    {".py", ".pyc", ".pkl", ".pickle", ".pt", ".pth", ".ts", ".so", ".sh", ".npy"}
)
_MAX_TEXT_BYTES: Final = 1_000_000


@dataclass(frozen=True)
class Package:
    """A package that was read and checked, but for the bytes of its weights.

    Attributes:
        manifest: What stands in ``package.json``.
        path: Its folder.
        digest: sha256 of ``package.json``, which names the sha256 of the weights: it changes whenever
            results can.
    """

    manifest: Manifest
    path: Path
    digest: str

    @property
    def maker(self) -> Maker:
        """Name and version for the findings that it makes."""
        return Maker(name=self.manifest.name, version=self.manifest.version)

    @property
    def card(self) -> str:
        """The card, in Markdown."""
        return _text_of(self.path, CARD)

    @property
    def licence(self) -> str:
        """The text of the licence."""
        return _text_of(self.path, LICENCE)

    @property
    def file_sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {name: (self.path / name).stat().st_size for name in FILES}

    def load_network(self, device: "str | torch.device" = "cpu", *, half: bool = False) -> "torch.nn.Module":
        """Build the network and load its weights, which are hashed each time.

        Args:
            device: Where it shall work.
            half: Keep the weights as float16 instead of float32.

        Returns:
            The network in evaluation mode.

        Raises:
            MachineError: The weights are not those of the manifest (``E_PACKAGE``).
            SettingsError: The network is unknown, or the weights do not fit it.
        """
        from medpipe.zoo.network import load_network

        return load_network(self.manifest, self.path, device, half=half)

    @property
    def segmentation(self) -> SegmentationManifest:
        """The manifest of a package that labels voxels.

        Raises:
            SettingsError: It does something else.
        """
        if isinstance(self.manifest, SegmentationManifest):
            return self.manifest
        raise self._other_task("segments nothing")

    @property
    def classification(self) -> ClassificationManifest:
        """The manifest of a package that answers questions about studies.

        Raises:
            SettingsError: It does something else.
        """
        if isinstance(self.manifest, ClassificationManifest):
            return self.manifest
        raise self._other_task("classifies nothing")

    @property
    def kidney(self) -> KidneyManifest:
        """The manifest of a package that forecasts kidney injury.

        Raises:
            SettingsError: It does something else.
        """
        if isinstance(self.manifest, KidneyManifest):
            return self.manifest
        raise self._other_task("forecasts nothing")

    def _other_task(self, what: str) -> SettingsError:
        does, use = _USES[self.manifest.task]
        return SettingsError(
            Code.E_PACKAGE,
            f"The package {self.manifest.name!r} {what}: it {does}",
            found=f"task {self.manifest.task}",
            fix=f"Use it {use}, or choose another package.",
        )


def read_package(path: Path) -> Package:
    """Read a package and check everything but the bytes of its weights.

    Raises:
        NoInputError: There is no such folder.
        SettingsError: A file is missing, too much or a link; the manifest or the card is not valid.
        MachineError: A file cannot be read, or the weights have another size than stated.
    """
    if not path.is_dir():
        raise NoInputError(Code.E_NO_INPUT, "There is no model package", found=f"no folder {path}")
    try:
        _check_files(path)
        content = (path / MANIFEST).read_bytes()
        manifest = parse_manifest(content)
        check_card(_text_of(path, CARD), imported=manifest.origin is not None)
        if not _text_of(path, LICENCE).strip():
            raise SettingsError(Code.E_PACKAGE, f"{path.name}: the file {LICENCE} is empty")
        num_bytes = (path / WEIGHTS).stat().st_size
    except UnicodeDecodeError as error:
        raise SettingsError(Code.E_PACKAGE, f"{path.name}: a text file is not UTF-8") from error
    except OSError as error:
        if isinstance(error, MachineError):
            raise
        raise MachineError(
            Code.E_PACKAGE, f"The package {path.name} cannot be read", found=error.strerror or str(error)
        ) from error
    if num_bytes != manifest.weights.num_bytes:
        raise damaged_weights(
            manifest.name, found=f"{num_bytes} bytes", expected=f"{manifest.weights.num_bytes}"
        )
    return Package(manifest, path, hashlib.sha256(content).hexdigest())


def _check_files(path: Path) -> None:
    """Refuse what is missing, too much, a link or no file; the names come from a foreign folder."""
    with os.scandir(path) as entries:
        found = {entry.name: entry for entry in entries}
    for name, entry in sorted(found.items()):
        if name not in FILES:
            is_code = Path(name).suffix.lower() in _CODE_ENDINGS
            raise SettingsError(
                Code.E_PACKAGE,
                f"{path.name}: a package holds {', '.join(FILES)} and nothing else"
                + (", least of all what could be code" if is_code else ""),
                found=repr(name),
                fix="Remove it, if you trust the rest.",
            )
        if not entry.is_file(follow_symlinks=False):
            raise SettingsError(
                Code.E_PACKAGE,
                f"{path.name}: {name} must be a plain file",
                found="a symbolic link" if entry.is_symlink() else "something else",
            )
        if name != WEIGHTS and entry.stat(follow_symlinks=False).st_size > _MAX_TEXT_BYTES:
            raise SettingsError(
                Code.E_PACKAGE,
                f"{path.name}: {name} is too large for a text",
                found=f"{entry.stat(follow_symlinks=False).st_size} bytes",
            )
    if missing := [name for name in FILES if name not in found]:
        raise SettingsError(
            Code.E_PACKAGE, f"{path.name}: a package must hold {missing[0]}", found="no such file"
        )


def _text_of(path: Path, name: str) -> str:
    return (path / name).read_text(encoding="utf-8")
