"""Parallel slices as headers state them: orientation, pixel spacing and order along the normal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import LPS_FROM_RAS, Array
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import GeometryCheck

ORIENTATION_TOLERANCE: Final = 1e-4
"""Largest deviation of a direction vector from unit length, and largest cosine between the two."""

SAME_POSITION_MM: Final = 1e-3
"""Slices closer than this lie at one position."""

_RAS_FROM_LPS: Final = LPS_FROM_RAS[:3, :3]


@dataclass(frozen=True, eq=False)
class Planes:
    """Parallel slices as their headers state them, in any order, in LPS.

    Attributes:
        orientation: ``(6,)`` ImageOrientationPatient; None where absent.
        pixel_spacing_mm: Between rows, then between columns; None where absent.
        positions_mm: ImagePositionPatient of each slice; None where absent.
        thickness_mm: SliceThickness of each slice; None where absent.
    """

    orientation: Sequence[float] | None
    pixel_spacing_mm: Sequence[float] | None
    positions_mm: Sequence[Sequence[float] | None]
    thickness_mm: Sequence[float | None]


def in_plane_steps(planes: Planes) -> Array:
    """Return the ``(3, 2)`` RAS mm steps along I and J.

    Raises:
        RefusedError: The orientation is not two perpendicular unit vectors (``E_ORIENTATION``), or the pixel
            spacing is missing, zero or not a number (``E_PIXEL_SPACING``).

    Source:
        PS3.3 C.7.6.2.1.1: a row runs along the first vector with the spacing between columns.
    """
    orientation_check(planes.orientation)
    spacing = _checked_spacing(planes.pixel_spacing_mm)
    directions = np.reshape(np.asarray(planes.orientation, dtype=np.float64), (2, 3)).T
    return np.asarray(_RAS_FROM_LPS @ directions * spacing[::-1], dtype=np.float64)


def order_along_normal(planes: Planes) -> npt.NDArray[np.intp]:
    """Return the order of the slices along their normal; slices at one position keep their order.

    Raises:
        RefusedError: A slice states no position (``E_POSITION``), or the cases of :func:`in_plane_steps`.
    """
    return np.argsort(positions_of(planes) @ normal_of(in_plane_steps(planes)), kind="stable")


def same_positions(planes: Planes) -> list[list[int]]:
    """Return the groups of two or more slices that lie at one position, as indices into ``planes``.

    Raises:
        RefusedError: The cases of :func:`order_along_normal`.
    """
    order = order_along_normal(planes)
    positions = positions_of(planes)[order]
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    runs = np.split(order, np.flatnonzero(steps > SAME_POSITION_MM) + 1)
    return [run.tolist() for run in runs if len(run) > 1]


def normal_of(in_plane: Array) -> Array:
    """Return the ``(3,)`` unit normal, right-handed with I and J."""
    normal = np.cross(in_plane[:, 0], in_plane[:, 1])
    return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)


def orientation_check(orientation: Sequence[float] | None) -> GeometryCheck:
    """Prove that row and column directions are perpendicular unit vectors."""
    directions = np.asarray(orientation if orientation is not None else (), dtype=np.float64)
    if directions.size != 6 or not np.isfinite(directions).all():
        raise RefusedError(
            Code.E_ORIENTATION,
            "The slices do not state their orientation",
            found="no ImageOrientationPatient" if orientation is None else "no six numbers",
        )
    row, column = directions.reshape(2, 3)
    off_length = float(np.abs(np.linalg.norm([row, column], axis=1) - 1).max())
    cosine = abs(float(row @ column))
    found = f"length off by {off_length:.2g}, cosine {cosine:.2g}"
    if max(off_length, cosine) > ORIENTATION_TOLERANCE:
        raise RefusedError(
            Code.E_ORIENTATION,
            "The orientation is not two perpendicular unit vectors",
            found=f"{found}, at most {ORIENTATION_TOLERANCE:g}",
            fix="Export the series again: ImageOrientationPatient is damaged.",
        )
    return GeometryCheck(
        name="row and column directions are perpendicular unit vectors",
        passed=True,
        found=found,
        limit=f"{ORIENTATION_TOLERANCE:g}",
    )


def _checked_spacing(spacing: Sequence[float] | None) -> Array:
    values = np.asarray(spacing if spacing is not None else (), dtype=np.float64)
    if values.size != 2 or not np.isfinite(values).all() or (values <= 0).any():
        raise RefusedError(
            Code.E_PIXEL_SPACING,
            "The slices state no usable PixelSpacing",
            found="none" if spacing is None else " x ".join(f"{value:g}" for value in values),
            fix="Export the series again: a size in mm cannot be guessed.",
        )
    return values


def positions_of(planes: Planes) -> Array:
    """Return the ``(S, 3)`` positions in RAS mm.

    Raises:
        RefusedError: A slice states none (``E_POSITION``).
    """
    lacking = sum(
        position is None or len(position) != 3 or not np.isfinite(position).all()
        for position in planes.positions_mm
    )
    if lacking:
        raise RefusedError(
            Code.E_POSITION,
            "Slices do not state their position in space",
            found=f"{lacking} of {len(planes.positions_mm)} slices without ImagePositionPatient",
            fix="Export the series again; the order of slices cannot be guessed.",
        )
    return np.asarray(np.asarray(planes.positions_mm, dtype=np.float64) @ _RAS_FROM_LPS, dtype=np.float64)
