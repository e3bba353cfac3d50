"""Steps: what a bundle's preprocessing does, as far as it was read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from medpipe.core.network_grid import SpacingGrid
from medpipe.core.preprocessing import Intensity
from medpipe.zoo.foreign.component import Component


class Rule(NamedTuple):
    """Intensity rule of one key.

    Attributes:
        intensity: In medpipe's terms.
        by_channel: Whether channels of one image do not influence each other.
    """

    intensity: Intensity
    by_channel: bool


@dataclass
class Steps:
    """What the transforms do, as far as they were read.

    Attributes:
        keys: Images that are loaded.
        current: Those that the current transform changes.
        scaled: Those that have an intensity transform, read or refused.
        orientation: Axis codes.
        spacing_mm: Spacing along the axes of ``orientation``; None keeps the image's own.
        spacing_grid: How voxels of that spacing lie.
        rules: Intensity rule of each key.
        pad_shape: Least size after padding.
        multiple_of: Padded sizes are multiples of this.
        joined: Key that all were joined into.
        notes: What medpipe does in another way.
    """

    keys: tuple[str, ...] = ()
    current: tuple[str, ...] = ()
    scaled: set[str] = field(default_factory=set)
    orientation: str | None = None
    spacing_mm: tuple[float, ...] | None = None
    spacing_grid: SpacingGrid = SpacingGrid.FIRST_VOXEL
    rules: dict[str, Rule] = field(default_factory=dict)
    pad_shape: tuple[int, ...] = ()
    multiple_of: int = 1
    joined: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether they give a network's input."""
        has_channels = bool(self.keys) and all(key in self.rules for key in self.keys)
        return has_channels and self.orientation is not None and (len(self.keys) == 1 or bool(self.joined))


Reader = Callable[[Component, Steps], None]
"""Reads the arguments of one transform into the steps."""
