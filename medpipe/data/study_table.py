"""Data sets of studies as plain tables: one row a study and, where slices are labelled, one row a slice."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.data.members import Fact, listed
from medpipe.data.paths import file_inside
from medpipe.data.rows import Row, read_rows
from medpipe.data.studies import StudyCase, StudySet, check_names

_ID, _IMAGE, _PATIENT, _SLICE = "id", "image", "patient", "slice"
_TAKEN: Final = frozenset({_ID, _IMAGE, _PATIENT, _SLICE})


def read_study_table(
    path: Path,
    *,
    labels: Sequence[str],
    scores: Sequence[str] = (),
    slices: Path | None = None,
    folder: Path | None = None,
    allow_outside: bool = False,
) -> StudySet:
    """Read studies from CSV: ``id``, ``image`` (a folder of DICOM, or a file), perhaps ``patient``, answers.

    A label is 1 (yes), 0 (no) or the probability of yes; an empty cell is unknown. Columns that are neither
    become facts.

    Args:
        path: The table.
        labels: Its columns of labels.
        scores: Its columns of numbers to learn.
        slices: Table of labels of slices: ``id``, ``slice`` (SOPInstanceUID, or number from 0 in physical
            order) and columns of some of the labels. Whether the slices exist is seen once they are read.
        folder: Where relative paths start; the table's own folder where None.
        allow_outside: Accept absolute paths and paths that lead out of the folder.

    Raises:
        NoInputError: It has no row (``E_NO_INPUT``).
        SettingsError: A column is missing, a cell is no label or number, a path leads out of the folder or to
            nothing, an id or a slice stands twice, or a labelled slice is of no study (``E_DATASET``).
    """
    check_names(labels, scores)
    for name in (*labels, *scores):
        if name in _TAKEN:
            raise SettingsError(
                Code.E_DATASET, "A column that says which study it is cannot be learnt", found=repr(name)
            )
    rows = read_rows(path, needs=(_ID, _IMAGE, *labels, *scores))
    cases = tuple(_case(row, labels, scores, folder or path.parent, allow_outside) for row in rows)
    if slices is not None:
        labelled = _read_slices(slices, labels, {case.id for case in cases})
        cases = tuple(replace(case, slice_labels=labelled.get(case.id, {})) for case in cases)
    return StudySet(path.stem, cases, tuple(labels), tuple(scores))


def _case(
    row: Row, labels: Sequence[str], scores: Sequence[str], folder: Path, allow_outside: bool
) -> StudyCase:
    answers = {*labels, *scores, _ID, _IMAGE, _PATIENT}
    facts: dict[str, Fact] = {name: text for name, text in row.cells.items() if text and name not in answers}
    return StudyCase(
        id=row.text(_ID),
        source=file_inside(folder, row.text(_IMAGE), where=row.place, allow_outside=allow_outside),
        patient=row.cells.get(_PATIENT, ""),
        labels=_labels(row, labels),
        scores={name: row.number(name) for name in scores if row.cells[name]},
        facts=facts,
    )


def _read_slices(
    path: Path, labels: Sequence[str], ids: set[str]
) -> dict[str, dict[str, Mapping[str, float]]]:
    """Return the labels of slices by case and key."""
    found: dict[str, dict[str, Mapping[str, float]]] = {}
    rows = read_rows(path, needs=(_ID, _SLICE))
    if not any(name in row.cells for row in rows for name in labels):
        raise SettingsError(
            Code.E_DATASET, f"{path.name} holds no labels", fix=f"Name its columns {listed(labels)}."
        )
    for row in rows:
        case_id, key = row.text(_ID), row.text(_SLICE)
        if case_id not in ids:
            raise SettingsError(
                Code.E_DATASET,
                f"{row.place}: labels for a study that does not exist",
                found=repr(case_id[:100]),
                fix=f"Ids of studies are {listed(sorted(ids))}.",
            )
        slices = found.setdefault(case_id, {})
        if key in slices:
            raise SettingsError(
                Code.E_DATASET,
                f"{row.place}: a slice stands twice",
                found=f"slice {key[:100]!r} of {case_id}",
                fix="Keep one row a slice.",
            )
        slices[key] = _labels(row, labels)
    return found


def _labels(row: Row, labels: Sequence[str]) -> dict[str, float]:
    return {name: row.label(name) for name in labels if row.cells.get(name)}
