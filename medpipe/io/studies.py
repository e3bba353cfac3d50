"""Grouping inspected files into studies."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import GeometryNote, SourceKind
from medpipe.io.bids import image_stem, parse_bids
from medpipe.io.content_hash import sha256_of
from medpipe.io.dicom.headers import Header
from medpipe.io.dicom.series import split_series
from medpipe.io.inspection import Inspected
from medpipe.io.series import Series, Skipped, Study

GroupBy = Literal["study", "folder"]

_NO_IMAGE: Final = "DICOM study without an image"


class _Group(NamedTuple):
    """What makes files of other formats one study: a name, and the folder it is valid in."""

    name: str
    place: str


class Grouped(NamedTuple):
    """Studies ordered by uid, and files that belong to none."""

    studies: tuple[Study, ...]
    skipped: tuple[Skipped, ...]


def group_studies(files: Iterable[Inspected], *, group_by: GroupBy) -> Grouped:
    """Put every file into exactly one study, or say why it is in none.

    DICOM files go by StudyInstanceUID. Files of other formats are studies of their own, unless their names
    state a BIDS subject or ``group_by`` is ``"folder"``.
    """
    skipped, by_uid, groups = [], defaultdict(list), defaultdict(list)
    for file in files:
        if file.header is not None:
            by_uid[file.header.study_uid].append(file)
        elif file.series is not None:
            groups[_group_of(file, file.series, group_by)].append(file)
        else:
            skipped.append(Skipped(file.found.label, file.reason))
    studies: dict[str, Study] = {}
    for uid, members in by_uid.items():
        if any(member.header is not None and member.header.is_image for member in members):
            studies[uid] = _dicom_study(uid, members)
        else:
            skipped += [Skipped(member.found.label, _NO_IMAGE) for member in members]
    for group, members in groups.items():
        study = _file_study(group, members)
        known = studies.get(study.uid)
        studies[study.uid] = _joined(known, study) if known else study
    return Grouped(tuple(study for _, study in sorted(studies.items())), tuple(skipped))


def _group_of(file: Inspected, series: Series, group_by: GroupBy) -> _Group:
    path = file.found.path
    if series.kind is not SourceKind.DICOM:
        bids = parse_bids(path.name)
        if group_by == "folder":
            return _Group(path.parent.name, str(path.parent))
        if bids.subject and series.kind is SourceKind.NIFTI:
            return _Group(bids.label, str(bids.folder_of(path)))
    return _Group("", series.uid)


def _file_study(group: _Group, members: Sequence[Inspected]) -> Study:
    copies: dict[str, list[Series]] = defaultdict(list)
    for member in members:
        assert member.series is not None  # group_studies put it here for its series
        copies[member.series.uid].append(member.series)
    return Study(
        uid=_uid_of_group(group, copies),
        series=tuple(_without_copies(found) for _, found in sorted(copies.items())),
        paths=tuple(label for member in members for label in member.labels),
        name=group.name or image_stem(members[0].found.path.name),
    )


def _uid_of_group(group: _Group, contents: Mapping[str, object]) -> str:
    """Return a uid that follows from names and contents, never from where the files lie."""
    if not group.name:
        return group.place
    return hashlib.sha256("\n".join([group.name, *sorted(contents)]).encode()).hexdigest()


def _without_copies(copies: Sequence[Series]) -> Series:
    return copies[0] if len(copies) == 1 else _noted(copies[0], len(copies) - 1)


def _joined(study: Study, twin: Study) -> Study:
    """Join two groups of equal names and contents from different places."""
    series = tuple(_noted(item, 1) for item in study.series)
    return replace(study, series=series, paths=(*study.paths, *twin.paths))


def _noted(series: Series, num_dropped: int) -> Series:
    note = GeometryNote(
        code=Code.W_DUPLICATE,
        message="Files of identical content were dropped",
        found=f"{num_dropped} of {len(series.files) + num_dropped} files",
    )
    return replace(series, notes=(*series.notes, note))


def _dicom_study(uid: str, members: Sequence[Inspected]) -> Study:
    headers = [member.header for member in members if member.header is not None]
    images = [header for header in headers if header.is_image]
    patients = {header.patient_id for header in headers if header.patient_id}
    originals = _identical_copies(images)
    refusal = _of_two_patients(len(patients)) if len(patients) > 1 else None
    series = []
    for item in split_series([header for header in images if header.path not in originals]):
        num_dropped = sum(original in item.files for original in originals.values())
        noted = _noted(item, num_dropped) if num_dropped else item
        series.append(replace(noted, refusal=refusal or item.refusal))
    return Study(
        uid=uid,
        series=tuple(series),
        paths=tuple(label for member in members for label in member.labels),
        others=len(headers) - len(images),
        patient=patients.pop() if len(patients) == 1 else "",
        study_datetime=min(
            (header.study_datetime for header in headers if header.study_datetime), default=""
        ),
    )


def _identical_copies(headers: Iterable[Header]) -> dict[str, str]:
    """Return each path whose file has the bytes of an earlier one, with the path of that one."""
    candidates: dict[tuple[str, int], list[str]] = defaultdict(list)
    for header in headers:
        candidates[header.sop_instance_uid, header.num_bytes].append(header.path)
    copies = {}
    for paths in candidates.values():
        by_content: dict[str, str] = {}
        for path in sorted(paths) if len(paths) > 1 else ():
            original = by_content.setdefault(_content(path), path)
            if original != path:
                copies[path] = original
    return copies


def _content(path: str) -> str:
    try:
        return sha256_of([Path(path)])
    except OSError:
        return path  # reading will say what is wrong with it


def _of_two_patients(num_patients: int) -> RefusedError:
    return RefusedError(
        Code.E_PATIENT,
        "Files of several patients share one StudyInstanceUID",
        found=f"{num_patients} patient IDs",
        fix="Separate the patients where the study was exported.",
    )
