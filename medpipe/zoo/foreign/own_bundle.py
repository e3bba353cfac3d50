"""A bundle that medpipe exported: it comes back as the package that it was."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.zoo.bundle_files import OWN_PARTS, USE, bundle_inference
from medpipe.zoo.foreign.foreign_model import ForeignModel
from medpipe.zoo.manifest import MANIFEST, SegmentationManifest, SegmentationSpec, parse_manifest
from medpipe.zoo.package import LICENCE
from medpipe.zoo.weights import encode_weights

OWN_MANIFEST: Final = f"configs/{MANIFEST}"


def own_manifest(folder: Path) -> SegmentationManifest:
    """Read the manifest that an exported bundle holds.

    Raises:
        SettingsError: It is not valid, or of a network that bundles are not made of.
    """
    manifest = parse_manifest((folder / OWN_MANIFEST).read_bytes())
    if isinstance(manifest, SegmentationManifest):
        return manifest
    raise SettingsError(
        Code.E_PACKAGE, "Bundles of medpipe hold networks that label voxels", found=f"task {manifest.task}"
    )


def restore_package(
    folder: Path, inference: Mapping[str, Any], state: Mapping[str, Tensor], *, name: str, licence: str
) -> ForeignModel:
    """Return the package that was exported as a bundle.

    Args:
        folder: The bundle, whose ``configs/package.json`` exists.
        inference: Its ``inference.json`` as data.
        state: Its weights.
        name: Name that the package gets.
        licence: SPDX identifier that it gets.

    Raises:
        SettingsError: The configuration or the weights were changed since: the package's figures are not
            theirs.
    """
    manifest = own_manifest(folder)
    expected = bundle_inference(manifest)
    changed = [key for key in OWN_PARTS if inference.get(key) != expected[key]]
    if hashlib.sha256(encode_weights(state)).hexdigest() != manifest.weights.sha256:
        changed.append("the weights")
    if changed:
        raise SettingsError(
            Code.E_PACKAGE,
            "The bundle was changed since medpipe exported it: it is not the package that it states",
            found=", ".join(changed),
            fix="Add the package itself, or export it again.",
        )
    card, _, _ = _text(folder, "docs/README.md").partition(f"\n{USE}\n")
    kept = {field: getattr(manifest, field) for field in SegmentationSpec.model_fields}
    spec = SegmentationSpec(**{**kept, "name": name, "licence": licence})
    return ForeignModel(spec, state, f"{card.rstrip()}\n", _text(folder, LICENCE))


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            Code.E_PACKAGE, f"The bundle's file {name} cannot be read", fix="Export the package again."
        ) from error
