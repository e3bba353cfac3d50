"""Splits: which cases train, which choose the model, which test it; no patient on two sides."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import nearest
from medpipe.data.members import Fact, Member, MemberSet, listed
from medpipe.io.atomic import write_text


class SplitRule(StrEnum):
    """What a split keeps together."""

    BY_PATIENT = "by patient"
    BY_CASE = "by case: no patient ids"


class Split(BaseModel):
    """Ids of the cases in each part, sorted.

    Attributes:
        train: Never empty.
        validation: Chooses when to stop; may be empty.
        test: Kept aside; may be empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    def parts(self) -> dict[str, tuple[str, ...]]:
        """Return the parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


class SplitFile(BaseModel):
    """One split, or the folds of a cross-validation, and how they were made.

    Attributes:
        format: Marks such files.
        data_set: Name of the data set.
        rule: What was kept together.
        seed: Decides which cases fall where, with the ids alone.
        stratify_by: Column whose values are spread evenly; empty for none.
        splits: One, or one a fold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["medpipe splits 1"] = "medpipe splits 1"
    data_set: str
    rule: SplitRule
    seed: int
    stratify_by: str = ""
    splits: tuple[Split, ...]


@dataclass(frozen=True)
class _Unit:
    """Cases that stay together."""

    order: bytes
    stratum: tuple[Fact, ...]
    ids: tuple[str, ...]


def split_cases(
    case_set: MemberSet, *, validation: float, test: float = 0.0, seed: int, stratify_by: str = ""
) -> SplitFile:
    """Part a data set by patient, or by case where no patient is known.

    Which patients fall where depends on their ids, the seed and the stratifying column alone, not on the
    order of the cases.

    Args:
        case_set: The data set.
        validation: Share of the patients, in [0, 1); above 0 it is at least one.
        test: Likewise.
        seed: Chooses the patients.
        stratify_by: A fact, or a label of studies, whose values are spread over the parts evenly.

    Raises:
        SettingsError: A share is not valid, the training set would be empty, some cases alone lack a
            patient (``E_SPLIT``), or there is no such column (``E_DATASET``).
    """
    if min(validation, test) < 0 or validation + test >= 1:
        raise _bad_split(
            "The shares of a split lie from 0 to below 1 together",
            found=f"validation {validation:g}, test {test:g}",
        )
    units = _units(case_set, seed, stratify_by)
    num_test, num_validation = (
        max(1, round(len(units) * share)) if share else 0 for share in (test, validation)
    )
    if num_test + num_validation >= len(units):
        raise _bad_split(
            "The training set would be empty",
            found=f"{len(units)} to part, {num_validation} for validation, {num_test} for test",
            fix="Add cases or ask for smaller parts.",
        )
    tested = _spread_choice(units, num_test)
    rest = _without(units, tested)
    validated = _spread_choice(rest, num_validation)
    split = Split(
        train=_ids_of(_without(rest, validated)), validation=_ids_of(validated), test=_ids_of(tested)
    )
    return _file_of(case_set, (split,), seed, stratify_by)


