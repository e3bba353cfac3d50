"""Series of one slice a file: sorted, proven, freed of copies, decoded."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import GeometryCheck, GeometryNote, Source
from medpipe.core.volume import Volume
from medpipe.io.content_hash import sha256_of_digests
from medpipe.io.dicom.decoding import load_frames
from medpipe.io.dicom.frames import Frame
from medpipe.io.dicom.geometry import SliceGeometry, judge_positions, prove_geometry
from medpipe.io.dicom.headers import Header
from medpipe.io.dicom.planes import Planes, order_along_normal, same_positions
from medpipe.io.dicom.provenance import source_of
from medpipe.io.series import Form


def read_slices(
    headers: Sequence[Header], *, form: Form, workers: int | None, hash_files: bool
) -> SliceStack | Volume:
    """Read single-frame files into slices or, where they are evenly spaced, a volume.

    Args:
        headers: In any order; sizes and bits checked before.
        form: ``SLICES`` or ``VOLUME``.
        workers: Threads or processes; as many as there are usable cores where None.
        hash_files: Whether the source record gets its sha256.

    Raises:
        RefusedError: The geometry is not proven, see :func:`medpipe.io.dicom.geometry.prove_geometry`; slices
            at one position differ (``E_DUPLICATE``); or pixels cannot be read.
    """
    headers, copies = _without_copies(headers, workers)
    planes = _planes(headers)
    order = order_along_normal(planes)
    geometry = prove_geometry(planes, order.tolist(), form=form)
    headers = [headers[index] for index in order]
    frames = [frame_of(header) for header in headers]
    loaded = load_frames(frames, workers=workers, hash_files=hash_files)
    unique = GeometryCheck(name="no two slices share a position", passed=not copies)
    source = source_of(
        headers,
        sha256=sha256_of_digests(loaded.digests) if hash_files else "",
        checks=(*geometry.checks, unique),
        notes=(*geometry.notes, *copies),
    )
    return image_from(loaded.values, geometry, headers[0].modality, source, form=form)


def frame_of(header: Header, index: int = 0) -> Frame:
    """Return where a frame of a file stands."""
    assert header.pixels is not None  # objects without an image are never in a series
    padding = None
    if header.padding_value is not None and header.modality == "CT":
        limit = header.padding_value if header.padding_limit is None else header.padding_limit
        padding = (min(header.padding_value, limit), max(header.padding_value, limit))
    return Frame(header.path, header.num_bytes, index, header.pixels, header.rescale, padding)


def image_from(
    values: npt.NDArray[np.float32], geometry: SliceGeometry, modality: str, source: Source, *, form: Form
) -> SliceStack | Volume:
    """Join values and geometry; memory is shared, axes are only renamed.

    Args:
        values: ``(S, rows, columns)``, in the order of the geometry.
        geometry: Proven for ``form``.
        modality: DICOM modality.
        source: Provenance.
        form: ``SLICES`` or ``VOLUME``.
    """
    array = torch.from_numpy(values).transpose(1, 2).unsqueeze(1)
    if form is Form.VOLUME and geometry.affine is not None:
        return _volume(array, geometry.affine, modality, source)
    return SliceStack(
        array, geometry.in_plane_mm, geometry.positions_mm, geometry.thickness_mm, modality, source
    )


def volume_from_stack(stack: SliceStack) -> Volume:
    """Return evenly spaced slices as a volume; memory is shared.

    Raises:
        RefusedError: The slices lie on no regular grid (``E_SPACING``, ``E_GAP``).
    """
    geometry = judge_positions(stack.in_plane_mm, stack.positions_mm, stack.thickness_mm, form=Form.VOLUME)
    assert geometry.affine is not None  # a volume is refused without one
    known = {note.code for note in stack.source.notes}
    notes = [note for note in geometry.notes if note.code not in known]
    return _volume(stack.array, geometry.affine, stack.modality, stack.source.with_notes(*notes))


def _volume(array: torch.Tensor, affine: Array, modality: str, source: Source) -> Volume:
    """Turn ``(S, C, I, J)`` into a volume ``(C, I, J, K)``."""
    return Volume(array.permute(1, 2, 3, 0), affine, modality, source)


def _planes(headers: Sequence[Header]) -> Planes:
    first = headers[0]
    return Planes(
        orientation=first.orientation,
        pixel_spacing_mm=first.pixel_spacing_mm,
        positions_mm=[header.position_mm for header in headers],
        thickness_mm=[header.slice_thickness_mm for header in headers],
    )


def _without_copies(
    headers: Sequence[Header], workers: int | None
) -> tuple[Sequence[Header], tuple[GeometryNote, ...]]:
    """Drop slices that repeat another one at the same position, pixel for pixel."""
    groups = same_positions(_planes(headers))
    if not groups:
        return headers, ()
    dropped: set[int] = set()
    for group in groups:
        values, _ = load_frames([frame_of(headers[index]) for index in group], workers=workers)
        if not all(np.array_equal(values[0], other) for other in values[1:]):
            raise RefusedError(
                Code.E_DUPLICATE,
                "Slices at one position differ: the series mixes images that its headers do not tell apart",
                found=f"{len(group)} slices at one position, {len(groups)} such positions",
                fix="Export each image as a series of its own.",
            )
        dropped.update(group[1:])
    note = GeometryNote(
        code=Code.W_DUPLICATE,
        message="Identical copies of slices were dropped",
        found=f"{len(dropped)} of {len(headers)} files",
    )
    return [header for index, header in enumerate(headers) if index not in dropped], (note,)
