"""The data of one training: patches to learn from and whole cases to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader, Dataset

from medpipe.data.cases import SegmentationCase
from medpipe.data.patch_dataset import PatchDataset, PatchSampler
from medpipe.data.patches import PatchSampling
from medpipe.training.segmentation.patches import PatchFinish, PreparedReader, WholeCase, collate_patches
from medpipe.training.segmentation.recipe import TrainingRecipe
from medpipe.training.segmentation.score_values import score_values
from medpipe.transforms.recipe import read_recipe as read_augmentation


class SegmentationData(lightning.LightningDataModule):
    """Data loaders of one split.

    Args:
        recipe: How to train.
        train: Cases to learn from.
        validation: Cases to look at; may be empty.
        workers: Data worker processes; 0 for none. Batches do not depend on it.
        cache_bytes: Memory for prepared cases.
    """

    def __init__(
        self,
        recipe: TrainingRecipe,
        train: Sequence[SegmentationCase],
        validation: Sequence[SegmentationCase],
        *,
        workers: int,
        cache_bytes: int,
    ) -> None:
        super().__init__()
        self._recipe = recipe
        self._reader = case_reader(recipe)
        self._scores = score_values(recipe.scores, (*train, *validation))
        self._train = train
        self._validation = validation
        self._workers = workers
        self._cache_bytes = cache_bytes

    def train_dataloader(self) -> Any:
        """Return patches: ``steps_per_epoch`` batches an epoch on each device."""
        schedule, sampling = self._recipe.schedule, self._recipe.sampling
        world_size = self.trainer.world_size if self.trainer else 1
        rank = self.trainer.global_rank if self.trainer else 0
        count = schedule.steps_per_epoch * schedule.batch_size * world_size
        preprocessing = self._recipe.preprocessing
        augmentation = read_augmentation(sampling.augmentation) if sampling.augmentation else None
        dataset = PatchDataset(
            self._train,
            replace(self._reader, keep_hu=True),
            PatchSampling(preprocessing.patch_shape, sampling.foreground_share),
            num_patches=count,
            seed=schedule.seed,
            transform=PatchFinish(preprocessing, augmentation),
            scores=self._scores,
            cache_bytes=self._cache_bytes,
        )
        return DataLoader(
            dataset,
            batch_size=schedule.batch_size,
            sampler=PatchSampler(count, rank=rank, world_size=world_size),
            num_workers=self._workers,
            persistent_workers=self._workers > 0,
            collate_fn=collate_patches,
        )

    def val_dataloader(self) -> Any:
        """Return whole cases, one at a time; each process sees all, so that all agree on the best."""
        return DataLoader(_WholeCases(self._validation, self._reader, self._scores), batch_size=None)


class _WholeCases(Dataset[WholeCase]):
    def __init__(
        self, cases: Sequence[SegmentationCase], reader: PreparedReader, scores: Mapping[str, torch.Tensor]
    ) -> None:
        self._cases = cases
        self._reader = reader
        self._scores = scores

    def __len__(self) -> int:
        return len(self._cases)

    def __getitem__(self, index: int) -> WholeCase:
        case = self._cases[index]
        image, label_map, _ = self._reader(case)
        return WholeCase(image, None if case.mask is None else label_map, self._scores[case.id])


def case_reader(recipe: TrainingRecipe) -> PreparedReader:
    """Return what reads the cases of a recipe; they may lack masks where there are scores to learn."""
    labels = frozenset(label.value for label in recipe.labels)
    return PreparedReader(recipe.preprocessing, labels, needs_mask=not recipe.scores)
