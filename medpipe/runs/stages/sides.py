"""Both sides of an image: the roles of the images that ``locate`` cuts out of it."""

from typing import Final

from medpipe.core.case import Case
from medpipe.core.findings import Laterality

SIDES: Final = (Laterality.LEFT, Laterality.RIGHT)


def side_role(role: str, side: Laterality) -> str:
    """Return the role of one side of the image in ``role``."""
    return f"{role}_{side.value}"


def sides_of(case: Case, role: str) -> tuple[Laterality, ...]:
    """Return the sides that were cut out of an image."""
    return tuple(side for side in SIDES if side_role(role, side) in case.images)


def is_side(case: Case, role: str) -> bool:
    """Return whether an image is one side of another one."""
    return any(role == side_role(whole, side) for whole in case.images for side in SIDES)
