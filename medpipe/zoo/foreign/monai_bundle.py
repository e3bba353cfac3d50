"""Reading a MONAI bundle: configurations as data, weights as tensors, and nothing executed.

What cannot be taken over is refused in one error that names all of it; what medpipe does in another way is
stated in the card.

Source: MONAI bundle specification.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

from medpipe.zoo.foreign.bundle_config import BundleConfig, read_config
from medpipe.zoo.foreign.bundle_metadata import read_labels, read_metadata, read_modality
from medpipe.zoo.foreign.bundle_networks import fitted_state, read_network, read_state
from medpipe.zoo.foreign.bundle_prediction import read_patches, read_way_back
from medpipe.zoo.foreign.bundle_preprocessing import read_steps
from medpipe.zoo.foreign.bundle_spec import BundleParts, bundle_card, package_spec, read_preprocessing
from medpipe.zoo.foreign.foreign_model import ForeignModel
from medpipe.zoo.foreign.licences import licence_text
from medpipe.zoo.foreign.own_bundle import OWN_MANIFEST, restore_package
from medpipe.zoo.foreign.refusals import Refusals

_INFERENCE: Final = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
_METADATA: Final = "configs/metadata.json"
_WEIGHTS: Final = "models/model.pt"
_WHAT: Final = "The MONAI bundle cannot be taken over as it is"


def read_bundle(folder: Path, *, name: str, licence: str) -> ForeignModel:
    """Read a MONAI bundle.

    Args:
        folder: It holds ``configs/inference.json`` (or ``.yaml``), ``configs/metadata.json`` and
            ``models/model.pt``.
        name: Name that the package gets.
        licence: SPDX identifier of its licence.

    Raises:
        SettingsError: A file is missing, or something in it is not on the lists; all of it is named.
    """
    refusals = Refusals()
    inference = _inference_file(folder, refusals)
    refusals.raise_any(_WHAT)
    config = BundleConfig(read_config(folder / inference), refusals)
    weights = (folder / _WEIGHTS).read_bytes()
    state = refusals.attempt(lambda: read_state(weights, refusals))
    if state and (folder / OWN_MANIFEST).is_file():
        return restore_package(folder, config.data, state, name=name, licence=licence)
    parts, notes = _read_parts(config, read_config(folder / _METADATA), refusals)
    fitted = preprocessing = None
    if parts and state:
        fitted = refusals.attempt(lambda: fitted_state(state, parts.network, refusals))
    if parts and parts.steps.is_complete:
        preprocessing = refusals.attempt(lambda: read_preprocessing(parts, refusals))
    refusals.raise_any(_WHAT)
    assert parts  # else an item was refused
    assert fitted
    assert preprocessing
    notes.append(f"Left out and never executed: {', '.join(config.unused)}.")
    spec = package_spec(
        parts,
        preprocessing,
        name=name,
        licence=licence,
        title=parts.metadata.name or folder.resolve().name,
        sha256=hashlib.sha256(weights).hexdigest(),
    )
    card = bundle_card(parts.metadata, spec, notes, folder=folder.resolve().name)
    return ForeignModel(spec, fitted, card, licence_text(folder, parts.metadata.copyright), tuple(notes))


def _read_parts(
    config: BundleConfig, metadata: Any, refusals: Refusals
) -> tuple[BundleParts | None, list[str]]:
    """Read each part; return None for all where one was refused, and what medpipe does in another way."""
    notes: list[str] = []
    config.refuse_programs()
    network = read_network(config, refusals)
    steps = read_steps(config, refusals)
    patches = read_patches(config, refusals, notes)
    way_back = read_way_back(config, refusals, notes)
    stated = refusals.attempt(lambda: read_metadata(metadata, refusals))
    if stated is None:
        return None, notes
    modality = refusals.attempt(lambda: read_modality(stated, refusals))
    labels = refusals.attempt(lambda: read_labels(stated, refusals))
    if not (network and patches and modality and labels):
        return None, notes
    parts = BundleParts(stated, modality, labels, network, steps, patches, way_back)
    return parts, [*steps.notes, *notes]


def _inference_file(folder: Path, refusals: Refusals) -> str:
    """Return which configuration there is; note files that are missing."""
    found = [name for name in _INFERENCE if (folder / name).is_file()]
    if len(found) != 1:
        refusals.add(_INFERENCE[0], " and ".join(found) or "no such file", "a bundle has one, .json or .yaml")
    for name in (_METADATA, _WEIGHTS):
        if not (folder / name).is_file():
            refusals.add(name, "no such file", "a bundle has it")
    return found[0] if found else ""
