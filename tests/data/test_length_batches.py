"""Batches by length: every study once, never over the budget, as many on every rank."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.length_batches import LengthBatchSampler
from medpipe.data.study_dataset import StudyKey

Lengths = st.lists(st.integers(1, 60), min_size=1, max_size=80)


def batches_of(sampler: LengthBatchSampler, epoch: int = 0) -> list[list[int]]:
    sampler.set_epoch(epoch)
    return [[key.number for key in batch] for batch in sampler]


def test_batches_in_order_are_worked_by_hand() -> None:
    # By falling length: 9 (study 2) alone allows 10 // 9 = 1 study a batch for the pool of all.
    assert batches_of(LengthBatchSampler([2, 3, 9], max_slices=10, shuffle=False)) == [[2], [1], [0]]
    # 5 slices: two studies a batch.
    assert batches_of(LengthBatchSampler([4, 5, 5, 4, 3], max_slices=10, shuffle=False)) == [
        [1, 2],
        [0, 3],
        [4],
    ]


@given(lengths=Lengths, max_slices=st.integers(1, 200), epoch=st.integers(0, 5), seed=st.integers(0, 5))
def test_every_study_stands_in_one_batch_within_the_budget(
    lengths: list[int], max_slices: int, epoch: int, seed: int
) -> None:
    sampler = LengthBatchSampler(lengths, max_slices=max_slices, seed=seed)
    batches = batches_of(sampler, epoch)
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    assert len(batches) == len(sampler)
    for batch in batches:
        assert len(batch) == 1 or sum(lengths[number] for number in batch) <= max_slices


@given(lengths=Lengths, max_slices=st.integers(1, 200), world_size=st.integers(2, 5), epoch=st.integers(0, 3))
def test_ranks_have_as_many_batches_and_miss_no_study(
    lengths: list[int], max_slices: int, world_size: int, epoch: int
) -> None:
    samplers = [
        LengthBatchSampler(lengths, max_slices=max_slices, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    found = [batches_of(sampler, epoch) for sampler in samplers]
    assert {len(batches) for batches in found} == {len(samplers[0])}
    assert all(batch for batches in found for batch in batches)
    counts = Counter(number for batches in found for batch in batches for number in batch)
    assert set(counts) == set(range(len(lengths)))
    assert sum(counts.values()) - len(lengths) < world_size  # repeated to fill the last step


def test_two_ranks_share_seven_studies_and_repeat_one() -> None:
    ranks = [LengthBatchSampler([5] * 7, max_slices=5, rank=rank, world_size=2) for rank in range(2)]
    first, second = (batches_of(sampler) for sampler in ranks)
    assert len(first) == len(second) == 4
    assert sum(Counter(number for batch in first + second for number in batch).values()) == 8


def test_batches_of_one_step_are_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(20, 60, 1000).tolist()
    ranks = [batches_of(LengthBatchSampler(lengths, max_slices=240, rank=r, world_size=2)) for r in range(2)]
    spreads = [np.ptp([lengths[number] for number in one + two]) for one, two in zip(*ranks, strict=True)]
    # A pool holds 16 steps of about 12 studies: a fifth of all studies, so a fifth of the range of lengths.
    assert max(spreads) <= 12


def test_epochs_and_seeds_differ_and_come_again() -> None:
    lengths = [30 + number % 5 for number in range(100)]

    def batches(seed: int, epoch: int) -> list[list[int]]:
        return batches_of(LengthBatchSampler(lengths, max_slices=130, seed=seed), epoch)

    assert batches(1, 2) == batches(1, 2)
    assert batches(1, 2) != batches(1, 3)
    assert batches(1, 2) != batches(2, 2)


def test_keys_carry_the_epoch() -> None:
    sampler = LengthBatchSampler([3], max_slices=3)
    sampler.set_epoch(7)
    assert list(sampler) == [[StudyKey(7, 0)]]


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(NoInputError, match="There are no studies to make batches of"):
        LengthBatchSampler([], max_slices=3)
    with pytest.raises(SettingsError, match="max_slices is at least 1: found 0"):
        LengthBatchSampler([3], max_slices=0)
    with pytest.raises(SettingsError, match="seed is at least 0: found -1"):
        LengthBatchSampler([3], max_slices=3, seed=-1)
