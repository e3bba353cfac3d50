"""The source record of an image: where it came from and what was noticed on the way."""

from collections import Counter
from collections.abc import Sequence

from medpipe.core.codes import Code
from medpipe.core.source import GeometryCheck, GeometryNote, SopReference, Source, SourceKind
from medpipe.io.dicom.headers import Header


def source_of(
    headers: Sequence[Header],
    *,
    sha256: str,
    checks: tuple[GeometryCheck, ...] = (),
    notes: tuple[GeometryNote, ...] = (),
    instances: tuple[SopReference, ...] | None = None,
) -> Source:
    """Build the source record of slices.

    Args:
        headers: In slice order.
        sha256: Hash over the bytes of their files.
        checks: Proofs of the geometry.
        notes: Flags of the geometry; those of the headers are added.
        instances: The instance of each slice; taken from the headers where None.
    """
    first = headers[0]
    return Source(
        kind=SourceKind.DICOM,
        sha256=sha256,
        study_uid=first.study_uid,
        series_uid=first.series_uid,
        frame_of_reference_uid=first.frame_of_reference_uid,
        study_datetime=first.study_datetime,
        instances=tuple(header.sop_reference for header in headers) if instances is None else instances,
        acquisition=_shared_facts(headers),
        checks=checks,
        notes=(*notes, *_notes_of_headers(headers)),
    )


def _shared_facts(headers: Sequence[Header]) -> dict[str, str]:
    """Return the facts in which all slices agree."""
    shared = set.intersection(*(set(header.acquisition.items()) for header in headers))
    return {name: value for name, value in headers[0].acquisition.items() if (name, value) in shared}


def _notes_of_headers(headers: Sequence[Header]) -> list[GeometryNote]:
    """Return each note of the files once, with the number of files where not all share it."""
    notes = [note for header in headers for note in header.notes]
    if any(header.burned_in for header in headers):
        notes.append(
            GeometryNote(code=Code.W_BURNED_IN, message="The header says that text is burned into the pixels")
        )
    notes += [
        GeometryNote(
            code=Code.W_LOSSY,
            message="The pixels were compressed with loss: values differ from the scanner's",
        )
        for header in headers
        if header.is_lossy
    ]
    counts = Counter(note.code for note in notes)
    merged = {note.code: note for note in reversed(notes)}
    return [
        note
        if counts[code] in (1, len(headers))
        else note.model_copy(update={"found": f"{counts[code]} of {len(headers)} files"})
        for code, note in sorted(merged.items())
    ]
