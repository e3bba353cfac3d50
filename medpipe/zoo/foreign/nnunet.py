"""Reading a trained nnU-Net v2: plans as data, weights as tensors, and nothing executed.

What cannot be taken over is refused in one error that names all of it.

Source: nnU-Net v2.8, Isensee et al. 2021, https://github.com/MIC-DKFZ/nnUNet.
"""

import hashlib
import shlex
from pathlib import Path
from typing import Any, Final, NamedTuple

from medpipe.core.body_axes import BODY_AXES
from medpipe.core.labels import LabelSpec
from medpipe.core.preprocessing import Preprocessing
from medpipe.zoo.foreign.foreign_model import ForeignModel
from medpipe.zoo.foreign.imported_card import imported_card
from medpipe.zoo.foreign.licences import licence_text
from medpipe.zoo.foreign.nnunet_checkpoint import CHECKPOINT, Checkpoint, find_checkpoint, read_checkpoint
from medpipe.zoo.foreign.nnunet_files import (
    DATASET,
    PLANS,
    Configuration,
    Dataset,
    Plans,
    read_configuration,
)
from medpipe.zoo.foreign.nnunet_input import read_labels, read_preprocessing
from medpipe.zoo.foreign.nnunet_network import our_state, read_network
from medpipe.zoo.foreign.refusals import Refusals
from medpipe.zoo.manifest import NetworkSpec, Origin, SegmentationSpec
from medpipe.zoo.strict_json import parse_json

_WHAT: Final = "The nnU-Net model cannot be taken over as it is"


class _Parts(NamedTuple):
    dataset: Dataset
    plans: Plans
    checkpoint: Checkpoint
    configuration: Configuration
    labels: tuple[LabelSpec, ...]
    preprocessing: Preprocessing
    network: NetworkSpec


def is_nnunet(folder: Path) -> bool:
    """Whether a folder looks like that of a trained nnU-Net, or of one of its folds."""
    return (model_folder(folder) / PLANS).is_file()


def model_folder(folder: Path) -> Path:
    """Return the folder with the plans: the one that was named, or that of the fold that was named."""
    return folder.resolve().parent if (folder / CHECKPOINT).is_file() else folder


def read_nnunet(folder: Path, *, name: str, licence: str) -> ForeignModel:
    """Read a trained nnU-Net.

    Args:
        folder: It holds ``plans.json``, ``dataset.json`` and ``fold_N/checkpoint_final.pth``; or the folder
            of one fold in it.
        name: Name that the package gets.
        licence: SPDX identifier of its licence.

    Raises:
        SettingsError: A file is missing, or something in it is not known; all of it is named.
    """
    refusals = Refusals()
    model = model_folder(folder)
    path = refusals.attempt(lambda: find_checkpoint(folder, refusals))
    dataset = refusals.attempt(lambda: refusals.validated(Dataset, _json(model, DATASET, refusals), DATASET))
    plans = refusals.attempt(lambda: refusals.validated(Plans, _json(model, PLANS, refusals), PLANS))
    refusals.raise_any(_WHAT)
    assert path  # else an item was refused
    assert dataset
    assert plans
    content = path.read_bytes()
    place = f"{path.parent.name}/{path.name}"
    parts = refusals.attempt(lambda: _read_parts(dataset, plans, content, place, refusals))
    refusals.raise_any(_WHAT)
    assert parts
    arguments = parts.configuration.architecture.arch_kwargs
    state = refusals.attempt(
        lambda: our_state(parts.checkpoint.network_weights, arguments, parts.network, place, refusals)
    )
    refusals.raise_any(f"{_WHAT} (it was trained by {parts.checkpoint.trainer_name})")
    assert state
    sha256 = hashlib.sha256(content).hexdigest()
    spec = _package_spec(parts, name=name, licence=licence, sha256=sha256)
    notes = _notes(parts, fold=path.parent.name)
    card = _card(parts, spec, notes, folder=folder.resolve().name)
    named = f"{licence}, as it was named when the model was imported."
    return ForeignModel(spec, state, card, licence_text(model, named), notes)


def _json(folder: Path, name: str, refusals: Refusals) -> Any:
    if not (folder / name).is_file():
        refusals.refuse(name, "no such file", "a trained model has it beside its folds")
    return parse_json((folder / name).read_bytes(), name=name)


def _read_parts(
    dataset: Dataset, plans: Plans, content: bytes, place: str, refusals: Refusals
) -> _Parts | None:
    """Read each part; return None where one was refused."""
    labels = refusals.attempt(lambda: read_labels(dataset, refusals))
    checkpoint = read_checkpoint(content, place, refusals)
    name = checkpoint.init_args.configuration
    configuration = read_configuration(plans, name, refusals)
    mirrored = checkpoint.inference_allowed_mirroring_axes or ()
    preprocessing = read_preprocessing(dataset, plans, configuration, mirrored, refusals)
    network = read_network(
        configuration,
        in_channels=len(dataset.channel_names),
        num_classes=len(dataset.labels),
        place=f"{PLANS}#configurations#{name}#architecture",
        refusals=refusals,
    )
    if not (labels and preprocessing):
        return None
    return _Parts(dataset, plans, checkpoint, configuration, labels, preprocessing, network)


def _package_spec(parts: _Parts, *, name: str, licence: str, sha256: str) -> SegmentationSpec:
    classes = ", ".join(label.code.meaning for label in parts.labels)
    configuration = parts.checkpoint.init_args.configuration
    summary = f"nnU-Net {configuration} of {parts.plans.dataset_name}: {classes}"
    return SegmentationSpec(
        name=name,
        version="0.0.0",
        summary=" ".join(summary.split())[:200],
        task="segmentation",
        network=parts.network,
        preprocessing=parts.preprocessing,
        labels=parts.labels,
        licence=licence,
        origin=Origin(kind="nnunet", name=" ".join(parts.plans.dataset_name.split())[:200], sha256=sha256),
    )


def _notes(parts: _Parts, *, fold: str) -> tuple[str, ...]:
    notes = [f"The network of {fold} alone: nnU-Net averages those of several folds where there are several."]
    if set(parts.preprocessing.mirror_axes or ()) == {0, 1, 2}:
        notes.append(
            "nnU-Net averages the predictions of mirror images unless told otherwise; medpipe does so where "
            f"the stage segment has mirror: [{', '.join(BODY_AXES)}]."
        )
    if not isinstance(parts.preprocessing.orientation, str):
        notes.append(
            "Images are taken as they lie, as nnU-Net does it: they must lie as those that it learned from."
        )
    notes.append("What nnU-Net found to be the best post-processing is not part of a model and not applied.")
    return tuple(notes)


def _card(parts: _Parts, spec: SegmentationSpec, notes: tuple[str, ...], *, folder: str) -> str:
    dataset = parts.dataset
    facts = {
        "": dataset.name or parts.plans.dataset_name,
        "training cases": dataset.num_training,
        "description": dataset.description,
        "reference": dataset.reference,
        "licence of the data": dataset.licence,
    }
    return imported_card(
        title=parts.plans.dataset_name,
        summary=spec.summary,
        data="; ".join(f"{key}: {value}".removeprefix(": ") for key, value in facts.items() if value),
        licence=spec.licence,
        figures="",
        limits=notes,
        command=shlex.join(
            ("medpipe", "models", "add", folder, "--name", spec.name, "--licence", spec.licence)
        ),
    )
