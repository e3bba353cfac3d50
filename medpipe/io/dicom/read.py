"""Reading a DICOM series into the value that a stage takes."""

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.planar import Planar
from medpipe.core.slice_stack import SliceStack
from medpipe.core.volume import Volume
from medpipe.io.dicom.budget import check_pixels
from medpipe.io.dicom.headers import Header, read_header
from medpipe.io.dicom.radiograph import read_radiograph
from medpipe.io.dicom.slices import read_slices
from medpipe.io.series import DEFAULT_LIMITS, Form, Limits, Series


def read_dicom(
    series: Series,
    *,
    form: Form,
    limits: Limits = DEFAULT_LIMITS,
    workers: int | None = None,
    hash_files: bool = True,
) -> SliceStack | Volume | Planar:
    """Read one series.

    Args:
        series: As ``split_series`` gives it.
        form: ``VOLUME`` or ``SLICES`` for cross-sectional images, ``PLANAR`` for radiographs.
        limits: Budgets that hold before anything is allocated.
        workers: Threads or processes; as many as there are usable cores where None.
        hash_files: Whether the source record of a series gets its sha256, which takes a third of the time
            of uncompressed files.

    Returns:
        A value of the form: float32, HU for CT. Axis I runs along the columns of a slice, J along its rows, K
        along the slices.

    Raises:
        RefusedError: The series cannot be read as that form; the code says why.
        OSError: A file cannot be opened or read.
    """
    if series.refusal is not None:
        raise series.refusal
    if (form is Form.PLANAR) != (series.form is Form.PLANAR):
        raise RefusedError(
            Code.E_KIND,
            f"The series cannot be read as {form}",
            found=f"a series of form {series.form}",
        )
    headers = [read_header(path) for path in series.files]
    _require_unchanged(series, headers)
    check_pixels(headers, limits)
    if form is Form.PLANAR:
        return read_radiograph(headers[0])
    if headers[0].is_multiframe:
        # highdicom takes seconds to import; single-frame files do not need it.
        from medpipe.io.dicom.multiframe import read_multiframe

        return read_multiframe(headers[0], form=form)
    return read_slices(headers, form=form, workers=workers, hash_files=hash_files)


def _require_unchanged(series: Series, headers: list[Header]) -> None:
    num_bytes = sum(header.num_bytes for header in headers)
    sizes = {(header.pixels.columns, header.pixels.rows) for header in headers if header.pixels is not None}
    if num_bytes != series.num_bytes or sizes != {series.size}:
        raise RefusedError(
            Code.E_CHANGED,
            "The files changed since they were indexed",
            found=f"{num_bytes} bytes, {series.num_bytes} before",
            fix="Run again once they are complete.",
        )
