"""Slice geometry: proven, repaired with a flag, or refused. Pure numpy, no files.

InstanceNumber and SliceThickness never enter it: slices lie where ImagePositionPatient puts them
(PS3.3 C.7.6.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import GeometryCheck, GeometryNote
from medpipe.io.dicom.planes import (
    SAME_POSITION_MM,
    Planes,
    in_plane_steps,
    normal_of,
    orientation_check,
    positions_of,
)
from medpipe.io.series import Form

EVEN_TOLERANCE: Final = 0.01
"""Deviation of a step from the mean step, as a part of it, up to which slices are even."""

UNEVEN_TOLERANCE: Final = 0.10
"""Deviation up to which a mean step is used, with a flag; beyond it there is no regular grid."""

ROUNDING_MM: Final = 0.01
"""Deviation of a step that headers with two decimals cause; never counted as uneven."""

TILT_NEGLIGIBLE_DEGREES: Final = 0.06
"""Angle between step and normal below which slices count as stacked straight."""

TILT_LIMIT_DEGREES: Final = 30.0
"""Largest gantry tilt that scanners reach."""

MULTIPLE_TOLERANCE: Final = 0.1
"""Deviation of a gap from a multiple of the smallest gap up to which slices count as missing."""


@dataclass(frozen=True, eq=False)
class SliceGeometry:
    """Proven geometry of slices in order along their normal, in RAS.

    Attributes:
        in_plane_mm: ``(3, 2)`` step to the next voxel along I, and along J.
        positions_mm: ``(S, 3)`` centre of voxel (0, 0) of each slice.
        thickness_mm: ``(S,)`` as the headers state it; NaN where they do not.
        affine: 4x4 voxel index to mm; None where the slices lie on no regular grid.
        checks: What was proven.
        notes: What was flagged.
    """

    in_plane_mm: Array
    positions_mm: Array
    thickness_mm: Array
    affine: Array | None
    checks: tuple[GeometryCheck, ...]
    notes: tuple[GeometryNote, ...]


def prove_geometry(planes: Planes, order: Sequence[int], *, form: Form) -> SliceGeometry:
    """Prove that slices can be read as a form.

    Args:
        planes: The slices, no two at one position.
        order: Indices into ``planes`` along the normal, see ``order_along_normal``.
        form: ``VOLUME`` refuses what lies on no regular grid; ``SLICES`` flags it.

    Raises:
        RefusedError: Tilt beyond any gantry (``E_TILT``), a missing slice (``E_GAP``), uneven slices or
            one slice without thickness for a volume (``E_SPACING``), or unusable planes.
    """
    in_plane = in_plane_steps(planes)
    positions = positions_of(planes)[order]
    thickness = np.array([planes.thickness_mm[index] or np.nan for index in order], dtype=np.float64)
    return judge_positions(
        in_plane, positions, thickness, form=form, checks=(orientation_check(planes.orientation),)
    )


def judge_positions(
    in_plane_mm: Array,
    positions_mm: Array,
    thickness_mm: Array,
    *,
    form: Form,
    checks: tuple[GeometryCheck, ...] = (),
) -> SliceGeometry:
    """Judge tilt and spacing of ordered slices.

    Args:
        in_plane_mm: ``(3, 2)`` RAS mm.
        positions_mm: ``(S, 3)`` RAS mm, ordered along the normal.
        thickness_mm: ``(S,)``, NaN where unknown.
        form: ``VOLUME`` or ``SLICES``.
        checks: What was proven before.

    Raises:
        RefusedError: See :func:`prove_geometry`.
    """
    if len(positions_mm) == 1:
        step, judged, notes = _single_slice(in_plane_mm, float(thickness_mm[0]), form)
    else:
        step, judged, notes = _several_slices(in_plane_mm, positions_mm, form)
    affine = None
    if step is not None:
        affine = np.eye(4)
        affine[:3, :2] = in_plane_mm
        affine[:3, 2] = step
        affine[:3, 3] = positions_mm[0]
    return SliceGeometry(in_plane_mm, positions_mm, thickness_mm, affine, (*checks, *judged), notes)


_Judgement = tuple[Array | None, tuple[GeometryCheck, ...], tuple[GeometryNote, ...]]
"""The step from slice to slice (None: no regular grid), the checks and the notes."""


def _single_slice(in_plane: Array, thickness: float, form: Form) -> _Judgement:
    has_thickness = np.isfinite(thickness) and thickness > 0
    if not has_thickness and form is Form.VOLUME:
        raise RefusedError(
            Code.E_SPACING,
            "The series has one slice and states no slice thickness, so its extent is not known",
            fix="Read it as slices (--slices, or form: slices in a pipeline).",
        )
    note = GeometryNote(
        code=Code.W_SINGLE_SLICE,
        message="The series has one slice; its extent along the normal is the slice thickness",
        found=f"{thickness:g} mm" if has_thickness else "no thickness",
    )
    return normal_of(in_plane) * thickness if has_thickness else None, (), (note,)


def _several_slices(in_plane: Array, positions: Array, form: Form) -> _Judgement:
    normal = normal_of(in_plane)
    steps = np.diff(positions, axis=0)
    mean_step = np.asarray((positions[-1] - positions[0]) / len(steps), dtype=np.float64)
    tilt, tilt_notes = _judge_tilt(mean_step, normal)
    gaps = steps @ normal
    deviations = _deviations(steps, mean_step, normal)
    unevenness = float(deviations.max()) / float(mean_step @ normal)
    is_even = unevenness <= EVEN_TOLERANCE or float(deviations.max()) <= ROUNDING_MM
    missing = _missing_slices(gaps) if unevenness > UNEVEN_TOLERANCE and not is_even else None
    checks = (
        GeometryCheck(
            name="slices are stacked along their normal",
            passed=not tilt_notes,
            found=f"{tilt:.2f} degrees",
            limit=f"{TILT_NEGLIGIBLE_DEGREES:g} degrees",
        ),
        GeometryCheck(
            name="slices are evenly spaced",
            passed=is_even,
            found=f"{_range_of(gaps)} mm, off by {100 * unevenness:.2g} %",
            limit=f"{100 * EVEN_TOLERANCE:g} %",
        ),
        GeometryCheck(
            name="no slice is missing", passed=missing is None, found=f"{_range_of(gaps)} mm apart"
        ),
    )
    if is_even:
        return mean_step, checks, tilt_notes
    if unevenness <= UNEVEN_TOLERANCE:
        return mean_step, checks, (*tilt_notes, _uneven_note(positions, mean_step))
    if form is Form.VOLUME:
        raise _no_grid(gaps, missing)
    return None, checks, (*tilt_notes, _irregular_note(gaps, missing))


def _deviations(steps: Array, mean_step: Array, normal: Array) -> Array:
    """Return how far each step is off: its length along the normal, and its slip sideways from the tilt.

    Sequential scans change their spacing along one tilted line: what slips is judged against that line.
    """
    gaps = steps @ normal
    line = mean_step / float(mean_step @ normal)
    slips = np.linalg.norm(steps - np.outer(gaps, line), axis=1)
    return np.asarray(np.hypot(gaps - gaps.mean(), slips), dtype=np.float64)


def _judge_tilt(mean_step: Array, normal: Array) -> tuple[float, tuple[GeometryNote, ...]]:
    along = float(mean_step @ normal)
    sideways = float(np.linalg.norm(mean_step - along * normal))
    # Without a step along the normal the slices lie in one plane, whatever their sideways steps add up to.
    tilt = float(np.degrees(np.arctan2(sideways, along))) if along > SAME_POSITION_MM else 90.0
    if tilt > TILT_LIMIT_DEGREES:
        raise RefusedError(
            Code.E_TILT,
            "The slices are sheared beyond any gantry tilt",
            found=f"{tilt:.1f} degrees between step and normal, at most {TILT_LIMIT_DEGREES:g}",
            fix="Check that the position and orientation of the slices belong together.",
        )
    if tilt <= TILT_NEGLIGIBLE_DEGREES:
        return tilt, ()
    note = GeometryNote(
        code=Code.W_TILT,
        message="The gantry was tilted; the sheared affine is kept",
        found=f"{tilt:.2f} degrees",
    )
    return tilt, (note,)


def _missing_slices(gaps: Array) -> int | None:
    """Return the index of the first gap that slices are missing from; None where gaps are uneven otherwise.

    Wide gaps stand alone where slices were lost; in a row they are a part scanned with wider spacing.
    """
    if gaps.min() <= SAME_POSITION_MM:
        return None
    multiples = gaps / gaps.min()
    is_wide = np.rint(multiples) > 1
    in_a_row = bool((is_wide[1:] & is_wide[:-1]).any())
    if np.abs(multiples - np.rint(multiples)).max() > MULTIPLE_TOLERANCE or in_a_row or not is_wide.any():
        return None
    return int(np.argmax(is_wide))


def _no_grid(gaps: Array, missing: int | None) -> RefusedError:
    if missing is None:
        return RefusedError(
            Code.E_SPACING,
            "The slices are not evenly spaced",
            found=f"{_range_of(gaps)} mm between neighbours",
            fix="Keep the slices as they are (--slices, or form: slices in a pipeline), "
            "or resample (load: {regrid: true}).",
        )
    return RefusedError(
        Code.E_GAP,
        f"A slice seems to be missing: slices lie {gaps.min():.2f} mm apart",
        found=f"{gaps[missing]:.2f} mm between slices {missing + 1} and {missing + 2}",
        fix="Fetch the series again, or resample with load: {regrid: true}.",
    )


def _irregular_note(gaps: Array, missing: int | None) -> GeometryNote:
    if missing is None:
        return GeometryNote(
            code=Code.W_SPACING,
            message="The slices are not evenly spaced; each keeps its own position",
            found=f"{_range_of(gaps)} mm between neighbours",
        )
    return GeometryNote(
        code=Code.W_GAP,
        message=f"A slice seems to be missing; slices lie {gaps.min():.2f} mm apart",
        found=f"{gaps[missing]:.2f} mm between slices {missing + 1} and {missing + 2}",
    )


def _uneven_note(positions: Array, mean_step: Array) -> GeometryNote:
    on_grid = positions[0] + np.arange(len(positions))[:, None] * mean_step
    error = float(np.linalg.norm(positions - on_grid, axis=1).max())
    return GeometryNote(
        code=Code.W_SPACING,
        message="The slices are slightly uneven; the mean step is used",
        found=f"mean step {np.linalg.norm(mean_step):.4g} mm, largest position error {error:.3g} mm",
    )


def _range_of(gaps: Array) -> str:
    low, high = f"{gaps.min():.4g}", f"{gaps.max():.4g}"
    return low if low == high else f"{low} to {high}"
