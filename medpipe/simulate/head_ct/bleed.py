"""Blood as it is drawn into a head."""

from dataclasses import dataclass
from enum import StrEnum

from medpipe.simulate.head_ct.head_grid import HEAD_GRID, Box, Field


class BleedKind(StrEnum):
    """Where blood lies; the values are the names of the labels."""

    INTRACEREBRAL = "intracerebral_haemorrhage"
    INTRAVENTRICULAR = "intraventricular_haemorrhage"
    SUBARACHNOID = "subarachnoid_haemorrhage"


@dataclass(frozen=True, eq=False)
class Bleed:
    """Blood on a part of the head's fine grid.

    Attributes:
        box: The part.
        share: ``(I, J, K)`` of the part: share of blood in each voxel.
        rise: ``(I, J, K)`` HU by which blood raises the image.
    """

    box: Box
    share: Field
    rise: Field

    @property
    def volume_ml(self) -> float:
        """Volume of the blood."""
        return float(self.share.sum(dtype=float)) * HEAD_GRID.voxel_volume_ml
