"""The data of one part of a training: whole studies or single slices, drawn by seed and epoch alone."""

from typing import Any

import lightning
from torch.utils.data import DataLoader

from medpipe.data.length_batches import LengthBatchSampler
from medpipe.data.slice_dataset import SliceDataset, SliceSampler
from medpipe.data.study_dataset import StudyDataset, collate_studies

_VALIDATION_SLICES = 256


class StudyData(lightning.LightningDataModule):
    """Whole studies, in batches of similar length.

    Args:
        train: What is learned from.
        validation: What is looked at; None for nothing.
        batch_slices: Slices of a batch.
        seed: Of the order.
        workers: Data worker processes; 0 for none. Batches do not depend on it.
    """

    def __init__(
        self,
        train: StudyDataset,
        validation: StudyDataset | None,
        *,
        batch_slices: int,
        seed: int,
        workers: int,
    ) -> None:
        super().__init__()
        self._train = train
        self._validation = validation
        self._batch_slices = batch_slices
        self._seed = seed
        self._workers = workers

    def train_dataloader(self) -> Any:
        """Return batches of an epoch, those of this process."""
        rank, world_size = _process(self.trainer)
        sampler = LengthBatchSampler(
            self._train.lengths,
            max_slices=self._batch_slices,
            seed=self._seed,
            rank=rank,
            world_size=world_size,
        )
        return _loader(self._train, self._workers, batch_sampler=sampler, collate_fn=collate_studies)

    def val_dataloader(self) -> Any:
        """Return all studies; each process sees all, so that all agree on the best."""
        if self._validation is None:
            return []
        sampler = LengthBatchSampler(self._validation.lengths, max_slices=_VALIDATION_SLICES, shuffle=False)
        return _loader(self._validation, 0, batch_sampler=sampler, collate_fn=collate_studies)


class SliceData(lightning.LightningDataModule):
    """Single slices among their neighbours, as many an epoch as there are.

    Args:
        train: What is learned from.
        batch_slices: Slices of a batch.
        positive_share: Share of slices with a label; 0 draws all alike.
        seed: Of the order.
        workers: Data worker processes; 0 for none.
    """

    def __init__(
        self, train: SliceDataset, *, batch_slices: int, positive_share: float, seed: int, workers: int
    ) -> None:
        super().__init__()
        self._train = train
        self._batch_slices = batch_slices
        self._positive_share = positive_share
        self._seed = seed
        self._workers = workers

    def train_dataloader(self) -> Any:
        """Return slices of an epoch, those of this process."""
        rank, world_size = _process(self.trainer)
        is_positive = self._train.is_positive
        sampler = SliceSampler(
            is_positive,
            positive_share=self._positive_share or float(is_positive.mean()),
            num_slices=len(self._train),
            seed=self._seed,
            rank=rank,
            world_size=world_size,
        )
        return _loader(
            self._train,
            self._workers,
            sampler=sampler,
            batch_size=self._batch_slices,
            drop_last=len(sampler) > self._batch_slices,
        )


def _process(trainer: "lightning.Trainer | None") -> tuple[int, int]:
    return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)


def _loader(dataset: Any, workers: int, **drawn: Any) -> Any:
    return DataLoader(dataset, num_workers=workers, persistent_workers=workers > 0, **drawn)
