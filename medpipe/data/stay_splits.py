"""Four parts of the patients: to learn from, to choose by, to calibrate on, and to judge by."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.atomic import write_text

PartName = Literal["train", "validation", "calibration", "test"]
PARTS: Final[tuple[PartName, ...]] = get_args(PartName)

_RECORDED: Final[Mapping[str, PartName]] = {
    "train": "train",
    "tuning": "validation",
    "held_out": "test",
}
"""Parts of the splits of MEDS 0.4."""


class SplitShares(BaseModel):
    """Shares of the patients; the rest is learned from.

    Attributes:
        validation: Chooses when to stop.
        calibration: Turns scores into probabilities.
        test: Is judged once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation: float = Field(default=0.1, gt=0.0, lt=1.0)
    calibration: float = Field(default=0.1, gt=0.0, lt=1.0)
    test: float = Field(default=0.2, gt=0.0, lt=1.0)


class PatientSplit(BaseModel):
    """Ids of the patients of each part, sorted; nobody is in two.

    Attributes:
        seed: Decides, with the ids, who falls where.
        source: ``"records"`` where the records brought their own split: the seed then chose from their
            train part alone.
        train: To learn from.
        validation: To choose by.
        calibration: To calibrate on.
        test: To judge by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["medpipe patients 1"] = "medpipe patients 1"
    seed: int
    source: Literal["seed", "records"] = "seed"
    train: tuple[str, ...]
    validation: tuple[str, ...]
    calibration: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def words(self) -> str:
        """How it was made, for people."""
        if self.source == "seed":
            return f"drawn by seed {self.seed}"
        return f"that of the records, the calibration part drawn from their train part by seed {self.seed}"

    def part_of(self) -> dict[str, PartName]:
        """Return the part of each patient."""
        parts: Mapping[PartName, tuple[str, ...]] = {
            "train": self.train,
            "validation": self.validation,
            "calibration": self.calibration,
            "test": self.test,
        }
        return {patient: part for part, patients in parts.items() for patient in patients}


def split_patients(outcomes: Mapping[str, bool], shares: SplitShares, *, seed: int) -> PatientSplit:
    """Part patients; those with the outcome are spread evenly.

    Who falls where depends on the ids, the outcomes and the seed alone.

    Args:
        outcomes: Whether each patient ever has what is forecast.
        shares: Of the parts; each has one patient at least.
        seed: Of the draw.

    Raises:
        SettingsError: The shares leave nobody to learn from (``E_SPLIT``).
    """
    wanted: dict[str, float] = shares.model_dump()
    parts: dict[str, list[str]] = {name: [] for name in ("train", *wanted)}
    for has_outcome in (True, False):
        group = _drawn(outcomes, outcomes, has_outcome, seed)
        start = 0
        for name, share in wanted.items():
            stop = start + (max(1, round(share * len(group))) if group else 0)
            parts[name] += group[start:stop]
            start = stop
        parts["train"] += group[start:]
    _check(parts, fit=sum(wanted.values()) < 1)
    return PatientSplit(seed=seed, **{name: tuple(sorted(patients)) for name, patients in parts.items()})


def split_as_recorded(
    outcomes: Mapping[str, bool], recorded: Mapping[str, str], shares: SplitShares, *, seed: int
) -> PatientSplit:
    """Part patients as their records say: held_out is the test, tuning the validation.

    The calibration part, and the validation where there is no tuning, are drawn from train by the seed; their
    shares are of all patients.

    Args:
        outcomes: Whether each patient ever has what is forecast.
        recorded: ``train``, ``tuning`` or ``held_out`` of each patient, and of others maybe.
        shares: Of the parts that are drawn.
        seed: Of the draw.

    Raises:
        SettingsError: A patient has none of these, or a part stays empty (``E_SPLIT``).
    """
    parts: dict[str, list[str]] = {name: [] for name in PARTS}
    for patient in outcomes:
        part = _RECORDED.get(recorded.get(patient, ""))
        if part is None:
            raise SettingsError(
                Code.E_SPLIT,
                "The records' split must put each patient into train, tuning or held_out",
                found=f"{recorded.get(patient, 'nothing')!r} of a patient",
                fix="Correct metadata/subject_splits.parquet, or draw a split: --set split_by=seed.",
            )
        parts[part].append(patient)
    wanted = {"calibration": shares.calibration}
    if not parts["validation"]:
        wanted["validation"] = shares.validation
    for has_outcome in (True, False):
        group = _drawn(parts["train"], outcomes, has_outcome, seed)
        total = sum(outcome is has_outcome for outcome in outcomes.values())
        for name, share in wanted.items():
            count = max(1, round(share * total))
            parts[name] += group[:count]
            group = group[count:]
    chosen = {*parts["calibration"], *(parts["validation"] if "validation" in wanted else ())}
    parts["train"] = [patient for patient in parts["train"] if patient not in chosen]
    _check(parts, fit=True)
    return PatientSplit(
        seed=seed, source="records", **{name: tuple(sorted(patients)) for name, patients in parts.items()}
    )


def _drawn(patients: Iterable[str], outcomes: Mapping[str, bool], has_outcome: bool, seed: int) -> list[str]:
    """Return the patients of one outcome in an order by the seed."""
    return sorted(
        (patient for patient in patients if outcomes[patient] is has_outcome),
        key=lambda patient: hashlib.sha256(f"{seed}\n{patient}".encode()).digest(),
    )


def _check(parts: Mapping[str, Sequence[str]], *, fit: bool) -> None:
    if not all(parts.values()) or not fit:
        raise SettingsError(
            Code.E_SPLIT,
            "Each part of the patients has one at least",
            found=", ".join(f"{name} {len(patients)}" for name, patients in parts.items()),
            fix="Give more patients, or smaller shares.",
        )


def write_patient_split(path: Path, split: PatientSplit) -> None:
    """Write a split as JSON.

    Raises:
        MachineError: The file cannot be written.
    """
    write_text(path, split.model_dump_json(indent=1) + "\n")


def read_patient_split(path: Path, patients: Sequence[str] | None = None) -> PatientSplit:
    """Read a split and hold it against the patients there are.

    Args:
        path: A JSON file.
        patients: Their ids; None where they are not known yet.

    Raises:
        SettingsError: It is no split, is of other patients, or has one in two parts (``E_SPLIT``).
    """
    try:
        split = PatientSplit.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise SettingsError(
            Code.E_SPLIT, f"{path.name} is no split of patients", found=type(error).__name__
        ) from error
    named = [*split.train, *split.validation, *split.calibration, *split.test]
    there = set(named if patients is None else patients)
    if len(set(named)) < len(named) or set(named) != there:
        raise SettingsError(
            Code.E_SPLIT,
            f"{path.name} does not part these patients",
            found=f"{len(named)} named, {len(set(named))} different, {len(there)} in the data",
            fix="Remove it, or use the data that it was made for.",
        )
    return split
