"""Where a NIfTI image lies: its qform and sform, compared and turned into one affine."""

import math
from itertools import product
from typing import Final, Literal, NamedTuple

import numpy as np
from nibabel.quaternions import quat2mat

from medpipe.core.affine import Array, apply_affine, checked_affine, spacing_of
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import GeometryCheck, GeometryNote
from medpipe.io.nifti_header import NiftiHeader

FormName = Literal["sform", "qform"]

FORMS_TOLERANCE_MM: Final = 1e-3
"""Largest distance between the places that qform and sform give to a corner of the image."""

_QUATERNION_ROUNDING: Final = 4 * float(np.finfo(np.float32).eps)
"""Error of 1 - b² - c² - d² where b, c and d were stored as float32."""

_UNITS_MM: Final = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Spatial part of ``xyzt_units``: unknown, metre, millimetre, micrometre."""

_SPATIAL_UNIT_BITS: Final = 0x07


class Placement(NamedTuple):
    """Where an image lies in RAS mm, and what supports it."""

    affine: Array
    checks: tuple[GeometryCheck, ...]
    notes: tuple[GeometryNote, ...]


def placement_of(
    header: NiftiHeader, *, prefer_form: FormName | None = None, allow_missing_form: bool = True
) -> Placement:
    """Return the affine that the header proves.

    Args:
        header: From :func:`medpipe.io.nifti_header.parse_header`.
        prefer_form: The form to follow where the two differ; None refuses such files.
        allow_missing_form: Accept files that state no orientation, with a flag.

    Raises:
        RefusedError: ``E_AFFINE``, ``E_FORMS`` or ``E_NO_FORM``.
    """
    codes = {"sform": int(header.raw["sform_code"]), "qform": int(header.raw["qform_code"])}
    stated = GeometryCheck(
        name="orientation stated",
        passed=any(codes.values()),
        found=f"sform code {codes['sform']}, qform code {codes['qform']}",
        limit="one code above 0",
    )
    if all(codes.values()):
        placement = _from_both(header, prefer_form)
    elif any(codes.values()):
        affine = _sform(header) if codes["sform"] else _qform(header)
        placement = Placement(checked_affine(affine), (), ())
    else:
        placement = _from_none(header, allow_missing_form)
    spacing = " x ".join(f"{step:g}" for step in spacing_of(placement.affine))
    regular = GeometryCheck(name="affine is regular", passed=True, found=f"voxels of {spacing} mm")
    return placement._replace(checks=(regular, stated, *placement.checks))


def forms_distance(header: NiftiHeader) -> tuple[float, float]:
    """Compare the two forms.

    Returns:
        The largest distance in mm between the places they give to an outer corner of the image, and how
        large it may be: ``FORMS_TOLERANCE_MM`` and what the rounding of the quaternion explains. Near
        half turns that is some hundredths of a millimetre, in files that every converter writes.
    """
    corners = list(product(*[(-0.5, size - 0.5) for size in header.grid_shape]))

    def apart(first: Array, second: Array) -> float:
        steps = apply_affine(first, corners) - apply_affine(second, corners)
        return float(np.linalg.norm(steps, axis=1).max())

    rounding = apart(_qform(header, _QUATERNION_ROUNDING), _qform(header, -_QUATERNION_ROUNDING))
    return apart(_qform(header), _sform(header)), FORMS_TOLERANCE_MM + rounding


def _from_both(header: NiftiHeader, prefer_form: FormName | None) -> Placement:
    if prefer_form is None:
        checked_affine(_qform(header))
    affine = checked_affine(_qform(header) if prefer_form == "qform" else _sform(header))
    distance_mm, limit_mm = forms_distance(header)
    agree = distance_mm <= limit_mm
    found = f"{distance_mm:.3g} mm"
    check = GeometryCheck(name="qform and sform agree", passed=agree, found=found, limit=f"{limit_mm:.3g} mm")
    if agree:
        return Placement(affine, (check,), ())
    if prefer_form is None:
        raise RefusedError(
            Code.E_FORMS,
            "qform and sform place the image differently",
            found=f"{found} apart at the worst corner",
            fix="Find out which one is right, then prefer it (prefer_form: sform or qform).",
        )
    note = GeometryNote(code=Code.W_FORMS, message=f"The {prefer_form} was followed", found=found)
    return Placement(affine, (check,), (note,))


def _from_none(header: NiftiHeader, allow_missing_form: bool) -> Placement:
    if not allow_missing_form:
        raise RefusedError(
            Code.E_NO_FORM,
            "The NIfTI header states no orientation",
            found="qform and sform codes of 0",
            fix="Convert the scan again from its DICOM source.",
        )
    note = GeometryNote(
        code=Code.W_NO_FORM,
        message="The header states no orientation: left and right are not known",
        found="qform and sform codes of 0",
    )
    return Placement(checked_affine(_in_mm(header, header.raw.get_base_affine())), (), (note,))


def _sform(header: NiftiHeader) -> Array:
    rows = [header.raw[f"srow_{axis}"] for axis in "xyz"]
    return _in_mm(header, np.vstack([*rows, [0, 0, 0, 1]]))


def _qform(header: NiftiHeader, rounding: float = 0.0) -> Array:
    b, c, d = (float(header.raw[f"quatern_{axis}"]) for axis in "bcd")
    a = math.sqrt(max(0.0, 1 - b * b - c * c - d * d + rounding)) if math.isfinite(b + c + d) else math.nan
    pixdim = np.asarray(header.raw["pixdim"][:4], dtype=np.float64)
    affine = np.eye(4)
    affine[:3, :3] = quat2mat([a, b, c, d]) * pixdim[1:]
    # The standard: qfac is -1 or, for any other value, 1.
    affine[:3, 2] *= -1 if pixdim[0] < 0 else 1
    affine[:3, 3] = [float(header.raw[f"qoffset_{axis}"]) for axis in "xyz"]
    return _in_mm(header, affine)


def _in_mm(header: NiftiHeader, affine: Array) -> Array:
    unit = _UNITS_MM.get(int(header.raw["xyzt_units"]) & _SPATIAL_UNIT_BITS, 1.0)
    return np.diag([unit, unit, unit, 1.0]) @ np.asarray(affine, dtype=np.float64)
