"""Real data sets are read, pass their checks and give patches."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from medpipe.data.case_table import TableColumns, read_table
from medpipe.data.decathlon import read_decathlon
from medpipe.data.patch_dataset import PatchDataset, PatchSampler
from medpipe.data.patches import PatchSampling
from medpipe.data.reading import find_faults, read_case, read_labelled
from medpipe.data.splits import SplitRule, k_folds, split_cases


def nodules(shared_data: Path) -> Path:
    return shared_data / "lidc_nodules" / "nodules.csv"


FILE = "{patient_id}_R_{nodule_id}.nii.gz"
COLUMNS = TableColumns(
    id="{patient_id}_{nodule_id}",
    images={"ct": f"image/{FILE}"},
    mask=f"nodule_mask/{FILE}",
    patient="patient_id",
    numbers=("diameter_mm",),
)


def test_hippocampus_crops_are_a_set_without_patients(shared_data: Path) -> None:
    case_set = read_decathlon(shared_data / "hippocampus")
    assert len(case_set.cases) == 220
    folds = k_folds(case_set, num_folds=5, seed=0)
    assert folds.rule is SplitRule.BY_CASE
    assert [len(split.validation) for split in folds.splits] == [44] * 5


def test_hippocampus_crops_pass_every_check(shared_data: Path) -> None:
    cases = read_decathlon(shared_data / "hippocampus").cases
    assert find_faults(cases, partial(read_case, known_labels=(1, 2))) == {}


def test_hippocampus_crops_give_patches(shared_data: Path) -> None:
    cases = read_decathlon(shared_data / "hippocampus").cases[:6]
    sampling = PatchSampling((40, 56, 40), 0.5)
    dataset = PatchDataset(cases, read_labelled, sampling, num_patches=8, seed=0, cache_bytes=1 << 24)
    for batch in DataLoader(dataset, batch_size=4, sampler=PatchSampler(8)):
        assert batch.image.shape == (4, 1, 40, 56, 40)
        assert set(torch.unique(batch.label_map).tolist()) == {0, 1, 2}


def test_nodules_are_split_by_patient_and_diagnosis(shared_data: Path) -> None:
    case_set = read_table(nodules(shared_data), columns=COLUMNS)
    assert (len(case_set.cases), len({case.patient for case in case_set.cases})) == (811, 441)
    splits = split_cases(case_set, validation=0.15, test=0.15, seed=0, stratify_by="Diagnosis")
    assert splits.rule is SplitRule.BY_PATIENT
    split = splits.splits[0]
    cases = {part: case_set.select(ids) for part, ids in split.parts().items()}
    patients = {part: {case.patient for case in chosen} for part, chosen in cases.items()}
    assert not patients["train"] & patients["validation"]
    assert not patients["train"] & patients["test"]
    assert not patients["validation"] & patients["test"]
    malign = {
        part: sum(case.facts["Diagnosis"] == "Malign" for case in chosen) / len(chosen)
        for part, chosen in cases.items()
    }
    assert malign["test"] == pytest.approx(malign["train"], abs=0.06)


def test_nodules_and_their_masks_share_grids(shared_data: Path) -> None:
    cases = read_table(nodules(shared_data), columns=COLUMNS).cases[::40]
    assert find_faults(cases, partial(read_case, known_labels=(1,))) == {}
