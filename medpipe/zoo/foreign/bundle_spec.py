"""From the parts of a bundle to a package: channels, labels and network must agree with each other."""

import json
import re
import shlex
from typing import NamedTuple

from pydantic import ValidationError

from medpipe.core.labels import LabelSpec
from medpipe.core.network_grid import WayBack
from medpipe.core.patches import PatchPlaces
from medpipe.core.preprocessing import Channel, Preprocessing
from medpipe.zoo.foreign.bundle_metadata import Metadata
from medpipe.zoo.foreign.bundle_prediction import Patches
from medpipe.zoo.foreign.bundle_steps import Steps
from medpipe.zoo.foreign.imported_card import imported_card
from medpipe.zoo.foreign.names import plain_name
from medpipe.zoo.foreign.refusals import Refusals
from medpipe.zoo.manifest import NetworkSpec, Origin, SegmentationSpec


class BundleParts(NamedTuple):
    """What the files of a bundle say, each part read alone.

    Attributes:
        metadata: Of ``metadata.json``.
        modality: DICOM modality of the input.
        labels: Classes behind the background.
        network: The network.
        steps: The preprocessing.
        patches: The inferer.
        way_back: What the postprocessing brings to the image's grid.
    """

    metadata: Metadata
    modality: str
    labels: tuple[LabelSpec, ...]
    network: NetworkSpec
    steps: Steps
    patches: Patches
    way_back: WayBack


def read_preprocessing(parts: BundleParts, refusals: Refusals) -> Preprocessing:
    """Return the preprocessing of all parts together.

    Raises:
        RefusedItemError: Its values do not agree.
    """
    steps = parts.steps
    if any(size > patch for size, patch in zip(steps.pad_shape, parts.patches.shape, strict=False)):
        refusals.add("preprocessing SpatialPadd", steps.pad_shape, "medpipe pads to the inferer's roi_size")
    channels = _channels(parts, refusals)
    _check_count("in_channels", len(channels), parts.network, refusals)
    _check_count("out_channels", 1 + len(parts.labels), parts.network, refusals)
    try:
        return Preprocessing.model_validate(
            {
                "channels": channels,
                "orientation": steps.orientation,
                "spacing_mm": steps.spacing_mm,
                "spacing_grid": steps.spacing_grid,
                "way_back": parts.way_back,
                "patch_shape": parts.patches.shape,
                "patch_overlap": parts.patches.overlap,
                "patch_places": PatchPlaces.STEPS,
                "patch_weights": parts.patches.weights,
                "multiple_of": steps.multiple_of,
            }
        )
    except ValidationError as error:
        refusals.refuse("preprocessing", error.errors()[0]["msg"], "make them agree")


def package_spec(
    parts: BundleParts, preprocessing: Preprocessing, *, name: str, licence: str, sha256: str, title: str
) -> SegmentationSpec:
    """Return what the manifest will say."""
    metadata = parts.metadata
    summary = " ".join((metadata.description or title).split())[:200]
    return SegmentationSpec(
        name=name,
        version=metadata.version if re.fullmatch(r"\d{1,5}(\.\d{1,5}){2}", metadata.version) else "0.0.0",
        summary=summary,
        task="segmentation",
        network=parts.network,
        preprocessing=preprocessing,
        labels=parts.labels,
        licence=licence,
        origin=Origin(
            kind="monai-bundle", name=title, version=" ".join(metadata.version.split())[:50], sha256=sha256
        ),
    )


def bundle_card(metadata: Metadata, spec: SegmentationSpec, notes: list[str], *, folder: str) -> str:
    """Return the card of an imported bundle.

    Args:
        metadata: What its makers say.
        spec: What it became.
        notes: What medpipe does in another way.
        folder: Name of the bundle's folder.
    """
    figures = json.dumps(metadata.eval_metrics, ensure_ascii=False) if metadata.eval_metrics else ""
    use = [f"Intended use, as its makers state: {metadata.intended_use}"] if metadata.intended_use else []
    return imported_card(
        title=spec.origin.name if spec.origin else spec.name,
        summary=f"{metadata.description} ({metadata.task})" if metadata.task else metadata.description,
        data=metadata.data_source,
        licence=f"{spec.licence}. {metadata.copyright}. {metadata.authors}",
        figures=figures,
        limits=[*notes, *use],
        command=shlex.join(
            ("medpipe", "models", "add", folder, "--name", spec.name, "--licence", spec.licence)
        ),
    )


def _channels(parts: BundleParts, refusals: Refusals) -> list[Channel]:
    """Return the input channels: one of each image, or all those of the only image."""
    steps = parts.steps
    if len(steps.keys) > 1:
        named = [(plain_name(key), steps.rules[key]) for key in steps.keys]
    else:
        key = steps.keys[0]
        names = parts.metadata.channels if len(parts.metadata.channels) > 1 else (plain_name(key),)
        named = [(name, steps.rules[key]) for name in names]
        if len(names) > 1 and not steps.rules[key].by_channel:
            refusals.add(
                f"preprocessing of {key}", "channel_wise is false", "medpipe scales each channel by itself"
            )
    return [Channel(name=name, modality=parts.modality, intensity=rule.intensity) for name, rule in named]


def _check_count(argument: str, expected: int, network: NetworkSpec, refusals: Refusals) -> None:
    default = 1 if argument == "in_channels" else 2
    found = network.arguments.get(argument, default)
    if found != expected:
        refusals.add(f"network_def#{argument}", found, f"the metadata and preprocessing name {expected}")