def k_folds(case_set: MemberSet, *, num_folds: int, seed: int, stratify_by: str = "") -> SplitFile:
    """Part a data set for cross-validation: each case is in the validation part of one fold.

    Args:
        case_set: The data set.
        num_folds: At least 2, at most the number of patients.
        seed: Chooses the patients; see :func:`split_cases`.
        stratify_by: See :func:`split_cases`.

    Raises:
        SettingsError: See :func:`split_cases`.
    """
    units = _units(case_set, seed, stratify_by)
    if not 2 <= num_folds <= len(units):
        raise _bad_split(f"The number of folds lies between 2 and {len(units)}", found=str(num_folds))
    rest, splits = units, []
    for fold in range(num_folds):
        held_out = _spread_choice(rest, len(rest) // (num_folds - fold))
        rest = _without(rest, held_out)
        splits.append(Split(train=_ids_of(_without(units, held_out)), validation=_ids_of(held_out)))
    return _file_of(case_set, tuple(splits), seed, stratify_by)


def write_splits(path: Path, splits: SplitFile) -> None:
    """Write splits as JSON.

    Raises:
        MachineError: The file cannot be written.
    """
    write_text(path, splits.model_dump_json(indent=1) + "\n")


def read_splits(path: Path, case_set: MemberSet) -> SplitFile:
    """Read splits and check them against a data set.

    Raises:
        SettingsError: The file is not valid, names cases that are not in the data set or leaves some out, or
            a case or patient stands in two parts of a split (``E_SPLIT``).
    """
    try:
        splits = SplitFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise _bad_split(f"{path.name} cannot be read", found=error.strerror or "") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "its text"
        raise _bad_split(
            f"{path.name}: {where} is not valid ({first['msg']})", found=repr(first["input"])[:100]
        ) from error
    for split in splits.splits:
        check_split(split, case_set)
    return splits


def check_split(split: Split, case_set: MemberSet) -> None:
    """Refuse a split that leaks or does not fit its data set; see :func:`read_splits`.

    Raises:
        SettingsError: Names the cases or the patient (``E_SPLIT``).
    """
    cases = {case.id: case for case in case_set.cases}
    named = [case_id for ids in split.parts().values() for case_id in ids]
    for what, ids in (
        ("names cases that are not in the data set", set(named) - cases.keys()),
        ("leaves out cases of the data set", cases.keys() - set(named)),
    ):
        if ids:
            raise _bad_split(f"The split {what}", found=listed(sorted(ids)), fix="Make the split again.")
    if not split.train:
        raise _bad_split("The training set of the split is empty", fix="Make the split again.")
    _check_leaks(split, cases)


def _check_leaks(split: Split, cases: Mapping[str, Member]) -> None:
    seen: dict[str, tuple[str, str]] = {}
    for part, ids in split.parts().items():
        for case_id in ids:
            owner = cases[case_id].owner
            first_part, first_id = seen.setdefault(owner, (part, case_id))
            if first_part != part:
                who = "Patient" if cases[case_id].patient else "Case"
                raise _bad_split(
                    f"{who} {owner} stands in two parts of the split",
                    found=f"case {first_id} in {first_part}, case {case_id} in {part}",
                    fix="Keep all cases of a patient in one part, or make the split again.",
                )


def _units(case_set: MemberSet, seed: int, stratify_by: str) -> list[_Unit]:
    """Return what stays together, ordered by stratum, then by a hash of its name and the seed."""
    _check_patients(case_set)
    if stratify_by:
        _check_column(case_set, stratify_by)
    groups: dict[str, list[Member]] = {}
    for case in case_set.cases:
        groups.setdefault(case.owner, []).append(case)
    units = [
        _Unit(
            order=hashlib.sha256(f"{seed}\n{owner}".encode()).digest(),
            stratum=_stratum(cases, stratify_by),
            ids=tuple(case.id for case in cases),
        )
        for owner, cases in groups.items()
    ]
    return sorted(units, key=lambda unit: (unit.stratum, unit.order))


def _stratum(cases: Iterable[Member], column: str) -> tuple[Fact, ...]:
    """Return the values of a patient's cases, each once: who has both of two values is of a third kind."""
    return tuple(sorted({case.strata[column] for case in cases if column in case.strata}))


def _spread_choice(units: Sequence[_Unit], count: int) -> list[_Unit]:
    """Choose units evenly along their order: of each of ``count`` equal stretches the one of least hash."""
    edges = [len(units) * index // count for index in range(count + 1)] if count else []
    return [min(units[start:stop], key=lambda unit: unit.order) for start, stop in pairwise(edges)]


def _without(units: Iterable[_Unit], chosen: Iterable[_Unit]) -> list[_Unit]:
    names = {unit.order for unit in chosen}
    return [unit for unit in units if unit.order not in names]


def _ids_of(units: Iterable[_Unit]) -> tuple[str, ...]:
    return tuple(sorted(case_id for unit in units for case_id in unit.ids))


def _file_of(case_set: MemberSet, splits: tuple[Split, ...], seed: int, stratify_by: str) -> SplitFile:
    rule = SplitRule.BY_PATIENT if case_set.cases[0].patient else SplitRule.BY_CASE
    return SplitFile(data_set=case_set.name, rule=rule, seed=seed, stratify_by=stratify_by, splits=splits)


def _check_patients(case_set: MemberSet) -> None:
    unknown = [case.id for case in case_set.cases if not case.patient]
    if 0 < len(unknown) < len(case_set.cases):
        raise _bad_split(
            "Some cases alone have a patient id: neither a split by patient nor one by case is safe",
            found=f"none for {listed(unknown)}",
            fix="Fill in the patient of every case, or state that patients are not known.",
        )


def _check_column(case_set: MemberSet, column: str) -> None:
    columns = {name for case in case_set.cases for name in case.strata}
    if column not in columns:
        raise SettingsError(
            Code.E_DATASET,
            f"No case has the column {column!r} to stratify by",
            fix=nearest(column, columns),
        )


def _bad_split(what: str, *, found: str = "", fix: str = "") -> SettingsError:
    return SettingsError(Code.E_SPLIT, what, found=found, fix=fix)
