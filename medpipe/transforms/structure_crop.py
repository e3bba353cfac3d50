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
from medpipe.core.errors import RefusedError
from medpipe.core.findings import Laterality
from medpipe.core.grid import Grid
from medpipe.core.source import Source
from medpipe.core.volume import Volume
from medpipe.transforms.registration import Registration

Point = tuple[float, float, float]
LabelMap = npt.NDArray[np.integer[Any]]

_DECIMALS: Final = 4
"""Of a voxel: what rounding has moved by less lies where it would lie without it."""


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
        volume: Its voxels.
        is_cut: Whether the box reaches beyond the field of view of the head.
    """

    volume: Volume
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

    Nothing is interpolated. The box turns as the head does and sits where the affine puts its middle, but
    keeps its size in mm: what is measured in the crop is measured on the grid of the scan.

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
    box = box_in_head(head.grid, registration, structure, side, margin_mm=margin_mm)
    lower = np.maximum(box.lower, 0)
    upper = np.minimum(box.upper, head.grid.shape)
    return Crop(_part_of(head, lower, upper), box.is_cut_by(head.grid))


@dataclass(frozen=True, eq=False)
class VoxelBox:
    """The voxels of a head around a structure, also such as lie beyond its field of view.

    Attributes:
        lower: First voxel along each axis.
        upper: The voxel after the last.
    """

    lower: npt.NDArray[np.intp]
    upper: npt.NDArray[np.intp]

    def is_cut_by(self, head: Grid) -> bool:
        """Whether it reaches beyond the field of view."""
        return bool((self.lower < 0).any() or (self.upper > head.shape).any())


def box_in_head(
    head: Grid, registration: Registration, structure: PairedStructure, side: Laterality, *, margin_mm: float
) -> VoxelBox:
    """Return the smallest box of voxels that holds the turned box of a structure; see :func:`crop_structure`.

    Raises:
        RefusedError: Its middle lies outside of the field of view (``E_REGISTRATION``).
    """
    centre = np.array(structure.centre_on(side))
    reach = np.array(structure.size_mm) / 2 + margin_mm
    template_from_head = inverse_of(registration.rigid_about(structure.centre_on(side)))
    box = boxes_to_voxels([[*(centre - reach), *(centre + reach)]], template_from_head @ head.affine)[0]
    middle = (box[:3] + box[3:]) / 2
    if (middle < 0).any() or (middle > head.shape).any():
        raise _outside(head, apply_affine(head.affine, middle - 0.5), side)
    return VoxelBox(np.floor(box[:3]).astype(np.intp), np.ceil(box[3:]).astype(np.intp))


def paste_labels(labels: LabelMap, crop: Grid, head: Grid) -> LabelMap:
    """Put a label map of a crop back into the head.

    Args:
        labels: ``(I, J, K)`` integers on the grid of the crop.
        crop: Where they lie; where its voxels are not those of the head, the nearest one counts.
        head: Grid that the crop was cut from.

    Returns:
        A label map of the head's shape, 0 outside of the crop; ``labels`` itself where the grids are one.
    """
    if crop.matches(head):
        return labels
    pasted = np.zeros(head.shape, dtype=labels.dtype)
    corners = head.to_voxels(crop.corners_mm())
    lower = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, head.shape)
    upper = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, 0, head.shape)
    voxels = np.stack(np.meshgrid(*map(np.arange, lower, upper), indexing="ij"), axis=-1)
    nearest = crop.to_voxels(head.to_world_mm(voxels.reshape(-1, 3))).round(_DECIMALS).round().astype(int)
    is_inside = ((nearest >= 0) & (nearest < labels.shape)).all(axis=1)
    values = np.zeros(len(nearest), dtype=labels.dtype)
    values[is_inside] = labels[tuple(nearest[is_inside].T)]
    part = tuple(slice(*ends) for ends in zip(lower, upper, strict=True))
    pasted[part] = values.reshape(voxels.shape[:3])
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
