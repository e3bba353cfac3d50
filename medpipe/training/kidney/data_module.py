"""The data of a training on stays: windows drawn by seed and epoch alone."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader

from medpipe.data.stay_windows import StayWindow, StayWindows, WindowKey, WindowSampler, collate_windows
from medpipe.training.kidney.reading import StayReader

_NUMBER_BYTES = 4


class StayData(lightning.LightningDataModule):
    """Windows of stays.

    Args:
        reader: Reads prepared stays.
        train: Stays to learn from.
        validation: Stays to look at.
        labelled: Of those to learn from, the ones whose outcomes are learned; None for all.
        batch_stays: Stays of a batch.
        window: Steps of a window.
        seed: Of the order.
        workers: Data worker processes; 0 for none. Batches do not depend on it.
        cache_bytes: Memory for windows that are kept between epochs.
    """

    def __init__(
        self,
        reader: StayReader,
        *,
        train: Sequence[int],
        validation: Sequence[int],
        labelled: Sequence[int] | None = None,
        batch_stays: int,
        window: int,
        seed: int,
        workers: int,
        cache_bytes: int,
    ) -> None:
        super().__init__()
        self._reader = reader
        self._train = train
        self._validation = validation
        self._labelled = None if labelled is None else frozenset(labelled)
        self._batch_stays = batch_stays
        self._window = window
        self._seed = seed
        self._workers = workers
        self._cache_bytes = cache_bytes

    def train_dataloader(self) -> Any:
        """Return the batches of an epoch."""
        windows = stay_windows(self._reader, self._train, cached=self._windows_kept, labelled=self._labelled)
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
        windows = stay_windows(self._reader, self._validation, cached=self._windows_kept)
        return ordered_loader(windows, batch_stays=self._batch_stays, window=self._window)

    @property
    def _windows_kept(self) -> int:
        """Windows that fit into half of the memory: the other half is for those that are looked at."""
        sizes = self._reader.encoding.network_arguments()
        numbers: int = 3 * sizes["num_variables"] + sizes["num_extremes"]
        return self._cache_bytes // (2 * _NUMBER_BYTES * numbers * self._window)


def stay_windows(
    reader: StayReader, stays: Sequence[int], *, cached: int = 0, labelled: frozenset[int] | None = None
) -> StayWindows:
    """Return windows of some stays, numbered from 0 in their order.

    Args:
        reader: Reads prepared stays.
        stays: Their numbers in the store.
        cached: Windows that are kept in memory.
        labelled: Stays whose outcomes are told; None for all.
    """
    lengths = reader.store.lengths("end_h")[np.asarray(stays, dtype=np.int64)]
    kept: dict[WindowKey, StayWindow] = {}

    def read(keys: Sequence[WindowKey]) -> list[StayWindow]:
        missing = [key for key in keys if key not in kept]
        windows = reader.windows([key._replace(stay=stays[key.stay]) for key in missing])
        fresh = {
            key: window if labelled is None or stays[key.stay] in labelled else _without_outcomes(window)
            for key, window in zip(missing, windows, strict=True)
        }
        found = [fresh[key] if key in fresh else kept[key] for key in keys]
        # Epochs have the same windows: those that come first are kept, and none is turned out by others.
        kept.update(islice(fresh.items(), max(0, cached - len(kept))))
        return found

    return StayWindows(lengths, read)


def _without_outcomes(window: StayWindow) -> StayWindow:
    unknown = torch.full_like(window.truth.risks, torch.nan)
    return window._replace(truth=window.truth._replace(risks=unknown))


def ordered_loader(windows: StayWindows, *, batch_stays: int, window: int) -> Any:
    """Return a loader of all windows in an order that does not change."""
    sampler = WindowSampler(windows.lengths, batch_stays=batch_stays, window=window, shuffle=False)
    return DataLoader(windows, batch_sampler=sampler, collate_fn=collate_windows)
