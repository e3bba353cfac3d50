"""Crops around a structure: its box in the template, moved rigidly into a head, cut from its grid."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import apply_affine, inverse_of
from medpipe.core.boxes import boxes_to_voxels
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, ShapeError
from medpipe.core.findings import Laterality
from medpipe.core.grid import Grid
from medpipe.core.source import Source
from medpipe.core.volume import Volume
from medpipe.transforms.registration import Registration

Point = tuple[float, float, float]
LabelMap = npt.NDArray[np.integer[Any]]

_SAME_VOXEL: Final = 1e-3
"""Fraction of a voxel by which rounding may move the corner of a crop."""


@dataclass(frozen=True)
class PairedStructure:
    """A structure that lies on both sides of the template alike.

    Attributes:
        centre_mm: Middle of its box on the right side, RAS mm in MNI space.
        size_mm: Extent of its box along the axes of MNI space.
    """

    centre_mm: Point
    size_mm: Point

    def centre_on(self, side: Laterality) -> Point:
        """Return the middle of the box on one side."""
        x, y, z = self.centre_mm
        return (-x if side is Laterality.LEFT else x), y, z


STRUCTURES: Final[Mapping[str, PairedStructure]] = MappingProxyType(
    # The mean size of the crops of the Medical Segmentation Decathlon, Task04.
    {"hippocampus": PairedStructure(centre_mm=(26.0, -20.0, -15.0), size_mm=(36.0, 50.0, 36.0))}
)


@dataclass(frozen=True, eq=False)
class Crop:
    """Part of a head.

    Attributes:
        volume: Voxels of the head as they are, nothing interpolated.
        lower: Voxel of the head where the crop begins.
        is_cut: Whether the box reaches beyond the field of view of the head.
    """

    volume: Volume
    lower: tuple[int, int, int]
    is_cut: bool


def crop_structure(
    head: Volume,
    registration: Registration,
    structure: PairedStructure,
    side: Laterality,
    *,
    margin_mm: float,
) -> Crop:
    """Cut the voxels around a structure.

    The box turns as the head does and sits where the affine puts its middle, but keeps its size in mm:
    what is measured in the crop is measured on the grid of the scan.

    Args:
        head: The registered head, any orientation.
        registration: Where the template lies in it.
        structure: What to cut out.
        side: ``LEFT`` or ``RIGHT`` of the patient.
        margin_mm: Added on every side of the box.

    Returns:
        The smallest crop that holds all eight corners of the box, as far as the field of view reaches.

    Raises:
        RefusedError: The middle of the box lies outside of the field of view (``E_REGISTRATION``).
    """
    centre = np.array(structure.centre_on(side))
    reach = np.array(structure.size_mm) / 2 + margin_mm
    template_from_head = inverse_of(registration.rigid_about(structure.centre_on(side)))
    box = boxes_to_voxels([[*(centre - reach), *(centre + reach)]], template_from_head @ head.affine)[0]
    shape = np.array(head.grid.shape)
    middle = (box[:3] + box[3:]) / 2
    if (middle < 0).any() or (middle > shape).any():
        raise _outside(head.grid, apply_affine(head.affine, middle - 0.5), side)
    wanted_lower, wanted_upper = np.floor(box[:3]).astype(int), np.ceil(box[3:]).astype(int)
    lower, upper = np.maximum(wanted_lower, 0), np.minimum(wanted_upper, shape)
    is_cut = bool((lower > wanted_lower).any() or (upper < wanted_upper).any())
    i, j, k = (int(value) for value in lower)
    return Crop(_part_of(head, lower, upper), (i, j, k), is_cut)


def paste_labels(labels: LabelMap, crop: Grid, head: Grid) -> LabelMap:
    """Put a label map of a crop back into the head.

    Args:
        labels: ``(I, J, K)`` integers on the grid of the crop.
        crop: Where they lie.
        head: Grid that the crop was cut from.

    Returns:
        A label map of the head's shape, 0 outside of the crop.

    Raises:
        ShapeError: The crop's voxels are not voxels of the head, or lie outside of it.
    """
    corner = head.to_voxels(crop.affine[:3, 3])
    lower = corner.round().astype(int)
    upper = lower + labels.shape
    is_part = np.allclose(corner, lower, atol=_SAME_VOXEL) and np.allclose(
        crop.affine[:3, :3], head.affine[:3, :3]
    )
    if not is_part or (lower < 0).any() or (upper > head.shape).any():
        raise ShapeError("The crop is no part of the head", found=f"its corner at voxel {corner.round(2)}")
    pasted = np.zeros(head.shape, dtype=labels.dtype)
    pasted[tuple(slice(*ends) for ends in zip(lower, upper, strict=True))] = labels
    return pasted


def _part_of(head: Volume, lower: np.ndarray, upper: np.ndarray) -> Volume:
    (i0, j0, k0), (i1, j1, k1) = lower.tolist(), upper.tolist()
    affine = head.affine.copy()
    affine[:3, 3] = apply_affine(head.affine, lower)
    # A copy: a view would keep the whole head in memory.
    array = head.array[:, i0:i1, j0:j1, k0:k1].clone()
    return replace(head, array=array, affine=affine, source=_slices_of(head.source, head.grid, k0, k1))


def _slices_of(source: Source, grid: Grid, first: int, stop: int) -> Source:
    """Return the source with the SOP instances of the slices that are left.

    Checks and notes stay with the head, where they were made: a report tells each of them once.
    """
    has_slices = len(source.instances) == grid.shape[2]
    instances = source.instances[first:stop] if has_slices else source.instances
    return source.model_copy(update={"instances": instances, "checks": (), "notes": ()})


def _outside(grid: Grid, middle_mm: np.ndarray, side: Laterality) -> RefusedError:
    extent = " x ".join(f"{value:.0f}" for value in grid.field_of_view_mm)
    return RefusedError(
        Code.E_REGISTRATION,
        f"The structure on the {side.value} lies outside of the field of view",
        found=f"its middle at {', '.join(f'{value:.0f}' for value in middle_mm)} mm in a scan of {extent} mm",
        fix="Give a T1 scan of the whole head.",
    )
