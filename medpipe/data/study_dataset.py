"""Whole studies for training: items depend on seed, epoch and number alone; batches are ragged.

Letters: B studies, N slices of all studies of a batch, S slices of a study, I J axes of a slice, L labels,
R scores.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.core.study_sample import StudySample
from medpipe.data.studies import StudyCase
from medpipe.data.study_targets import targets_of

StudyTransform = Callable[[StudySample, torch.Generator], StudySample]
"""Changes a sample; whatever is random in it comes from the generator."""


class StudyKey(NamedTuple):
    """Names an item: its epoch, and the number of its study."""

    epoch: int
    number: int


class StudyBatch(NamedTuple):
    """Studies of any numbers of slices, one after another.

    Attributes:
        slices: ``(N, I, J)`` int16.
        lengths: ``(B,)`` int64, slices of each study; their sum is N.
        gaps_mm: ``(N,)`` float32: distance to the slice before; 0 for the first of each study.
        study_labels: ``(B, L)`` float32; NaN where unknown.
        slice_labels: ``(N, L)`` float32; NaN where unknown.
        scores: ``(B, R)`` float32; NaN where unknown.
        windows: ``(B, 2)`` float32: see :class:`medpipe.core.study_sample.StudySample`.
        case_ids: Of the studies.
    """

    slices: torch.Tensor
    lengths: torch.Tensor
    gaps_mm: torch.Tensor
    study_labels: torch.Tensor
    slice_labels: torch.Tensor
    scores: torch.Tensor
    windows: torch.Tensor
    case_ids: tuple[str, ...]


class StoredStudies(Protocol):
    """What holds something of each slice of studies, as :class:`medpipe.data.slice_store.SliceStore` does."""

    def slices(self, case_id: str) -> npt.NDArray[Any]:
        """Return ``(S, ...)``."""

    def keys(self, case_id: str) -> tuple[str, ...]:
        """Return what names each slice."""

    def num_slices(self, case_id: str) -> int:
        """Return the number of slices."""

    def gaps_mm(self, case_id: str) -> npt.NDArray[np.float32]:
        """Return ``(S,)`` distances to the slice before."""

    def window(self, case_id: str) -> npt.NDArray[np.float32]:
        """Return ``(2,)``: the ends of the header's window."""


class StudyDataset(Dataset[StudySample]):
    """Studies of a store with their answers; ``dataset[StudyKey(epoch, number)]``.

    Studies are numbered by case id. An item is the same whatever the number of workers or the order of
    access.

    Args:
        store: Holds the slices of every case.
        cases: At least one.
        labels: Names of the labels, in the order in which they are learnt.
        scores: Names of the scores, likewise.
        seed: Of what the transform draws.
        transform: Changes a sample.

    Raises:
        NoInputError: There are no cases (``E_NO_INPUT``).
        RefusedError: A case was left out of the store for a fault of its data.
        SettingsError: Labels are of slices that do not exist (``E_DATASET``), or the seed is negative
            (``E_SETTINGS``).
    """

    def __init__(
        self,
        store: StoredStudies,
        cases: Sequence[StudyCase],
        *,
        labels: Sequence[str],
        scores: Sequence[str] = (),
        seed: int = 0,
        transform: StudyTransform | None = None,
    ) -> None:
        self._cases = checked_cases(cases, seed)
        self._store = store
        keys = {case.id: store.keys(case.id) for case in cases}
        self._targets = targets_of(self._cases, keys, labels=labels, scores=scores)
        self._seed = seed
        self._transform = transform

    def __len__(self) -> int:
        return len(self._cases)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Slices of each study, before the transform."""
        return tuple(self._store.num_slices(case.id) for case in self._cases)

    def __getitem__(self, key: StudyKey) -> StudySample:
        case, targets = self._cases[key.number], self._targets[key.number]
        sample = StudySample(
            slices=torch.from_numpy(np.array(self._store.slices(case.id))),
            gaps_mm=torch.from_numpy(self._store.gaps_mm(case.id)),
            study_labels=torch.tensor(targets.study_labels),
            slice_labels=torch.tensor(targets.slice_labels),
            scores=torch.tensor(targets.scores),
            window=torch.from_numpy(self._store.window(case.id)),
            case_id=case.id,
        )
        if self._transform is None:
            return sample
        return self._transform(sample, generator_of(self._seed, *key))


def collate_studies(samples: Sequence[StudySample]) -> StudyBatch:
    """Join studies into a batch without padding."""
    return StudyBatch(
        slices=torch.cat([sample.slices for sample in samples]),
        lengths=torch.tensor([len(sample.slices) for sample in samples]),
        gaps_mm=torch.cat([sample.gaps_mm for sample in samples]),
        study_labels=torch.stack([sample.study_labels for sample in samples]),
        slice_labels=torch.cat([sample.slice_labels for sample in samples]),
        scores=torch.stack([sample.scores for sample in samples]),
        windows=torch.stack([sample.window for sample in samples]),
        case_ids=tuple(sample.case_id for sample in samples),
    )


def checked_cases(cases: Sequence[StudyCase], seed: int) -> list[StudyCase]:
    """Return the cases of a data set sorted by id.

    Raises:
        NoInputError: There are none (``E_NO_INPUT``).
        SettingsError: The seed is negative (``E_SETTINGS``).
    """
    if not cases:
        raise NoInputError(
            Code.E_NO_INPUT,
            "There are no studies to learn from",
            found="no case",
            fix="Check the split: it needs at least one study.",
        )
    if seed < 0:
        raise SettingsError(Code.E_SETTINGS, "seed is at least 0", found=str(seed))
    return sorted(cases, key=lambda case: case.id)


def generator_of(*numbers: int) -> torch.Generator:
    """Return a generator that depends on the numbers alone, none of them negative."""
    (state,) = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
