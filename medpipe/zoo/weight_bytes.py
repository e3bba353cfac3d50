"""The bytes of a package's weights: read once, hashed, and refused where they are not the manifest's."""

import hashlib
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError
from medpipe.zoo.manifest import Manifest

WEIGHTS: Final = "model.safetensors"
"""Name of the weight file."""


def checked_bytes(manifest: Manifest, folder: Path) -> bytes:
    """Read the weights once, so that the bytes that are hashed are those that are used.

    Raises:
        MachineError: They cannot be read, or are not those of the manifest (``E_PACKAGE``).
    """
    try:
        content = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise MachineError(
            Code.E_PACKAGE,
            f"The weights of {manifest.name!r} cannot be read",
            found=error.strerror or str(error),
        ) from error
    found, expected = hashlib.sha256(content).hexdigest(), manifest.weights.sha256
    if found != expected:
        raise damaged_weights(manifest.name, found=f"sha256 {found}", expected=expected)
    return content


def damaged_weights(name: str, *, found: str, expected: str) -> MachineError:
    """Return the error of weights that are not those of the manifest."""
    return MachineError(
        Code.E_PACKAGE,
        f"The weights of the package {name!r} are not those that its manifest names",
        found=f"{found}, expected {expected}",
        fix="Fetch the package again from its source; do not use these weights.",
    )
