"""Patches for training: a data set whose items depend on seed, epoch and number alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, Sampler

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError, ShapeError
from medpipe.data.cases import SegmentationCase
from medpipe.data.patches import PatchSampling, cut_patch, draw_start, voxels_by_class
from medpipe.data.reading import LabelledImage
from medpipe.data.shared_cache import SharedCache

_ORDER_STREAM: Final = 0
_PATCH_STREAM: Final = 1
_NO_SCORES: Final = torch.zeros(0)


class PatchKey(NamedTuple):
    """Names a patch: its epoch, and its number in the epoch."""

    epoch: int
    number: int


class Patch(NamedTuple):
    """A training sample; a batch of them has a further axis in front, and a list of ids.

    Attributes:
        image: ``(C, I, J, K)`` float32.
        label_map: ``(I, J, K)`` uint8.
        spacing_mm: ``(3,)`` float32, along I, J, K.
        start: ``(3,)`` int64: first voxel in the volume, negative where padded.
        seed: For whatever is random from here on, below 2**32.
        case_id: Where it comes from.
        has_mask: Whether the label map is the truth; without a mask it is all background.
        scores: ``(S,)`` float32, NaN where unknown.
    """

    image: torch.Tensor
    label_map: torch.Tensor
    spacing_mm: torch.Tensor
    start: torch.Tensor
    seed: int
    case_id: str
    has_mask: bool = True
    scores: torch.Tensor = _NO_SCORES


class _Decoded(NamedTuple):
    """A case as it is cached: arrays, because those are read back without a copy."""

    image: npt.NDArray[np.float32]
    label_map: npt.NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    voxels: Mapping[int, npt.NDArray[np.int64]]


class PatchDataset(Dataset[Patch]):
    """Patches of a set of cases; ``dataset[PatchKey(epoch, number)]``, keys come from :class:`PatchSampler`.

    Cases are visited in rounds, each once a round in random order. An item is the same whatever the number of
    workers, the order of access or the order of the cases given.

    Args:
        cases: At least one.
        read: Reads and prepares a case; a module-level function (or a partial of one) where workers are
            spawned.
        sampling: How patches are drawn.
        num_patches: Patches an epoch.
        seed: Of everything that is drawn here.
        transform: Changes a patch, by its ``seed`` where it is random.
        scores: ``(S,)`` of each case by its id; empty where there are none to learn.
        cache_bytes: Budget for decoded cases, shared by all workers; 0 for none.

    Raises:
        NoInputError: There are no cases (``E_NO_INPUT``).
        SettingsError: A number is out of range (``E_SETTINGS``).
    """

    def __init__(
        self,
        cases: Sequence[SegmentationCase],
        read: Callable[[SegmentationCase], LabelledImage],
        sampling: PatchSampling,
        *,
        num_patches: int,
        seed: int,
        transform: Callable[[Patch], Patch] | None = None,
        scores: Mapping[str, torch.Tensor] = MappingProxyType({}),
        cache_bytes: int = 0,
    ) -> None:
        if not cases:
            raise NoInputError(
                Code.E_NO_INPUT,
                "The training set is empty",
                found="no case",
                fix="Check the split: it needs at least one case to train on.",
            )
        for name, value, least in (("num_patches", num_patches, 1), ("seed", seed, 0)):
            if value < least:
                raise SettingsError(Code.E_SETTINGS, f"{name} is at least {least}", found=str(value))
        self._cases = sorted(cases, key=lambda case: case.id)
        self._read = read
        self._sampling = sampling
        self._num_patches = num_patches
        self._seed = seed
        self._transform = transform
        self._scores = dict(scores)
        self._cache = SharedCache(len(cases), cache_bytes) if cache_bytes else None

    def __len__(self) -> int:
        return self._num_patches

    def __getitem__(self, key: PatchKey) -> Patch:
        count = key.epoch * self._num_patches + key.number
        position = self._position(count)
        case, decoded = self._cases[position], self._decoded(position)
        rng = np.random.default_rng((self._seed, _PATCH_STREAM, count))
        i, j, k = decoded.label_map.shape
        start = draw_start((i, j, k), self._sampling, decoded.voxels, rng)
        patch = Patch(
            image=torch.from_numpy(cut_patch(decoded.image, start, self._sampling.shape)),
            label_map=torch.from_numpy(cut_patch(decoded.label_map, start, self._sampling.shape)),
            spacing_mm=torch.tensor(decoded.spacing_mm, dtype=torch.float32),
            start=torch.tensor(start),
            seed=int(rng.integers(1 << 32)),
            case_id=case.id,
            has_mask=case.mask is not None,
            scores=self._scores.get(case.id, _NO_SCORES),
        )
        return self._transform(patch) if self._transform else patch

    def _position(self, count: int) -> int:
        """Return the case of the patch after ``count`` others: each case once a round."""
        turn, place = divmod(count, len(self._cases))
        order = np.random.default_rng((self._seed, _ORDER_STREAM, turn)).permutation(len(self._cases))
        return int(order[place])

    def _decoded(self, position: int) -> _Decoded:
        cached: _Decoded | None = self._cache.get(position) if self._cache else None
        if cached is not None:
            return cached
        case = self._cases[position]
        image, label_map, spacing_mm = self._read(case)
        if image.ndim != 4 or image.shape[1:] != label_map.shape:
            raise ShapeError(
                f"Case {case.id}: the image is (C, I, J, K) and the label map (I, J, K)",
                found=f"{tuple(image.shape)} and {tuple(label_map.shape)}",
            )
        labels = np.ascontiguousarray(label_map.numpy())
        decoded = _Decoded(np.ascontiguousarray(image.numpy()), labels, spacing_mm, voxels_by_class(labels))
        if self._cache:
            self._cache.put(position, decoded)
        return decoded


class PatchSampler(Sampler[PatchKey]):
    """Keys of one epoch in their order, each ``world_size``-th of them from ``rank`` on.

    Every rank gets the same number: what is left over at the end of an epoch is dropped.

    Args:
        num_patches: Patches an epoch, of all ranks together.
        rank: This process.
        world_size: Number of processes that train together.
    """

    def __init__(self, num_patches: int, *, rank: int = 0, world_size: int = 1) -> None:
        self._numbers = range(rank, num_patches - num_patches % world_size, world_size)
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the keys that follow."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[PatchKey]:
        return (PatchKey(self._epoch, number) for number in self._numbers)
