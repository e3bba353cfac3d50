"""From the raw rows of a patient to a record of canonical variables in canonical units."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.interpretation import NAMES, interpret
from medpipe.ehr.mapping import Predicates
from medpipe.ehr.merging import merge
from medpipe.ehr.record_counts import RecordCounts
from medpipe.ehr.variables import VARIABLES
from medpipe.io.records.raw_patient import (
    AGE,
    DISCHARGE_H,
    HEIGHT_CM,
    STATIC_CODES,
    WEIGHT_KG,
    Labels,
    RawPatient,
)

OLDEST_YEARS: Final = 125.0
"""No one has been known to live longer; larger ages are errors or a source's way to hide them."""

_DAY_YEARS: Final = 1 / 365.25
"""Dates of birth bear no hour: a birth up to a day after hour 0 is the day of hour 0."""

_STATIC_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    WEIGHT_KG: (VARIABLES["weight"].low, VARIABLES["weight"].high),
    HEIGHT_CM: (100.0, 250.0),  # of adults; a height of 15 cm occurs in eICU
}

_NAMES: Final = np.array(NAMES)
_IS_EVENT: Final = np.array([variable.is_event for variable in VARIABLES.values()])
_IS_LAB: Final = np.array([variable.is_lab for variable in VARIABLES.values()])


class RecordNote(NamedTuple):
    """A flag on a record that is kept: a ``W_`` code, and what was found."""

    code: Code
    found: str


@dataclass(frozen=True, eq=False)
class Harmonised:
    """A record and what became of its rows.

    Attributes:
        record: Codes are names of :data:`~medpipe.ehr.variables.VARIABLES`; one event a variable and moment,
            those of one moment in the order of the variables.
        counts: Of this record alone.
        notes: Flags.
        labels: Labels of the source, untouched.
    """

    record: PatientRecord
    counts: RecordCounts
    notes: tuple[RecordNote, ...] = ()
    labels: Labels | None = None


@dataclass(frozen=True)
class RefusedPatient:
    """A patient who is left out, with the reason.

    Attributes:
        patient_id: Id as the source writes it.
        num_rows: Rows that are left out.
        error: The reason.
    """

    patient_id: str
    num_rows: int
    error: RefusedError


def harmonise(
    raw: RawPatient, predicates: Predicates, *, name_patient: Callable[[str], str] = str
) -> Harmonised:
    """Turn the rows of a patient into a record.

    Args:
        raw: Rows in any order.
        predicates: Meanings of the source's codes.
        name_patient: Gives the id of the record from the source's, such as a keyed hash; the default keeps
            the source's own, for data without identifiers.

    Returns:
        The record. ``counts.rows == counts.accounted``: every row is kept or counted.

    Raises:
        RefusedError: Birth lies after hour 0, the age is beyond any human's, or the stay ends before it
            begins (``E_RECORD``).
    """
    statics, refused_statics = _statics(raw.statics, predicates)
    rows = interpret(raw, predicates)
    events = merge(rows)
    num_labs = int(_IS_LAB[events.variable].sum())
    counts = replace(
        rows.counts,
        kept=len(events.time_h),
        duplicates=events.duplicates,
        merged=events.merged,
        summed=events.summed,
        without_labs=int(num_labs == 0),
        refused_statics=refused_statics,
    )
    record = PatientRecord(
        patient_id=name_patient(raw.patient_id),
        time_h=events.time_h,
        codes=_NAMES[events.variable],
        values=np.where(_IS_EVENT[events.variable], np.nan, events.values),
        statics=statics,
        origin=raw.origin,
    )
    return Harmonised(record, counts, tuple(_notes(counts, num_labs)), raw.labels)


def harmonise_each(
    patients: Iterable[RawPatient], predicates: Predicates, *, name_patient: Callable[[str], str] = str
) -> Iterator[Harmonised | RefusedPatient]:
    """Turn patients into records one at a time; one who is refused does not stop the others."""
    for raw in patients:
        try:
            yield harmonise(raw, predicates, name_patient=name_patient)
        except RefusedError as error:
            yield RefusedPatient(raw.patient_id, raw.num_rows, error)


def _statics(raw: Mapping[str, Any], predicates: Predicates) -> tuple[dict[str, Any], Counter[str]]:
    """Return what is believed of the statics, and what is not; refuse those that contradict each other."""
    statics = {name: value for name, value in raw.items() if name != STATIC_CODES}
    for code in raw.get(STATIC_CODES, ()):
        if code in predicates.statics:
            name, value = predicates.statics[code]
            statics[name] = value
    age = statics.get(AGE)
    if age is not None and not -_DAY_YEARS <= age <= OLDEST_YEARS:
        raise RefusedError(
            Code.E_RECORD,
            "Birth lies after admission" if age < 0 else "The age at admission is no human's",
            found=f"{age:.1f} years at hour 0",
            fix="Correct the date of birth, or leave it out: the record then has no age.",
        )
    if age is not None:
        statics[AGE] = max(float(age), 0.0)
    if statics.get(DISCHARGE_H, 0.0) < 0:
        raise RefusedError(
            Code.E_RECORD,
            "The stay ends before it begins",
            found=f"discharge at hour {statics[DISCHARGE_H]:.1f}",
            fix="Correct the times of admission and discharge.",
        )
    beyond = [
        name
        for name, (low, high) in _STATIC_LIMITS.items()
        if name in statics and not low <= statics[name] <= high
    ]
    return {name: value for name, value in statics.items() if name not in beyond}, Counter(beyond)


def _notes(counts: RecordCounts, num_labs: int) -> Iterator[RecordNote]:
    for (name, unit), count in sorted(counts.unknown_units.items()):
        yield RecordNote(
            Code.W_UNIT, f"{count} of {name} in {unit!r}" if unit else f"{count} of {name} in no unit"
        )
    for name, count in sorted(counts.suspect_units.items()):
        yield RecordNote(Code.W_UNIT, f"{count} of {name} state no unit and fit another than was assumed")
    if num_labs == 0:
        yield RecordNote(Code.W_NO_LABS, f"{counts.kept} events, none of them of a laboratory")
