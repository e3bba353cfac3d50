"""Checks of a case before it is learned from: grids and label values."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.grid import Grid
from medpipe.core.labels import BACKGROUND, MAX_LABEL
from medpipe.data.members import listed

MAX_OFFSET_VOXELS: Final = 0.05
"""Largest distance between the same voxel of two grids, in parts of the smallest spacing.

Far below what a label's edge can tell, and above what float32 quaternions of other writers are off by.
"""

_UNKNOWN_LABEL_FIX: Final = (
    "Name the label in the recipe, or correct the mask (interpolation makes values in between)."
)
_LABEL_FIX: Final = (
    f"Number the labels from 1 to at most {MAX_LABEL}; more structures need two models. Interpolation makes "
    "values in between."
)


def check_grids(case_id: str, grids: Mapping[str, Grid]) -> None:
    """Refuse a case whose images and mask do not lie on one grid.

    Args:
        case_id: For the message.
        grids: By name, such as ``"image"`` and ``"mask"``; all are held against the first.

    Raises:
        RefusedError: Names both grids and what to do (``E_GRID``).
    """
    (first_name, first), *others = grids.items()
    for name, grid in others:
        if not grid.matches(first, tolerance_mm=MAX_OFFSET_VOXELS * min(first.spacing)):
            raise RefusedError(
                Code.E_GRID,
                f"Case {case_id}: {first_name} and {name} lie on different grids",
                found=f"{first_name} {_described(first)}; {name} {_described(grid)}{_distance(first, grid)}",
                fix=_fix(first_name, first, name, grid),
            )


def checked_label_map(
    case_id: str, values: npt.NDArray[Any], known: Collection[int] | None = None
) -> npt.NDArray[np.uint8]:
    """Return a label map as uint8 after checking its values.

    Args:
        case_id: For the message.
        values: ``(I, J, K)`` numbers as read from a file.
        known: The label values that may occur beside 0; None accepts 1 to 255.

    Raises:
        RefusedError: A value is no integer from 0 to 255 or no known label; names the values and how many
            voxels have them (``E_LABEL``).
    """
    allowed = {BACKGROUND, *(range(1, MAX_LABEL + 1) if known is None else known)}
    is_label = np.isin(np.arange(MAX_LABEL + 1), list(allowed))
    with np.errstate(invalid="ignore"):  # what uint8 cannot hold differs afterwards, and is refused
        label_map = values.astype(np.uint8)
    bad = values[(label_map != values) | ~is_label[label_map]]
    if bad.size:
        found, counts = np.unique(bad, return_counts=True)
        unknown = [f"{value:g} in {count} voxels" for value, count in zip(found, counts, strict=True)]
        known_text = "integers from 0 to 255" if known is None else ", ".join(map(str, sorted(allowed)))
        raise RefusedError(
            Code.E_LABEL,
            f"Case {case_id}: the mask holds values that are no label (labels are {known_text})",
            found=listed(unknown),
            fix=_LABEL_FIX if known is None or found[-1] > MAX_LABEL else _UNKNOWN_LABEL_FIX,
        )
    return label_map


def _described(grid: Grid) -> str:
    """Return a grid in words; the affine is given by spacing, orientation and first voxel."""
    size = " x ".join(map(str, grid.shape))
    spacing = " x ".join(f"{step:.4g}" for step in grid.spacing)
    origin = ", ".join(f"{value:.2f}" for value in grid.affine[:3, 3])
    return f"{size} voxels of {spacing} mm, {grid.orientation}, first voxel at ({origin}) mm"


def _distance(first: Grid, second: Grid) -> str:
    if first.shape != second.shape:
        return ""
    offsets = np.linalg.norm(first.corners_mm() - second.corners_mm(), axis=1)
    return f"; corners up to {offsets.max():.3g} mm apart"


def _fix(first_name: str, first: Grid, name: str, grid: Grid) -> str:
    if first.shape == grid.shape:
        return f"If the {name} belongs to the {first_name}, copy the affine of the {first_name} to it."
    return f"Resample the {name} to the grid of the {first_name}; masks by the nearest voxel."
