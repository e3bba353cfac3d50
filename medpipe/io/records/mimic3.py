"""MIMIC-III: laboratory values and outputs of its tables, a record a hospital admission.

Source: MIMIC-III 1.4 (https://mimic.mit.edu/docs/iii/); tables may be compressed, names in either case.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records.mimic3_events import Events, read_events
from medpipe.io.records.raw_patient import (
    AGE,
    DIALYSIS_IN_STAY,
    DISCHARGE_H,
    ICU_H,
    SEX,
    STAY,
    RawPatient,
    hours_since,
)
from medpipe.io.records.tables import stream_csv

PATIENTS_A_PASS: Final = 4096
"""Tables of events are in no order of patients: each pass over them takes in so many."""

MASKED_AGE: Final = 90.0
"""Ages above 89 years are hidden as about 300; their median is 91.4."""

_IMPOSSIBLE_AGE: Final = 200.0
_YEAR: Final = np.timedelta64(31_557_600, "s")
_DIALYSIS_ICD9: Final = frozenset({"3995", "5498"})
"""Haemodialysis and peritoneal dialysis (ICD-9-CM, volume 3)."""

_MOMENT: Final = pa.timestamp("s")


class _Person(NamedTuple):
    sex: str
    birth: np.datetime64


class _Spell(NamedTuple):
    start: np.datetime64
    end: np.datetime64


@dataclass(frozen=True)
class _Admission:
    id: int
    start: np.datetime64
    end: np.datetime64
    has_dialysis: bool
    icu: tuple[_Spell, ...] = ()


def read_mimic3(folder: Path, *, patients_a_pass: int = PATIENTS_A_PASS) -> Iterator[RawPatient]:
    """Yield the hospital admissions of MIMIC-III, patient by patient in the order of their ids.

    Args:
        folder: It holds ``labevents``, ``admissions`` and ``patients``, and may hold ``outputevents``,
            ``procedureevents_mv``, ``procedures_icd`` and ``icustays``, as ``.csv`` or ``.csv.gz``.
        patients_a_pass: Patients whose events are held at a time: memory against passes over the tables.

    Yields:
        Every admission with the events of its patient up to discharge, of earlier years too. Hour 0 is the
        admission, so history has negative hours. Codes are item ids. Dialysis that was coded for billing has
        no hour: it is the static ``dialysis_in_stay``, and in later admissions an event ``ICD9//3995`` at
        that discharge.

    Raises:
        SettingsError: A table or a column is missing or damaged (``E_DATASET``).
    """
    persons = _read_persons(folder)
    admissions = _read_admissions(folder)
    subjects = sorted(admissions)
    for first in range(0, len(subjects), patients_a_pass):
        chosen = subjects[first : first + patients_a_pass]
        events = read_events(
            {name: table_of(folder, name) for name in ("labevents", "outputevents", "procedureevents_mv")},
            chosen,
        )
        for subject in chosen:
            if subject not in persons:
                raise SettingsError(
                    Code.E_DATASET,
                    "A patient of the admissions is not among the patients",
                    found=f"{len(persons)} patients",
                    fix="Use tables of one release.",
                )
            yield from _records(subject, persons[subject], admissions[subject], events[subject])


def table_of(folder: Path, name: str) -> Path | None:
    """Return the file of a table, ``.csv`` or ``.csv.gz`` in either case; None where there is none."""
    wanted = {f"{name}.csv", f"{name}.csv.gz"}
    return next((path for path in sorted(folder.iterdir()) if path.name.lower() in wanted), None)


def _needed(folder: Path, name: str) -> Path:
    path = table_of(folder, name)
    if path is None:
        raise SettingsError(
            Code.E_DATASET,
            f"The table {name} of MIMIC-III is missing",
            fix=f"Put {name}.csv.gz beside the others.",
        )
    return path


def _read_persons(folder: Path) -> dict[int, _Person]:
    types = {"subject_id": pa.int64(), "gender": pa.string(), "dob": _MOMENT}
    return {
        subject: _Person(sex, birth)
        for batch in stream_csv(_needed(folder, "patients"), types)
        for subject, sex, birth in _rows(batch)
    }


def _read_admissions(folder: Path) -> dict[int, list[_Admission]]:
    dialysed = _read_dialysed(folder)
    spells = _read_icu(folder)
    types = {"subject_id": pa.int64(), "hadm_id": pa.int64(), "admittime": _MOMENT, "dischtime": _MOMENT}
    admissions: dict[int, list[_Admission]] = {}
    for batch in stream_csv(_needed(folder, "admissions"), types):
        for subject, id_, start, end in _rows(batch):
            if np.isnat(start) or np.isnat(end):
                raise SettingsError(
                    Code.E_TIME,
                    "An admission has no time of admission or discharge",
                    fix="Remove or complete it.",
                )
            icu = tuple(sorted(spells.get(id_, ())))
            admissions.setdefault(subject, []).append(_Admission(id_, start, end, id_ in dialysed, icu))
    return {
        subject: sorted(items, key=lambda item: (item.start, item.id))
        for subject, items in admissions.items()
    }


def _read_dialysed(folder: Path) -> set[int]:
    """Return the admissions for which a dialysis was coded."""
    path = table_of(folder, "procedures_icd")
    if path is None:
        return set()
    types = {"hadm_id": pa.int64(), "icd9_code": pa.string()}
    return {id_ for batch in stream_csv(path, types) for id_, code in _rows(batch) if code in _DIALYSIS_ICD9}


def _read_icu(folder: Path) -> dict[int, list[_Spell]]:
    """Return the spells of intensive care of each admission."""
    path = table_of(folder, "icustays")
    spells: dict[int, list[_Spell]] = {}
    if path is not None:
        for batch in stream_csv(path, {"hadm_id": pa.int64(), "intime": _MOMENT, "outtime": _MOMENT}):
            for id_, start, end in _rows(batch):
                spells.setdefault(id_, []).append(_Spell(start, end))
    return spells


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    columns = [batch.column(index).to_numpy(zero_copy_only=False) for index in range(batch.num_columns)]
    for cells in zip(*columns, strict=True):
        yield tuple(int(cell) if isinstance(cell, np.integer) else cell for cell in cells)


def _records(
    subject: int, person: _Person, admissions: Sequence[_Admission], events: Events
) -> Iterator[RawPatient]:
    for admission in admissions:
        history = [item for item in admissions if item.end <= admission.start and item.has_dialysis]
        coded = Events(
            times=np.array([item.end for item in history], dtype="datetime64[s]"),
            codes=np.full(len(history), "ICD9//3995", dtype=object),
            values=np.full(len(history), np.nan),
            units=np.full(len(history), "", dtype=object),
        )
        known = events.joined(coded).until(admission.end)
        yield RawPatient(
            patient_id=str(subject),
            time_h=hours_since(known.times, admission.start),
            codes=known.codes,
            values=known.values,
            units=known.units,
            statics=_statics(person, admission),
            origin=admission.start,
        )


def _statics(person: _Person, admission: _Admission) -> dict[str, Any]:
    moments = np.array([admission.end, *(moment for spell in admission.icu for moment in spell)])
    discharge_h, *icu_h = hours_since(moments, admission.start).tolist()
    statics: dict[str, Any] = {
        STAY: str(admission.id),
        DISCHARGE_H: discharge_h,
        ICU_H: tuple(zip(icu_h[::2], icu_h[1::2], strict=True)),
        DIALYSIS_IN_STAY: admission.has_dialysis,
    }
    if person.sex in ("F", "M"):
        statics[SEX] = person.sex
    if not np.isnat(person.birth):
        age = float((admission.start - person.birth) / _YEAR)
        statics[AGE] = MASKED_AGE if age > _IMPOSSIBLE_AGE else age
    return statics
