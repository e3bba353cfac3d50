"""The data of a training on stays: windows drawn by seed and epoch alone."""

from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
from torch.utils.data import DataLoader

from medpipe.data.stay_windows import StayWindow, StayWindows, WindowSampler, collate_windows
from medpipe.training.kidney.reading import StayReader


class StayData(lightning.LightningDataModule):
    """Windows of stays.

    Args:
        reader: Reads prepared stays.
        train: Stays to learn from.
        validation: Stays to look at.
        batch_stays: Stays of a batch.
        window: Steps of a window.
        seed: Of the order.
        workers: Data worker processes; 0 for none. Batches do not depend on it.
    """

    def __init__(
        self,
        reader: StayReader,
        *,
        train: Sequence[int],
        validation: Sequence[int],
        batch_stays: int,
        window: int,
        seed: int,
        workers: int,
    ) -> None:
        super().__init__()
        self._reader = reader
        self._train = train
        self._validation = validation
        self._batch_stays = batch_stays
        self._window = window
        self._seed = seed
        self._workers = workers

    def train_dataloader(self) -> Any:
        """Return the batches of an epoch."""
        windows = stay_windows(self._reader, self._train)
        sampler = WindowSampler(
            windows.lengths, batch_stays=self._batch_stays, window=self._window, seed=self._seed
        )
        return DataLoader(
            windows,
            batch_sampler=sampler,
            collate_fn=collate_windows,
            num_workers=self._workers,
            persistent_workers=self._workers > 0,
        )

    def val_dataloader(self) -> Any:
        """Return the stays to look at, in an order that does not change."""
        windows = stay_windows(self._reader, self._validation)
        return ordered_loader(windows, batch_stays=self._batch_stays, window=self._window)


def stay_windows(reader: StayReader, stays: Sequence[int]) -> StayWindows:
    """Return windows of some stays, numbered from 0 in their order."""
    lengths = reader.store.lengths("end_h")[np.asarray(stays, dtype=np.int64)]

    def read(number: int, start: int, stop: int) -> StayWindow:
        return reader.window(stays[number], start, stop)

    return StayWindows(lengths, read)


def ordered_loader(windows: StayWindows, *, batch_stays: int, window: int) -> Any:
    """Return a loader of all windows in an order that does not change."""
    sampler = WindowSampler(windows.lengths, batch_stays=batch_stays, window=window, shuffle=False)
    return DataLoader(windows, batch_sampler=sampler, collate_fn=collate_windows)
