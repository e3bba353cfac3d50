"""Fingerprint: what a data set looks like, so that a training can be planned for it."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.grid import reorientation_between
from medpipe.data.cases import SegmentationCase
from medpipe.data.reading import CaseImages, read_case

ORIENTATION: Final = "RAS"
"""Axes that shapes and spacings are stated along."""

_SAMPLES_A_CASE: Final = 10_000
"""Labelled voxels of a case whose intensities are looked at (as nnU-Net does)."""


@dataclass(frozen=True, eq=False)
class ChannelFacts:
    """Intensities of one channel over all cases.

    Attributes:
        modality: DICOM modality that the files state; empty where they state none, or different ones.
        low: 0.5th percentile of the labelled voxels; of all voxels where nothing is labelled.
        high: Their 99.5th percentile.
        zero_share: Median share of voxels that are exactly 0: how much of an image is blank.
    """

    modality: str
    low: float
    high: float
    zero_share: float


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What the cases of a data set look like.

    Attributes:
        shapes: ``(N, 3)`` voxels of each case along :data:`ORIENTATION`.
        spacings_mm: ``(N, 3)`` spacing of each case along the same axes.
        channels: By name.
        label_cases: Number of cases that hold each label value.
    """

    shapes: Array
    spacings_mm: Array
    channels: Mapping[str, ChannelFacts]
    label_cases: Mapping[int, int]

    @property
    def num_cases(self) -> int:
        """Cases that were looked at."""
        return len(self.shapes)


@dataclass(frozen=True, eq=False)
class _CaseFacts:
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    modalities: dict[str, str]
    samples: dict[str, Array]
    zero_shares: dict[str, float]
    labels: frozenset[int]


def take_fingerprint(
    cases: Sequence[SegmentationCase],
    *,
    workers: int = 2,
    progress: Callable[[str, int, int], None] | None = None,
) -> Fingerprint:
    """Read every case and return what they look like.

    Args:
        cases: At least one; those with a mask tell labels and the intensities of what is labelled.
        workers: Cases read at a time.
        progress: Called with ``"read"``, cases done and cases in all.

    Raises:
        RefusedError: A case is at fault; names it.
    """
    facts = []
    with ThreadPoolExecutor(workers) as pool:
        for item in pool.map(lambda case: _facts_of(read_case(case)), cases):
            facts.append(item)
            if progress is not None:
                progress("read", len(facts), len(cases))
    labels = sorted({value for item in facts for value in item.labels})
    return Fingerprint(
        shapes=np.array([item.shape for item in facts], dtype=float),
        spacings_mm=np.array([item.spacing_mm for item in facts]),
        channels={name: _channel_facts(facts, name) for name in facts[0].samples},
        label_cases={value: sum(value in item.labels for item in facts) for value in labels},
    )


def _facts_of(images: CaseImages) -> _CaseFacts:
    labelled = None if images.label_map is None else np.flatnonzero(images.label_map)
    samples, zero_shares = {}, {}
    for name, volume in images.volumes.items():
        values = volume.array[0].numpy().ravel()
        where = np.arange(len(values)) if labelled is None or not len(labelled) else labelled
        chosen = np.random.default_rng(0).choice(where, min(len(where), _SAMPLES_A_CASE), replace=False)
        samples[name] = values[chosen].astype(np.float64)
        zero_shares[name] = float(np.mean(values == 0))
    first = next(iter(images.volumes.values()))
    grid = reorientation_between(first.affine, ORIENTATION).of_grid(first.grid)
    present = () if images.label_map is None else np.unique(images.label_map).tolist()
    return _CaseFacts(
        shape=grid.shape,
        spacing_mm=grid.spacing,
        modalities={name: volume.modality for name, volume in images.volumes.items()},
        samples=samples,
        zero_shares=zero_shares,
        labels=frozenset(present) - {0},
    )


def _channel_facts(facts: list[_CaseFacts], name: str) -> ChannelFacts:
    modalities = {item.modalities[name] for item in facts}
    low, high = np.percentile(np.concatenate([item.samples[name] for item in facts]), [0.5, 99.5])
    return ChannelFacts(
        modality=modalities.pop() if len(modalities) == 1 else "",
        low=float(low),
        high=float(high),
        zero_share=float(np.median([item.zero_shares[name] for item in facts])),
    )
