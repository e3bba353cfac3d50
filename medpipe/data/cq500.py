"""The CQ500 set of head CT: the readings of three radiologists, and a series for each study.

The form is the published one; it was not tested on the original files.
"""

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import MedpipeError, NoInputError, RefusedError, SettingsError
from medpipe.data.faults import raise_first
from medpipe.data.members import listed
from medpipe.data.reading import naming
from medpipe.data.rows import Row, read_rows
from medpipe.data.studies import StudyCase, StudySet, wanted_names
from medpipe.data.study_reading import is_candidate
from medpipe.io.dicom.headers import read_header
from medpipe.io.series import Series
from medpipe.io.tree import index_tree

READINGS: Final = (
    "ICH", "IPH", "IVH", "SDH", "EDH", "SAH", "BleedLocation-Left", "BleedLocation-Right", "ChronicBleed",
    "Fracture", "CalvarialFracture", "OtherFracture", "MassEffect", "MidlineShift",
)  # fmt: skip
"""What each radiologist answered of each study."""

MIN_SLICES: Final = 8
"""A series of fewer slices shows no whole head."""

SERIES_RULE: Final = (
    f"of the original CT series of {MIN_SLICES} slices or more: without contrast or bone kernel where there "
    "is one, then the thickest slices, then the fewest, then the lowest UID"
)
"""How the series of a study is chosen; recorded in the facts of each case."""

_NAME: Final = "name"
_READERS: Final = ("R1", "R2", "R3")
_MAJORITY: Final = 2
_FOLDER: Final = re.compile(r"CQ500-?CT-?(\d+)([ _].*)?", re.IGNORECASE)
_DEEPEST: Final = 2
"""Folders of studies lie in the given folder, or in one below it, as in ``qct01``."""


def read_cq500(
    reads: Path, scans: Path, *, names: Mapping[str, str] | None = None, subset: bool = False
) -> StudySet:
    """Read ``reads.csv``; a label is what two of three radiologists say, else unknown.

    Args:
        reads: Columns ``name``, such as ``CQ500-CT-0``, and ``R1:ICH`` to ``R3:MidlineShift`` of 0 and 1.
        scans: Holds a folder a study, such as ``CQ500CT0 CQ500CT0`` or ``CQ500-CT-0``; of its series
            :data:`SERIES_RULE` chooses one.
        names: Name of the label for each reading that is wanted; all under their own names where None.
        subset: Leave out studies that have no folder.

    Raises:
        NoInputError: No study has a folder.
        SettingsError: A column is missing, a cell is not 0, 1 or empty, or a study has no folder or several
            (``E_DATASET``).
        RefusedError: Studies have no series that suits; names the first and how many.

    Source:
        Chilamkurthy et al., arXiv 1803.05854: the majority of three readers is the truth.
    """
    names = wanted_names(names, READINGS, data_set="CQ500")
    columns = [f"{reader}:{reading}" for reader in _READERS for reading in names]
    rows = read_rows(reads, needs=(_NAME, *columns))
    folders = _folders(Path(os.path.abspath(scans)))
    missing = [row.text(_NAME) for row in rows if _number(row) not in folders]
    if missing and not subset:
        raise SettingsError(
            Code.E_DATASET,
            f"Studies of {reads.name} have no folder in {scans.name}",
            found=f"{len(missing)} of {len(rows)}: {listed(missing)}",
            fix="Unpack them there, or state that it is a subset.",
        )
    present = [row for row in rows if _number(row) in folders]
    return StudySet("cq500", _cases(present, folders, names), tuple(names.values()))


def _cases(
    rows: Sequence[Row], folders: Mapping[int, Path], names: Mapping[str, str]
) -> tuple[StudyCase, ...]:
    cases: list[StudyCase] = []
    faults: dict[str, MedpipeError] = {}
    for row in rows:
        try:
            cases.append(_case(row, folders[_number(row)], names))
        except RefusedError as error:
            faults[row.cells[_NAME]] = error
    if faults:
        raise_first(faults, len(rows))
    return tuple(cases)


