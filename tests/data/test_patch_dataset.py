"""The data set of patches: items depend on seed, epoch and number alone."""

from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from medpipe.core.errors import NoInputError, RefusedError, SettingsError, ShapeError
from medpipe.data.cases import SegmentationCase
from medpipe.data.decathlon import read_decathlon
from medpipe.data.patch_dataset import Patch, PatchDataset, PatchKey, PatchSampler
from medpipe.data.patches import PatchSampling
from medpipe.data.reading import LabelledImage, read_labelled

SHAPE = (4, 4, 9)  # the cases are 5 x 6 x 7: the last axis is padded
SAMPLING = PatchSampling(SHAPE, 0.5)

Batch = list[Patch]


@pytest.fixture
def cases(folder_of_cases: Path) -> tuple[SegmentationCase, ...]:
    return read_decathlon(folder_of_cases).cases


def dataset_of(cases: tuple[SegmentationCase, ...], **options: object) -> PatchDataset:
    return PatchDataset(cases, read_labelled, SAMPLING, **{"num_patches": 8, "seed": 3, **options})


def assert_same(one: Patch, two: Patch) -> None:
    for first, second in zip(one, two, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0) if torch.is_tensor(first) else None
        assert torch.is_tensor(first) or first == second


def test_patch_is_cut_where_it_says(cases: tuple[SegmentationCase, ...]) -> None:
    dataset = dataset_of(cases)
    for number in range(8):
        patch = dataset[PatchKey(0, number)]
        whole = read_labelled(next(case for case in cases if case.id == patch.case_id))
        assert patch.image.shape == (1, *SHAPE)
        assert patch.label_map.shape == SHAPE
        assert patch.label_map.dtype == torch.uint8
        assert patch.spacing_mm.tolist() == [2.0, 3.0, 4.0]
        i, j, k = patch.start.tolist()
        assert k == -1  # 9 - 7 = 2 voxels of padding, one in front
        torch.testing.assert_close(patch.image[..., 1:8], whole.image[:, i : i + 4, j : j + 4])
        torch.testing.assert_close(patch.label_map[..., 1:8], whole.label_map[i : i + 4, j : j + 4])
        assert not patch.image[..., [0, 8]].any()


def test_item_depends_neither_on_earlier_ones_nor_on_the_cache(cases: tuple[SegmentationCase, ...]) -> None:
    keys = [PatchKey(epoch, number) for epoch in range(3) for number in range(8)]
    forward = {key: dataset_of(cases)[key] for key in keys}
    cached = dataset_of(cases[::-1], cache_bytes=1 << 20)
    for key in reversed(keys):
        assert_same(forward[key], cached[key])


def test_epochs_and_seeds_differ(cases: tuple[SegmentationCase, ...]) -> None:
    def seeds(epoch: int, seed: int) -> tuple[int, ...]:
        dataset = dataset_of(cases, seed=seed)
        return tuple(dataset[PatchKey(epoch, number)].seed for number in range(8))

    found = [*seeds(0, 3), *seeds(1, 3), *seeds(0, 4)]
    assert len(set(found)) == len(found)
    assert all(0 <= seed < 2**32 for seed in found)


def test_every_case_is_visited_once_a_round_across_epochs(cases: tuple[SegmentationCase, ...]) -> None:
    dataset = dataset_of(cases)  # 3 cases, epochs of 8 patches
    visits = [dataset[PatchKey(epoch, number)].case_id for epoch in range(3) for number in range(8)]
    assert all(len(set(visits[start : start + 3])) == 3 for start in range(0, 24, 3))
    assert Counter(visits) == {"c0": 8, "c1": 8, "c2": 8}


