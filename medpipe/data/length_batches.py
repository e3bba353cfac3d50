"""Batches of studies of similar length, under a budget of slices, for any number of processes."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.study_dataset import StudyKey

_POOL_STEPS: Final = 16
"""Steps whose studies are mixed: more make lengths less alike, fewer make the same studies meet again."""


class LengthBatchSampler(Sampler[list[StudyKey]]):
    """Batches of one epoch; each study once, by seed and epoch alone.

    Studies are ordered by length, those of equal length at random, and cut into pools; a pool is mixed and
    cut into batches so small that any of its studies fit. In a step all processes take batches of one pool,
    so that none waits long for another. Every epoch and process has the same number of batches: where the
    last step has fewer studies than there are processes, some of them appear twice.

    Args:
        lengths: Slices of each study, by its number.
        max_slices: Most slices of a batch; a study that has more is a batch of its own.
        seed: Of the order.
        shuffle: Whether to mix; else lengths fall from batch to batch, the same in every epoch.
        rank: This process.
        world_size: Number of processes that train together.

    Raises:
        NoInputError: There are no studies (``E_NO_INPUT``).
        SettingsError: A number is out of range (``E_SETTINGS``).
    """

    def __init__(
        self,
        lengths: Sequence[int],
        *,
        max_slices: int,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if not lengths:
            raise NoInputError(Code.E_NO_INPUT, "There are no studies to make batches of", found="no study")
        for name, value, least in (("max_slices", max_slices, 1), ("seed", seed, 0)):
            if value < least:
                raise SettingsError(Code.E_SETTINGS, f"{name} is at least {least}", found=str(value))
        self._lengths = np.array(lengths)
        self._max_slices = max_slices
        self._seed = seed
        self._shuffle = shuffle
        self._rank = rank
        self._world_size = world_size
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the batches that follow; a training that goes on starts at its own."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._steps(0))

    def __iter__(self) -> Iterator[list[StudyKey]]:
        for step in self._steps(self._epoch):
            yield [StudyKey(self._epoch, int(number)) for number in step[self._rank :: self._world_size]]

    def _steps(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Return the studies of each step, of all processes together."""
        rng = np.random.default_rng((self._seed, epoch))
        order = np.arange(len(self._lengths))
        if self._shuffle:
            rng.shuffle(order)
        order = order[np.argsort(-self._lengths[order], kind="stable")]
        steps: list[npt.NDArray[np.int64]] = []
        start = 0
        while start < len(order):
            longest = self._lengths[order[start]]
            size = max(1, self._max_slices // int(longest)) * self._world_size
            pool = order[start : start + size * _POOL_STEPS]
            if self._shuffle:
                pool = rng.permutation(pool)
            steps.extend(pool[first : first + size] for first in range(0, len(pool), size))
            start += len(pool)
        # Only the last step, of the shortest studies, can lack some.
        steps[-1] = np.resize(steps[-1], max(len(steps[-1]), self._world_size))
        if self._shuffle:
            steps = [steps[place] for place in rng.permutation(len(steps))]
        return steps
