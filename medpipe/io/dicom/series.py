"""Grouping headers into series: by UID, then by everything that one image cannot mix."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.uid import UID

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import SourceKind
from medpipe.io.dicom import sop_classes
from medpipe.io.dicom.headers import Header
from medpipe.io.dicom.layout import PixelLayout
from medpipe.io.series import Form, Series, Trait

ORIENTATION_TOLERANCE: Final = 1e-4
"""Largest difference of a direction component between slices of one image."""

SPACING_TOLERANCE_MM: Final = 1e-4
"""Largest difference of pixel spacing between slices of one image."""

POSITION_TOLERANCE_MM: Final = 1e-3
"""Slices closer than this share a position; headers state positions to a micrometre at best."""

REPETITION_KEYS: Final = ("temporal position", "trigger time", "acquisition", "echo", "diffusion")
"""What may tell apart slices at one position, in the order in which it is tried."""

_TIME_KEYS: Final = frozenset({"temporal position", "trigger time"})


@dataclass(frozen=True)
class _Part:
    """Headers of one image, and the key that told it apart from others at the same positions."""

    headers: list[Header]
    told_apart_by: str = ""


def split_series(headers: Sequence[Header]) -> tuple[Series, ...]:
    """Group the image headers of a study into what can be read as one image each.

    A DICOM series is split where its slices differ in orientation, size, pixel spacing, SOP class or image
    type, and, where positions repeat, by time, acquisition, echo or diffusion weighting. Radiographs and
    multi-frame files are images of their own.

    Args:
        headers: Headers in any order; objects without an image are passed over.

    Returns:
        Ordered by study, series UID and part; parts by falling number of slices.
    """
    by_uid: dict[tuple[str, str], list[Header]] = {}
    for header in headers:
        if header.is_image:
            by_uid.setdefault((header.study_uid, header.series_uid), []).append(header)
    series: list[Series] = []
    for _, members in sorted(by_uid.items()):
        parts = sorted(_parts(sorted(members, key=_reading_order)), key=lambda part: -len(part.headers))
        series.extend(_describe(part, number) for number, part in enumerate(parts))
    return tuple(series)


def form_of(header: Header) -> Form:
    """Return the best form that an image of this header may take."""
    if header.modality in sop_classes.RADIOGRAPH_MODALITIES:
        return Form.PLANAR
    has_place = header.position_mm is not None or header.orientation is not None
    if (
        not header.is_multiframe
        and not has_place
        and header.modality not in sop_classes.CROSS_SECTIONAL_MODALITIES
    ):
        return Form.PLANAR
    return Form.VOLUME


def _parts(headers: list[Header]) -> Iterable[_Part]:
    for group in _split_by(headers, _kind):
        first = group[0]
        if form_of(first) is Form.PLANAR or first.is_multiframe:
            yield from (_Part([header]) for header in group)
            continue
        for aligned in _split_by_closeness(group):
            yield from _split_by_repetition(aligned)


def _kind(header: Header) -> Hashable:
    """Return what slices of one image share exactly."""
    layout = _layout(header)
    image_type = {part.upper() for part in header.image_type}
    return (
        header.modality,
        header.sop_class_uid,
        layout.rows,
        layout.columns,
        layout.samples,
        header.is_multiframe,
        form_of(header),
        "LOCALIZER" in image_type,
        "DERIVED" in image_type,
        header.frame_of_reference_uid,
    )


def _split_by(headers: Iterable[Header], key: Callable[[Header], Hashable]) -> list[list[Header]]:
    groups: dict[Hashable, list[Header]] = {}
    for header in headers:
        groups.setdefault(key(header), []).append(header)
    return list(groups.values())


def _split_by_closeness(headers: list[Header]) -> list[list[Header]]:
    """Split by orientation and pixel spacing, which headers round differently."""
    groups: list[list[Header]] = []
    for header in headers:
        for group in groups:
            if _are_close(group[0].orientation, header.orientation, ORIENTATION_TOLERANCE) and _are_close(
                group[0].pixel_spacing_mm, header.pixel_spacing_mm, SPACING_TOLERANCE_MM
            ):
                group.append(header)
                break
        else:
            groups.append([header])
    return groups


def _are_close(first: tuple[float, ...] | None, second: tuple[float, ...] | None, tolerance: float) -> bool:
    if first == second:
        return True
    if first is None or second is None or len(first) != len(second):
        return False
    return all(abs(a - b) <= tolerance for a, b in zip(first, second, strict=True))


def _split_by_repetition(headers: list[Header]) -> list[_Part]:
    """Split slices that share positions by the first key that tells them apart.

    Where no key does, the slices stay together: reading judges duplicates by their pixels.
    """
    repeats = _most_slices_at_a_position(headers)
    if repeats == 1:
        return [_Part(headers)]
    for key in REPETITION_KEYS:
        groups = _split_by(headers, _repetition_value(key))
        # A key with a value of its own for each slice (trigger times often) names slices, not volumes.
        names_volumes = len(groups) == repeats or 2 * len(groups) <= len(headers)
        if (
            len(groups) > 1
            and names_volumes
            and all(_most_slices_at_a_position(group) == 1 for group in groups)
        ):
            return [_Part(group, key) for group in groups]
    return [_Part(headers)]


def _repetition_value(key: str) -> Callable[[Header], Hashable]:
    return lambda header: dict(header.repetition).get(key)


def _most_slices_at_a_position(headers: list[Header]) -> int:
    return max(Counter(map(_rounded_position, headers)).values())


def _rounded_position(header: Header) -> Hashable:
    position = header.position_mm
    if position is None or not all(map(math.isfinite, position)):
        return header.path
    return tuple(round(value / POSITION_TOLERANCE_MM) for value in position)


def _reading_order(header: Header) -> tuple[float, str, str]:
    number = math.inf if header.instance_number is None else header.instance_number
    return number, header.sop_instance_uid, header.path


def _describe(part: _Part, number: int) -> Series:
    first = part.headers[0]
    layout = _layout(first)
    notes = {note.code: note for header in part.headers for note in header.notes}
    return Series(
        uid=first.series_uid,
        part=number,
        kind=SourceKind.DICOM,
        files=tuple(header.path for header in part.headers),
        num_bytes=sum(header.num_bytes for header in part.headers),
        modality=first.modality,
        form=form_of(first),
        num_slices=max(len(part.headers), layout.frames),
        size=(layout.columns, layout.rows),
        traits=_traits(part),
        facts=_facts(part),
        notes=tuple(notes.values()),
        refusal=_refusal(first),
    )


def _traits(part: _Part) -> frozenset[Trait]:
    first = part.headers[0]
    image_type = {value.upper() for value in first.image_type}
    holds = {
        Trait.LOCALIZER: "LOCALIZER" in image_type,
        Trait.DERIVED: "DERIVED" in image_type,
        Trait.SECONDARY: "SECONDARY" in image_type or sop_classes.is_secondary_capture(first.sop_class_uid),
        Trait.COLOUR: _is_colour(_layout(first)),
        Trait.TIME_SERIES: part.told_apart_by in _TIME_KEYS,
    }
    return frozenset(trait for trait, held in holds.items() if held)


def _facts(part: _Part) -> dict[str, str]:
    first = part.headers[0]
    syntaxes = {UID(_layout(header).syntax).name for header in part.headers}
    facts = {
        "sop_class": UID(first.sop_class_uid).name,
        "transfer_syntax": ", ".join(sorted(syntaxes)),
        "image_type": "/".join(first.image_type),
    }
    if thickness := first.acquisition.get("slice_thickness_mm"):
        facts["slice_thickness_mm"] = thickness
    if part.told_apart_by:
        facts[part.told_apart_by] = dict(first.repetition).get(part.told_apart_by, "")
    return facts


def _refusal(header: Header) -> RefusedError | None:
    layout = _layout(header)
    if _is_colour(layout):
        return RefusedError(
            Code.E_DIMS,
            "The image is in colour",
            found=f"{layout.photometric or 'unnamed'}, {layout.samples} samples a pixel",
            fix="Only grey-value images are read.",
        )
    if "MOSAIC" in header.image_type:
        return RefusedError(
            Code.E_DIMS,
            "The image is a mosaic: many slices tiled in one picture, whose positions it does not state",
            fix="Export the series as one slice a file or as enhanced MR.",
        )
    return None


def _is_colour(layout: PixelLayout) -> bool:
    return layout.samples > 1 or layout.photometric == "PALETTE COLOR"


def _layout(header: Header) -> PixelLayout:
    assert header.pixels is not None  # split_series passes over objects without an image
    return header.pixels
