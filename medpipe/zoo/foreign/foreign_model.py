"""What is read from a model of another toolkit: all that a package is written from."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from medpipe.zoo.manifest import SegmentationSpec


@dataclass(frozen=True, eq=False)
class ForeignModel:
    """A model of another toolkit in medpipe's terms.

    Attributes:
        spec: What the package's manifest will say.
        state: State of the network that ``spec`` names.
        card: Markdown with the sections of :data:`medpipe.zoo.card.SECTIONS`.
        licence: Text of the licence.
        notes: What differs from the original or was left out, a sentence each.
    """

    spec: SegmentationSpec
    state: Mapping[str, Tensor]
    card: str
    licence: str
    notes: tuple[str, ...] = ()
