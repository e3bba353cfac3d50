"""Whole studies: items by seed, epoch and number alone; ragged batches."""

import pickle
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, RefusedError, SettingsError
from medpipe.core.study_sample import StudySample
from medpipe.data.length_batches import LengthBatchSampler
from medpipe.data.slice_store import SliceStore
from medpipe.data.slice_store_build import open_slice_store
from medpipe.data.studies import StudyCase
from medpipe.data.study_dataset import StudyBatch, StudyDataset, StudyKey, collate_studies

NAN = float("nan")


@pytest.fixture
def cases(tmp_path: Path) -> tuple[StudyCase, ...]:
    """Return ``s0`` to ``s4`` of 2 to 6 slices; the last slice of s1 bleeds."""
    return tuple(
        StudyCase(
            f"s{number}",
            tmp_path,
            labels={"any": float(number == 1)},
            scores={"shift_mm": 1.5} if number == 0 else {},
            slice_labels={"2": {"any": 1.0}} if number == 1 else {},
        )
        for number in range(5)
    )


@pytest.fixture
def store(cases: tuple[StudyCase, ...], tmp_path: Path, ramps) -> SliceStore:
    return open_slice_store(tmp_path / "store", cases, ramps, settings="")


def dataset_of(store: SliceStore, cases: tuple[StudyCase, ...], **options: object) -> StudyDataset:
    return StudyDataset(
        store, cases, **{"labels": ("any", "sah"), "scores": ("shift_mm",), "seed": 3, **options}
    )


def shake(sample: StudySample, generator: torch.Generator) -> StudySample:
    noise = torch.randint(-9, 9, sample.slices.shape, generator=generator, dtype=torch.int16)
    return sample._replace(slices=sample.slices + noise)


def assert_same(one: tuple, two: tuple) -> None:
    for first, second in zip(one, two, strict=True):
        if torch.is_tensor(first):
            torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
        else:
            assert first == second


def test_item_holds_slices_gaps_and_answers(store: SliceStore, cases: tuple[StudyCase, ...]) -> None:
    dataset = dataset_of(store, cases[::-1])
    assert len(dataset) == 5
    assert dataset.lengths == (2, 3, 4, 5, 6)
    sample = dataset[StudyKey(0, 1)]
    assert sample.case_id == "s1"
    assert sample.slices.dtype == torch.int16
    assert sample.slices[:, 0, 0].tolist() == [100, 101, 102]
    assert sample.slices.shape == (3, 3, 4)
    assert sample.gaps_mm.tolist() == [0.0, 5.0, 5.0]
    for found, expected in (
        (sample.study_labels, [1.0, NAN]),
        (sample.slice_labels, [[NAN, NAN], [NAN, NAN], [1.0, NAN]]),
        (sample.scores, [NAN]),
        (dataset[StudyKey(0, 0)].scores, [1.5]),
    ):
        torch.testing.assert_close(found, torch.tensor(expected), equal_nan=True)


def test_changes_of_a_sample_do_not_reach_the_store(store: SliceStore, cases: tuple[StudyCase, ...]) -> None:
    dataset = dataset_of(store, cases)
    sample = dataset[StudyKey(0, 1)]
    sample.slices.zero_()
    sample.slice_labels.zero_()
    again = dataset[StudyKey(0, 1)]
    assert again.slices[0, 0, 0] == 100
    assert again.slice_labels[2, 0] == 1.0


def test_transform_draws_by_seed_epoch_and_number(store: SliceStore, cases: tuple[StudyCase, ...]) -> None:
    first = dataset_of(store, cases, transform=shake)
    again = dataset_of(store, cases, transform=shake)
    again[StudyKey(0, 4)]
    assert_same(first[StudyKey(2, 3)], again[StudyKey(2, 3)])
    others = (first[StudyKey(1, 3)], dataset_of(store, cases, transform=shake, seed=4)[StudyKey(2, 3)])
    assert all(not torch.equal(first[StudyKey(2, 3)].slices, other.slices) for other in others)


def test_batch_is_ragged(store: SliceStore, cases: tuple[StudyCase, ...]) -> None:
    dataset = dataset_of(store, cases)
    batch = collate_studies([dataset[StudyKey(0, 1)], dataset[StudyKey(0, 0)]])
    assert batch.case_ids == ("s1", "s0")
    assert batch.lengths.tolist() == [3, 2]
    assert batch.slices[:, 2, 3].tolist() == [100, 101, 102, 0, 1]
    assert batch.gaps_mm.tolist() == [0, 5, 5, 0, 5]
    assert batch.study_labels[:, 0].tolist() == [1.0, 0.0]
    assert batch.slice_labels.shape == (5, 2)
    assert batch.scores.shape == (2, 1)


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_give_the_batches_of_none(
    store: SliceStore, cases: tuple[StudyCase, ...], method: str
) -> None:
    transform = shake if method == "fork" else None  # a function of this file cannot be found by others

    def batches(**workers: object) -> list[StudyBatch]:
        dataset = dataset_of(store, cases, transform=transform)
        sampler = LengthBatchSampler(dataset.lengths, max_slices=8, seed=3)
        loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate_studies, **workers)
        found = []
        for epoch in range(2):
            sampler.set_epoch(epoch)
            found.extend(loader)
        return found

    alone = batches()
    parallel = batches(num_workers=2, multiprocessing_context=method, persistent_workers=True)
    assert sorted(case_id for batch in alone for case_id in batch.case_ids) == sorted(
        2 * [case.id for case in cases]
    )
    for one, two in zip(alone, parallel, strict=True):
        assert_same(one, two)


def test_dataset_travels(store: SliceStore, cases: tuple[StudyCase, ...]) -> None:
    dataset = dataset_of(store, cases)
    assert_same(dataset[StudyKey(0, 2)], pickle.loads(pickle.dumps(dataset))[StudyKey(0, 2)])


def test_labels_for_slices_that_do_not_exist_are_refused(
    store: SliceStore, cases: tuple[StudyCase, ...], tmp_path: Path
) -> None:
    wrong = StudyCase("s0", tmp_path, slice_labels={"2": {"any": 1.0}})  # s0 has slices 0 and 1
    with pytest.raises(SettingsError, match="Case s0: labels for slices that do not exist: found slice '2'"):
        dataset_of(store, (wrong, *cases[1:]))


def test_case_that_was_left_out_of_the_store_is_refused_with_its_reason(tmp_path: Path, ramps) -> None:
    def prepare(case: StudyCase):
        if case.id == "s1":
            raise RefusedError(Code.E_GAP, "Case s1: a slice is missing")
        return ramps(case)

    cases = tuple(StudyCase(f"s{number}", tmp_path) for number in range(2))
    store = open_slice_store(tmp_path / "store", cases, prepare, settings="", allow_refused=True)
    with pytest.raises(RefusedError, match="Case s1: a slice is missing"):
        dataset_of(store, cases)


def test_no_studies_and_negative_seeds_are_refused(store: SliceStore, cases: tuple[StudyCase, ...]) -> None:
    with pytest.raises(NoInputError, match="There are no studies to learn from"):
        dataset_of(store, ())
    with pytest.raises(SettingsError, match="seed is at least 0: found -1"):
        dataset_of(store, cases, seed=-1)
