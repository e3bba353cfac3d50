"""Reading an indexed image into a value, whatever its format."""

from dataclasses import replace
from typing import Final

import numpy as np

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.planar import Planar
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import SourceKind
from medpipe.core.volume import Volume
from medpipe.io.dicom.read import read_dicom
from medpipe.io.dicom.write import slices_of
from medpipe.io.nifti import read_nifti
from medpipe.io.nifti_forms import FormName
from medpipe.io.pictures import read_picture
from medpipe.io.series import DEFAULT_LIMITS, Form, Limits, Series

_FORMS_OF_KIND: Final = {
    SourceKind.NIFTI: frozenset({Form.VOLUME, Form.SLICES}),
    SourceKind.PICTURE: frozenset({Form.PLANAR}),
}


def read_series(
    series: Series,
    *,
    form: Form,
    limits: Limits = DEFAULT_LIMITS,
    prefer_form: FormName | None = None,
    workers: int | None = None,
) -> Volume | SliceStack | Planar:
    """Read one image of a study, verified to its last byte.

    Args:
        series: From :func:`medpipe.io.tree.index_tree`.
        form: What it is read into; slices of a NIfTI image lie along its third axis.
        limits: Checked before anything is allocated.
        prefer_form: For NIfTI whose qform and sform differ: the one to follow; None refuses it.
        workers: Slices of a DICOM series decoded at a time; the reader chooses where None.

    Raises:
        RefusedError: The image is at fault, or it cannot take that form (``E_KIND``).
        OSError: A file cannot be read.
    """
    if series.refusal is not None:
        raise series.refusal
    if series.kind is SourceKind.DICOM:
        return read_dicom(series, form=form, limits=limits, workers=workers)
    if form not in _FORMS_OF_KIND[series.kind]:
        raise RefusedError(
            Code.E_KIND,
            f"A {series.kind.value} file cannot be read as {form.value}",
            found=f"a {series.form.value} image",
            fix="Choose a pipeline that takes such images.",
        )
    if series.kind is SourceKind.NIFTI:
        volume = read_nifti(series, limits=limits, prefer_form=prefer_form)
        return volume if form is Form.VOLUME else slices_of(_ascending(volume))
    return read_picture(series, limits=limits)


def _ascending(volume: Volume) -> Volume:
    """Reverse the third axis where it runs against the normal of the first two."""
    if np.linalg.det(volume.affine[:3, :3]) > 0:
        return volume
    affine = volume.affine.copy()
    affine[:3, 3] += (volume.array.shape[3] - 1) * affine[:3, 2]
    affine[:3, 2] *= -1
    return replace(volume, array=volume.array.flip(3), affine=affine)
