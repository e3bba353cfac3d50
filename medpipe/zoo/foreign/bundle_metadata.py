"""What a bundle's ``metadata.json`` says of its input and its classes.

Source: MONAI bundle specification, "metadata.json File".
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, JsonValue

from medpipe.core.labels import LabelSpec
from medpipe.zoo.foreign.names import labels_of, plain_name
from medpipe.zoo.foreign.refusals import Refusals

_MODALITIES: Final = {
    "CT": re.compile(r"\bCT\b|hounsfield", re.IGNORECASE),
    "MR": re.compile(r"\bMRI?\b|magnitude", re.IGNORECASE),
}
"""What makers write for each DICOM modality."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Tensors(_Data):
    """The network's input or output.

    Attributes:
        channel_def: Name of each channel by its number.
        modality: As its maker wrote it.
        format: Such as ``"hounsfield"`` or ``"segmentation"``.
    """

    channel_def: dict[str, str]
    modality: str = ""
    format: str = ""


class _Inputs(_Data):
    image: Tensors


class _Outputs(_Data):
    pred: Tensors


class _Formats(_Data):
    inputs: _Inputs
    outputs: _Outputs


class Metadata(_Data):
    """``metadata.json``, as far as medpipe reads it; all but the formats is free text."""

    name: str = ""
    version: str
    task: str = ""
    description: str
    authors: str = ""
    copyright: str = ""
    data_source: str = ""
    intended_use: str = ""
    eval_metrics: JsonValue = None
    network_data_format: _Formats

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the input channels, in order, as medpipe writes them."""
        return tuple(
            plain_name(name) for name in _in_order(self.network_data_format.inputs.image.channel_def)
        )


def read_metadata(data: Any, refusals: Refusals) -> Metadata:
    """Read ``metadata.json``.

    Raises:
        RefusedItemError: Something that medpipe needs is missing or of another type.
    """
    return refusals.validated(Metadata, data, "metadata")


def read_modality(metadata: Metadata, refusals: Refusals) -> str:
    """Return the DICOM modality of the input.

    Raises:
        RefusedItemError: It is none that medpipe reads, or not stated.
    """
    image = metadata.network_data_format.inputs.image
    text = image.modality or image.format
    found = [code for code, pattern in _MODALITIES.items() if pattern.search(text)]
    if len(found) != 1:
        refusals.refuse("metadata#network_data_format#inputs#image#modality", repr(text), "write CT or MR")
    return found[0]


def read_labels(metadata: Metadata, refusals: Refusals) -> tuple[LabelSpec, ...]:
    """Return the classes behind the background; their codes are medpipe's own, as a bundle has none.

    Raises:
        RefusedItemError: Channels are not numbered from 0, 0 is not the background, or there are too many.
    """
    key = "metadata#network_data_format#outputs#pred#channel_def"
    channels = metadata.network_data_format.outputs.pred.channel_def
    if sorted(channels, key=lambda number: (len(number), number)) != [str(n) for n in range(len(channels))]:
        refusals.refuse(key, ", ".join(channels), "number the channels 0, 1, 2 ...")
    background, *names = _in_order(channels)
    if "background" not in background.lower():
        refusals.refuse(f"{key}#0", repr(background), "channel 0 must be the background, and be called so")
    return labels_of(names, key, refusals)


def _in_order(channels: Mapping[str, str]) -> list[str]:
    return [channels[number] for number in sorted(channels, key=lambda number: (len(number), number))]
