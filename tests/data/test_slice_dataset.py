"""Single slices: neighbours are clamped, unlabelled ones left out, findings drawn at their share."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.core.study_sample import SliceSample
from medpipe.data.slice_dataset import SliceDataset, SliceKey, SliceSampler
from medpipe.data.slice_store import SliceStore
from medpipe.data.slice_store_build import open_slice_store
from medpipe.data.studies import StudyCase


@pytest.fixture
def cases(tmp_path: Path) -> tuple[StudyCase, ...]:
    """Return s2 of 4 slices, the first and last of them labelled, and s3 of 5, the third labelled."""
    return (
        StudyCase("s2", tmp_path, slice_labels={"0": {"any": 0.0}, "3": {"any": 1.0}, "1": {"other": 1.0}}),
        StudyCase("s3", tmp_path, slice_labels={"2": {"sah": 0.5}}),
    )


@pytest.fixture
def store(cases: tuple[StudyCase, ...], tmp_path: Path, ramps) -> SliceStore:
    return open_slice_store(tmp_path / "store", cases, ramps, settings="")


def dataset_of(store: SliceStore, cases: tuple[StudyCase, ...], **options: object) -> SliceDataset:
    return SliceDataset(store, cases, **{"labels": ("any", "sah"), "seed": 3, **options})


def test_labelled_slices_are_items(store: SliceStore, cases: tuple[StudyCase, ...]) -> None:
    dataset = dataset_of(store, cases[::-1])
    samples = [dataset[SliceKey(0, 0, number)] for number in range(len(dataset))]
    assert [(sample.case_id, sample.number) for sample in samples] == [("s2", 0), ("s2", 3), ("s3", 2)]
    labels = torch.tensor([[0.0, torch.nan], [1.0, torch.nan], [torch.nan, 0.5]])
    torch.testing.assert_close(torch.stack([sample.labels for sample in samples]), labels, equal_nan=True)
    assert dataset.is_positive.tolist() == [False, True, True]


def test_neighbours_are_clamped_at_the_ends_of_the_study(
    store: SliceStore, cases: tuple[StudyCase, ...]
) -> None:
    dataset = dataset_of(store, cases, neighbours=5)
    first, last, middle = (dataset[SliceKey(0, 0, number)].image for number in range(3))
    assert first.shape == (5, 3, 4)
    assert first.dtype == torch.int16
    assert first[:, 0, 0].tolist() == [200, 200, 200, 201, 202]
    assert last[:, 0, 0].tolist() == [201, 202, 203, 203, 203]
    assert middle[:, 0, 0].tolist() == [300, 301, 302, 303, 304]


def shake(sample: SliceSample, generator: torch.Generator) -> SliceSample:
    return sample._replace(labels=torch.rand(2, generator=generator))


def test_transform_draws_by_seed_epoch_and_number(store: SliceStore, cases: tuple[StudyCase, ...]) -> None:
    dataset = dataset_of(store, cases, transform=shake)
    draws = [
        dataset[key].labels[0].item() for key in (SliceKey(0, 5, 1), SliceKey(0, 6, 1), SliceKey(1, 5, 1))
    ]
    assert len(set(draws)) == 3
    assert dataset_of(store, cases, transform=shake)[SliceKey(1, 5, 0)].labels[0].item() == draws[2]


def test_loader_makes_batches(store: SliceStore, cases: tuple[StudyCase, ...]) -> None:
    dataset = dataset_of(store, cases, neighbours=3)
    sampler = SliceSampler(dataset.is_positive, positive_share=0.5, num_slices=4)
    (batch,) = DataLoader(dataset, batch_size=4, sampler=sampler, num_workers=1)
    assert batch.image.shape == (4, 3, 3, 4)
    assert Counter(zip(batch.case_id, batch.number.tolist(), strict=True)) == {
        ("s2", 0): 2,
        ("s2", 3): 1,
        ("s3", 2): 1,
    }


@pytest.mark.parametrize("neighbours", [0, 2, -1])
def test_even_numbers_of_neighbours_are_refused(
    store: SliceStore, cases: tuple[StudyCase, ...], neighbours: int
) -> None:
    with pytest.raises(SettingsError, match=f"neighbours is odd: .*found {neighbours}"):
        dataset_of(store, cases, neighbours=neighbours)


def test_studies_without_labelled_slices_are_refused(store: SliceStore, cases: tuple[StudyCase, ...]) -> None:
    with pytest.raises(NoInputError, match="No slice has a label to learn from: found 2 studies"):
        dataset_of(store, cases, labels=("sdh",))


class TestSampler:
    IS_POSITIVE = np.arange(20) >= 16  # 4 of 20

    def keys(self, epoch: int = 0, **options: object) -> list[SliceKey]:
        sampler = SliceSampler(
            self.IS_POSITIVE, **{"positive_share": 0.5, "num_slices": 16, "seed": 1, **options}
        )
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert len(keys) == len(sampler)
        return keys

    def test_share_is_met_and_each_kind_goes_round(self) -> None:
        keys = self.keys()
        counts = Counter(key.slice for key in keys)
        assert [key.number for key in keys] == list(range(16))
        assert {counts[number] for number in range(16, 20)} == {2}  # 8 of 4 with a finding
        assert sum(counts[number] == 1 for number in range(16)) == 8  # 8 of 16 without

    def test_share_zero_or_one_takes_one_kind(self) -> None:
        assert all(key.slice < 16 for key in self.keys(positive_share=0.0))
        assert all(key.slice >= 16 for key in self.keys(positive_share=1.0))

    def test_epochs_and_seeds_differ_and_come_again(self) -> None:
        assert self.keys(epoch=1) == self.keys(epoch=1)
        assert len({tuple(self.keys(epoch, seed=seed)) for epoch in range(2) for seed in range(2)}) == 4

    def test_ranks_share_an_epoch_without_overlap(self) -> None:
        ranks = [self.keys(num_slices=17, rank=rank, world_size=2) for rank in range(2)]
        assert [len(keys) for keys in ranks] == [8, 8]
        whole = {key.number: key for key in self.keys(num_slices=17)}
        assert all(whole[key.number] == key for keys in ranks for key in keys)
        assert sorted(key.number for keys in ranks for key in keys) == list(range(16))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"positive_share": 1.1}, "positive_share lies between 0 and 1: found 1.1"),
            ({"num_slices": 0}, "num_slices is at least 1: found 0"),
            ({"seed": -1}, "seed is at least 0: found -1"),
        ],
    )
    def test_numbers_out_of_range_are_refused(self, options: dict, words: str) -> None:
        with pytest.raises(SettingsError, match=words):
            self.keys(**options)

    def test_a_kind_that_is_not_there_cannot_be_drawn(self) -> None:
        with pytest.raises(SettingsError, match="No slice with a finding to draw 5 an epoch from"):
            SliceSampler(np.zeros(9, bool), positive_share=0.5, num_slices=10)
        with pytest.raises(SettingsError, match="No slice without a finding to draw 5 an epoch from"):
            SliceSampler(np.ones(9, bool), positive_share=0.5, num_slices=10)
