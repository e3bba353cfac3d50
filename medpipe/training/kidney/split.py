"""Which patients are learned from, chosen by, calibrated on and judged by."""

from collections.abc import Mapping
from pathlib import Path

from medpipe.data.ragged_store import RaggedStore
from medpipe.data.stay_splits import (
    PARTS,
    PartName,
    PatientSplit,
    read_patient_split,
    split_as_recorded,
    split_patients,
    write_patient_split,
)
from medpipe.io.records.meds import read_subject_splits
from medpipe.training.kidney.recipe import KidneyRecipe

Parts = Mapping[PartName, tuple[int, ...]]
"""Numbers of the stays of each part."""


def choose_split(recipe: KidneyRecipe, store: RaggedStore, records: Path, path: Path) -> PatientSplit:
    """Return the split of a file, or a new one, which is written there.

    Args:
        recipe: Shares, seed, and whether the records' own split is taken.
        store: Prepared stays.
        records: Where they came from.
        path: File of the split.

    Raises:
        SettingsError: The file, or the records' split, does not part these patients.
    """
    outcomes: dict[str, bool] = {}
    for item in store.items:
        outcomes[item["patient"]] = outcomes.get(item["patient"], False) or item["has_event"]
    if path.exists():
        return read_patient_split(path, list(outcomes))
    recorded = read_subject_splits(records) if recipe.split_by == "records" else {}
    if recorded:
        split = split_as_recorded(outcomes, recorded, recipe.split, seed=recipe.split_seed)
    else:
        split = split_patients(outcomes, recipe.split, seed=recipe.split_seed)
    write_patient_split(path, split)
    return split


def parts_of(store: RaggedStore, split: PatientSplit) -> Parts:
    """Return the stays of each part."""
    part_of = split.part_of()
    return {
        part: tuple(number for number, item in enumerate(store.items) if part_of[item["patient"]] == part)
        for part in PARTS
    }
