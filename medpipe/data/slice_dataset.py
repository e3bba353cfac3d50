"""Single slices among their neighbours, to train an encoder on; those with a finding at a stated share.

Letters: N slices of all studies, K neighbouring slices, I J axes of a slice, L labels.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, Sampler

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.core.study_sample import SliceSample
from medpipe.data.slice_store import SliceStore
from medpipe.data.studies import StudyCase
from medpipe.data.study_dataset import checked_cases, generator_of
from medpipe.data.study_targets import targets_of

SliceTransform = Callable[[SliceSample, torch.Generator], SliceSample]
"""Changes a sample; whatever is random in it comes from the generator."""

_POSITIVE_FROM = 0.5


class SliceKey(NamedTuple):
    """Names an item: its epoch, its number in the epoch, and the number of its slice."""

    epoch: int
    number: int
    slice: int


class SliceDataset(Dataset[SliceSample]):
    """The labelled slices of studies; ``dataset[SliceKey(epoch, number, slice)]``.

    Slices of which nothing is known are left out. The others are numbered by case id, then in physical order.
    An item is the same whatever the number of workers or the order of access.

    Args:
        store: Holds the slices of every case.
        cases: At least one.
        labels: Names of the labels, in the order in which they are learnt.
        neighbours: Slices of an item, odd: the slice itself in the middle. Beyond an end of the study its
            last slice is repeated.
        seed: Of what the transform draws.
        transform: Changes a sample.

    Raises:
        NoInputError: There are no cases, or no labelled slices (``E_NO_INPUT``).
        RefusedError: A case was left out of the store for a fault of its data.
        SettingsError: Labels are of slices that do not exist (``E_DATASET``), neighbours are even or a
            number is out of range (``E_SETTINGS``).
    """

    def __init__(
        self,
        store: SliceStore,
        cases: Sequence[StudyCase],
        *,
        labels: Sequence[str],
        neighbours: int = 1,
        seed: int = 0,
        transform: SliceTransform | None = None,
    ) -> None:
        if neighbours < 1 or neighbours % 2 == 0:
            raise SettingsError(
                Code.E_SETTINGS,
                "neighbours is odd: the slice itself and as many on either side",
                found=str(neighbours),
            )
        self._cases = checked_cases(cases, seed)
        self._store = store
        keys = {case.id: store.keys(case.id) for case in cases}
        targets = targets_of(self._cases, keys, labels=labels)
        known = [np.flatnonzero(~np.isnan(found.slice_labels).all(axis=1)) for found in targets]
        self._studies = np.repeat(np.arange(len(cases)), [len(numbers) for numbers in known])
        self._numbers = np.concatenate(known)
        self._labels = np.concatenate(
            [found.slice_labels[numbers] for found, numbers in zip(targets, known, strict=True)]
        )
        if not len(self._numbers):
            raise NoInputError(
                Code.E_NO_INPUT,
                "No slice has a label to learn from",
                found=f"{len(cases)} studies",
                fix="Give the labels of slices, or learn from studies.",
            )
        self._reach = neighbours // 2
        self._seed = seed
        self._transform = transform

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def is_positive(self) -> npt.NDArray[np.bool_]:
        """``(N,)``: whether any label of a slice is more likely than not."""
        return np.asarray((self._labels >= _POSITIVE_FROM).any(axis=1))

    def __getitem__(self, key: SliceKey) -> SliceSample:
        case, number = self._cases[self._studies[key.slice]], int(self._numbers[key.slice])
        slices = self._store.slices(case.id)
        around = np.arange(number - self._reach, number + self._reach + 1).clip(0, len(slices) - 1)
        sample = SliceSample(
            image=torch.from_numpy(slices[around]),
            labels=torch.tensor(self._labels[key.slice]),
            window=torch.from_numpy(self._store.window(case.id)),
            case_id=case.id,
            number=number,
        )
        if self._transform is None:
            return sample
        return self._transform(sample, generator_of(self._seed, key.epoch, key.number))


class SliceSampler(Sampler[SliceKey]):
    """Keys of one epoch in random order, slices with a finding at a stated share; by seed and epoch alone.

    In an epoch no slice appears twice before all of its kind have appeared.

    Args:
        is_positive: ``(N,)``: which slices have a finding.
        positive_share: Of the slices of an epoch, from 0 to 1.
        num_slices: Slices an epoch, of all processes together.
        seed: Of the order.
        rank: This process.
        world_size: Number of processes that train together; what does not go round is dropped.

    Raises:
        SettingsError: A number is out of range (``E_SETTINGS``), or there is no slice of a kind that is asked
            for (``E_DATASET``).
    """

    def __init__(
        self,
        is_positive: npt.NDArray[np.bool_],
        *,
        positive_share: float,
        num_slices: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if not 0 <= positive_share <= 1:
            raise SettingsError(
                Code.E_SETTINGS, "positive_share lies between 0 and 1", found=f"{positive_share:g}"
            )
        for name, value, least in (("num_slices", num_slices, world_size), ("seed", seed, 0)):
            if value < least:
                raise SettingsError(Code.E_SETTINGS, f"{name} is at least {least}", found=str(value))
        num_positive = round(positive_share * num_slices)
        self._kinds = []
        for kind, count, wanted in (
            (np.flatnonzero(is_positive), num_positive, "with a finding"),
            (np.flatnonzero(~is_positive), num_slices - num_positive, "without a finding"),
        ):
            if count and not len(kind):
                raise SettingsError(
                    Code.E_DATASET,
                    f"No slice {wanted} to draw {count} an epoch from",
                    found=f"{len(is_positive)} slices, all of the other kind",
                    fix="Change positive_share.",
                )
            self._kinds.append((kind, count))
        self._num_slices = num_slices - num_slices % world_size
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the keys that follow."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._num_slices // self._world_size

    def __iter__(self) -> Iterator[SliceKey]:
        rng = np.random.default_rng((self._seed, self._epoch))
        drawn = rng.permutation(np.concatenate([_in_rounds(kind, count, rng) for kind, count in self._kinds]))
        for number in range(self._rank, self._num_slices, self._world_size):
            yield SliceKey(self._epoch, number, int(drawn[number]))


def _in_rounds(kind: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw some of a kind, each once a round."""
    num_rounds = -(-count // len(kind)) if count else 0
    rounds = [rng.permutation(kind) for _ in range(num_rounds)]
    return np.concatenate([kind[:0], *rounds])[:count]