def invert(patch: Patch) -> Patch:
    return patch._replace(image=-patch.image + patch.seed % 5)


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_give_the_batches_of_none(cases: tuple[SegmentationCase, ...], method: str) -> None:
    def batches(**workers: object) -> Batch:
        dataset = PatchDataset(
            cases,
            partial(read_labelled, known_labels=(1, 2)),
            SAMPLING,
            num_patches=8,
            seed=3,
            cache_bytes=1 << 20,
        )
        sampler = PatchSampler(8)
        loader = DataLoader(dataset, batch_size=3, sampler=sampler, **workers)
        found = []
        for epoch in range(2):
            sampler.set_epoch(epoch)
            found.extend(loader)
        return found

    alone = batches()
    parallel = batches(num_workers=2, multiprocessing_context=method, persistent_workers=True)
    assert [len(batch.case_id) for batch in alone] == [3, 3, 2, 3, 3, 2]
    for one, two in zip(alone, parallel, strict=True):
        assert_same(one, two)


def test_workers_fill_one_cache(cases: tuple[SegmentationCase, ...]) -> None:
    dataset = dataset_of(cases, num_patches=12, cache_bytes=1 << 20)
    loader = DataLoader(dataset, sampler=PatchSampler(12), num_workers=2, multiprocessing_context="fork")
    before = [batch.image for batch in loader]
    for case in cases:
        case.images["image"].unlink()
    after = [dataset[PatchKey(0, number)].image[None] for number in range(12)]
    torch.testing.assert_close(before, after, rtol=0, atol=0)


def test_without_cache_files_are_read_again(cases: tuple[SegmentationCase, ...]) -> None:
    dataset = dataset_of(cases[:1])
    assert dataset[PatchKey(0, 0)].case_id == "c0"
    cases[0].images["image"].unlink()
    with pytest.raises(RefusedError, match="Case c0, image"):
        dataset[PatchKey(0, 1)]


def test_error_in_a_worker_names_the_case(cases: tuple[SegmentationCase, ...]) -> None:
    cases[2].images["image"].write_bytes(b"")
    loader = DataLoader(
        dataset_of(cases), sampler=PatchSampler(8), num_workers=1, multiprocessing_context="fork"
    )
    with pytest.raises(
        RuntimeError, match="Case c2, image: The file holds no bytes"
    ):  # as torch re-raises it
        list(loader)


def test_transform_sees_the_patch_and_its_seed(cases: tuple[SegmentationCase, ...]) -> None:
    key = PatchKey(1, 2)
    plain, changed = dataset_of(cases)[key], dataset_of(cases, transform=invert)[key]
    torch.testing.assert_close(changed.image, -plain.image + plain.seed % 5)


def test_transform_cannot_reach_the_cache(cases: tuple[SegmentationCase, ...]) -> None:
    def spoil(patch: Patch) -> Patch:
        patch.image.zero_()
        return patch

    dataset = dataset_of(cases[1:2], transform=spoil, cache_bytes=1 << 20)
    dataset[PatchKey(0, 0)]
    dataset[PatchKey(0, 1)]
    decoded = dataset._decoded(0)
    assert decoded.image.min() == 1000


def test_ranks_share_an_epoch_without_overlap() -> None:
    ranks = [PatchSampler(10, rank=rank, world_size=4) for rank in range(4)]
    assert [len(sampler) for sampler in ranks] == [2, 2, 2, 2]
    numbers = [key.number for sampler in ranks for key in sampler]
    assert sorted(numbers) == list(range(8))


def test_empty_training_set_is_refused() -> None:
    with pytest.raises(NoInputError, match=r"The training set is empty: found no case\. Check the split"):
        dataset_of(())


@pytest.mark.parametrize(("name", "value"), [("num_patches", 0), ("seed", -1)])
def test_numbers_out_of_range_are_refused(cases: tuple[SegmentationCase, ...], name: str, value: int) -> None:
    with pytest.raises(SettingsError, match=f"{name} is at least .: found {value}"):
        dataset_of(cases, **{name: value})


def test_prepared_images_of_other_shapes_are_refused(cases: tuple[SegmentationCase, ...]) -> None:
    def read(_: SegmentationCase) -> LabelledImage:
        return LabelledImage(torch.zeros(1, 5, 5, 5), torch.zeros(5, 5, 4, dtype=torch.uint8), (1, 1, 1))

    with pytest.raises(ShapeError, match=r"Case c.: .*found \(1, 5, 5, 5\) and \(5, 5, 4\)"):
        PatchDataset(cases, read, SAMPLING, num_patches=1, seed=0)[PatchKey(0, 0)]