def _number(row: Row) -> int:
    matched = _FOLDER.fullmatch(row.text(_NAME))
    if not matched:
        raise SettingsError(
            Code.E_DATASET,
            f"{row.place}: a study is named like CQ500-CT-0",
            found=repr(row.cells[_NAME][:100]),
        )
    return int(matched[1])


def _folders(scans: Path, depth: int = _DEEPEST) -> dict[int, Path]:
    """Return the folder of each study by its number; what lies inside of one is not looked at."""
    found: dict[int, Path] = {}
    try:
        inside = sorted(path for path in scans.iterdir() if path.is_dir())
    except OSError as error:
        raise NoInputError(
            Code.E_NO_INPUT,
            f"The folder {scans.name} cannot be read",
            found=error.strerror or type(error).__name__,
            fix="Name the folder that holds the folders of the studies.",
        ) from error
    for path in inside:
        matched = _FOLDER.fullmatch(path.name)
        below = {int(matched[1]): path} if matched else _folders(path, depth - 1) if depth > 1 else {}
        for number, folder in below.items():
            if number in found:
                raise SettingsError(
                    Code.E_DATASET,
                    f"Two folders are of the study CQ500-CT-{number}",
                    found=f"{found[number].relative_to(scans)} and {folder.relative_to(scans)}",
                    fix="Keep one of the two.",
                )
            found[number] = folder
    return found


def _case(row: Row, folder: Path, names: Mapping[str, str]) -> StudyCase:
    case_id = row.cells[_NAME]
    with naming(case_id):
        studies = index_tree([folder]).studies
        candidates = [series for study in studies for series in study.series if _suits(series)]
        if not candidates:
            raise RefusedError(
                Code.E_NO_MATCH,
                f"No original CT series has {MIN_SLICES} slices or more",
                found=f"{sum(len(study.series) for study in studies)} series",
            )
        series = min(candidates, key=_preference)
    patient = next(study.patient for study in studies if series in study.series)
    facts = {
        name: text for name, text in row.cells.items() if text and name.partition(":")[0] not in _READERS
    }
    return StudyCase(
        id=case_id,
        source=folder,
        files=tuple(str(Path(file).relative_to(folder)) for file in series.files),
        patient=patient or case_id,
        labels={name: vote for reading, name in names.items() if (vote := _vote(row, reading)) is not None},
        facts={
            **facts,
            "series_rule": SERIES_RULE,
            "series_uid": series.uid,
            "num_series": float(len(candidates)),
            "num_slices": float(series.num_slices),
            "slice_thickness_mm": _thickness_mm(series),
        },
    )


def _vote(row: Row, reading: str) -> float | None:
    """Return 1 or 0 as two readers at least say; None where they do not."""
    cells = [f"{reader}:{reading}" for reader in _READERS]
    votes = [row.label(cell) for cell in cells if row.cells[cell]]
    for cell, vote in zip([cell for cell in cells if row.cells[cell]], votes, strict=True):
        if vote not in (0, 1):
            raise SettingsError(
                Code.E_DATASET, f"{row.place}: the column {cell!r} takes 0 or 1", found=row.cells[cell]
            )
    return next((answer for answer in (1.0, 0.0) if votes.count(answer) >= _MAJORITY), None)


def _suits(series: Series) -> bool:
    return (
        series.refusal is None
        and is_candidate(series)
        and series.modality == "CT"
        and series.num_slices >= MIN_SLICES
    )


def _preference(series: Series) -> tuple[bool, float, int, str, int]:
    acquisition = read_header(series.files[0]).acquisition
    is_second_choice = bool(acquisition.get("contrast")) or "BONE" in acquisition.get("kernel", "").upper()
    return is_second_choice, -_thickness_mm(series), series.num_slices, series.uid, series.part


def _thickness_mm(series: Series) -> float:
    """Return the slice thickness; 0 where the header states none that can be used."""
    try:
        thickness_mm = float(series.facts["slice_thickness_mm"])
    except (KeyError, ValueError):
        return 0.0
    return thickness_mm if math.isfinite(thickness_mm) else 0.0
