"""Patches: how those of an image that is larger than one lie, and how much each counts where they overlap."""

from enum import StrEnum
from typing import Final

DEFAULT_OVERLAP: Final = 0.5
"""Share of a patch in common with the next one, where neither a package nor its user states one."""


class PatchPlaces(StrEnum):
    """Where patches lie along an axis, the first at its start and the last at its end.

    Spread evenly between them, as in nnU-Net; or each a whole step behind the one before but for the last, as
    in MONAI.
    """

    EVEN = "even"
    STEPS = "steps"


class PatchWeights(StrEnum):
    """How much a patch counts at its voxels, by the distance from its centre.

    By a Gaussian along each axis; by that of all axes together, never below a thousandth, as in MONAI, whose
    patches count alike far from their centres; or everywhere alike.
    """

    GAUSSIAN = "gaussian"
    FLOORED = "floored"
    EQUAL = "equal"


class PatchCentre(StrEnum):
    """Where Gaussian weights are highest along an axis of even size.

    In the middle, between two voxels, and never below a thousandth along the axis; or at the second of these
    voxels and without a lower limit, as in nnU-Net. Where patches disagree this moves borders of labels.
    """

    MIDDLE = "middle"
    VOXEL = "voxel"
