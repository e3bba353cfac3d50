"""Windows of stays: long stays are learned from a part at a time, the network's state carried on.

Batches hold stays of like length. The windows of a batch follow each other; the first says that it is.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, Sampler

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.core.stay_batch import StayBatch, StayTruth

_LENGTHS_A_WINDOW: Final = 4
"""Stays are batched with those whose length is the same to a quarter of a window."""


class WindowKey(NamedTuple):
    """Steps ``start`` to ``stop`` of a stay; both may lie past its end, where nothing is left of it."""

    stay: int
    start: int
    stop: int


class StayWindow(NamedTuple):
    """Some steps of one stay.

    Attributes:
        batch: Of one stay, without padding: ``(1, T, ...)``; T may be 0.
        truth: Likewise.
        start: Its first step.
    """

    batch: StayBatch
    truth: StayTruth
    start: int


class WindowBatch(NamedTuple):
    """The same steps of several stays.

    Attributes:
        batch: Padded to the longest.
        truth: Likewise, NaN past the end of a stay.
        is_first: Whether the stays begin here: no state is carried on.
    """

    batch: StayBatch
    truth: StayTruth
    is_first: bool


class StayWindows(Dataset[StayWindow]):
    """Windows of stays by key.

    Args:
        lengths: ``(N,)`` steps of each stay.
        read: Gives windows whose steps exist.
    """

    def __init__(
        self,
        lengths: npt.NDArray[np.int64],
        read: Callable[[Sequence[WindowKey]], Sequence[StayWindow]],
    ) -> None:
        self.lengths = lengths
        self._read = read

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, key: WindowKey) -> StayWindow:
        return self.several([key])[0]

    def __getitems__(self, keys: Sequence[WindowKey]) -> list[StayWindow]:
        """Return the windows of a batch: what a loader asks for."""
        return self.several(keys)

    def several(self, keys: Sequence[WindowKey]) -> list[StayWindow]:
        """Return windows, which are read together."""
        found = self._read([self._existing(key) for key in keys])
        return [item._replace(start=key.start) for item, key in zip(found, keys, strict=True)]

    def _existing(self, key: WindowKey) -> WindowKey:
        length = int(self.lengths[key.stay])
        start = min(key.start, length)
        return WindowKey(key.stay, start, min(max(key.stop, start), length))


class WindowSampler(Sampler[list[WindowKey]]):
    """Batches of one epoch: each stay once, its windows in order, by seed and epoch alone.

    Every epoch has the same number of batches.

    Args:
        lengths: ``(N,)`` steps of each stay, 1 or more.
        batch_stays: Stays of a batch, at most.
        window: Steps of a window, at most.
        seed: Of the order.
        shuffle: Whether to mix; else stays come by length, those of one length in their order.

    Raises:
        NoInputError: There are no stays (``E_NO_INPUT``).
        SettingsError: A number is out of range (``E_SETTINGS``).
    """

    def __init__(
        self,
        lengths: Sequence[int] | npt.NDArray[np.int64],
        *,
        batch_stays: int,
        window: int,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        self._lengths = np.asarray(lengths, dtype=np.int64)
        if not len(self._lengths):
            raise NoInputError(Code.E_NO_INPUT, "There are no stays to make batches of", found="no stay")
        for name, value in (("batch_stays", batch_stays), ("window", window)):
            if value < 1:
                raise SettingsError(Code.E_SETTINGS, f"{name} is at least 1", found=str(value))
        self._batch_stays = batch_stays
        self._window = window
        self._seed = seed
        self._shuffle = shuffle
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the batches that follow."""
        self._epoch = epoch

    def __len__(self) -> int:
        return sum(self._num_windows(stays) for stays in self._batches(0))

    def __iter__(self) -> Iterator[list[WindowKey]]:
        for stays in self._batches(self._epoch):
            for number in range(self._num_windows(stays)):
                start = number * self._window
                yield [WindowKey(int(stay), start, start + self._window) for stay in stays]

    def _num_windows(self, stays: npt.NDArray[np.int64]) -> int:
        return int(-(-self._lengths[stays].max() // self._window))

    def _batches(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Return the stays of each batch; how many windows a batch has does not depend on the epoch."""
        rng = np.random.default_rng((self._seed, epoch))
        grain = max(1, self._window // _LENGTHS_A_WINDOW)
        # No group reaches over the end of a window: all batches of a group have as many windows.
        whole, rest = np.divmod(self._lengths - 1, self._window)
        groups = whole * self._window + rest // grain
        batches = []
        for group in np.unique(groups):
            stays = np.flatnonzero(groups == group)
            if self._shuffle:
                stays = rng.permutation(stays)
            else:
                stays = stays[np.argsort(self._lengths[stays], kind="stable")]
            batches += [
                stays[first : first + self._batch_stays] for first in range(0, len(stays), self._batch_stays)
            ]
        return [batches[place] for place in rng.permutation(len(batches))] if self._shuffle else batches


def collate_windows(windows: Sequence[StayWindow]) -> WindowBatch:
    """Return windows of several stays as one batch, padded to the longest; one step at least."""
    batch = collate_stays([item.batch for item in windows])
    truths, size = [item.truth for item in windows], batch.presence.shape[1]
    truth = StayTruth(
        risks=_padded([item.risks for item in truths], size, torch.nan),
        lab_maxima=_padded([item.lab_maxima for item in truths], size, torch.nan),
    )
    return WindowBatch(batch, truth, windows[0].start == 0)


def collate_stays(batches: Sequence[StayBatch]) -> StayBatch:
    """Return several stays, each a batch of one, as one batch padded to the longest; one step at least."""
    lengths = torch.cat([batch.lengths for batch in batches])
    size = max(1, int(lengths.max()))
    first = batches[0]
    has_codes = first.codes is not None
    return StayBatch(
        presence=_padded([item.presence for item in batches], size, 0),
        values=_padded([item.values for item in batches], size, 0),
        time_since_h=_padded([item.time_since_h for item in batches], size, torch.inf),
        statics=torch.cat([item.statics for item in batches]),
        lengths=lengths,
        extremes=_padded([item.extremes for item in batches if item.extremes is not None], size, 0)
        if first.extremes is not None
        else None,
        codes=torch.cat([item.codes for item in batches if item.codes is not None]) if has_codes else None,
        code_counts=_padded([item.code_counts for item in batches if item.code_counts is not None], size, 0)
        if has_codes
        else None,
    )


def _padded(parts: Sequence[torch.Tensor], size: int, value: float) -> torch.Tensor:
    """Return ``(B, size, ...)`` of tensors ``(1, T, ...)``, with a value past their ends."""
    whole = pad_sequence([part[0] for part in parts], batch_first=True, padding_value=value)
    if whole.shape[1] == size:
        return whole
    return torch.cat([whole, whole.new_full((len(parts), size - whole.shape[1], *whole.shape[2:]), value)], 1)
