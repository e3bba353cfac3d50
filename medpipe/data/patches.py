"""Patches of a fixed size: where they lie in a volume, and cutting them out.

Letters: C channels, I J K voxel axes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.labels import BACKGROUND

Shape3 = tuple[int, int, int]
ScalarT = TypeVar("ScalarT", bound=np.generic)

MAX_VOXELS_A_CLASS: Final = 10_000
"""Voxels of each class that patches are drawn around; more would not change where patches lie."""


@dataclass(frozen=True)
class PatchSampling:
    """How patches are drawn.

    Attributes:
        shape: Voxels of a patch along I, J, K.
        foreground_share: Chance that a patch surely holds a labelled voxel, of a class drawn evenly from
            those in the volume; the others lie anywhere.
    """

    shape: Shape3
    foreground_share: float = 0.5

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise SettingsError(
                Code.E_SETTINGS, "A patch has three sides of at least 1 voxel", found=str(self.shape)
            )
        if not 0 <= self.foreground_share <= 1:
            raise SettingsError(
                Code.E_SETTINGS,
                "The foreground share lies between 0 and 1",
                found=f"{self.foreground_share:g}",
            )


def voxels_by_class(label_map: npt.NDArray[np.uint8]) -> dict[int, npt.NDArray[np.int64]]:
    """Return flat indices of the voxels of each class but the background.

    Args:
        label_map: ``(I, J, K)``.

    Returns:
        At most :data:`MAX_VOXELS_A_CLASS` indices a class, always the same ones; empty where all is
        background.
    """
    flat = label_map.ravel()
    foreground = np.flatnonzero(flat != BACKGROUND)
    classes = flat[foreground]
    rng = np.random.default_rng(0)
    found = {}
    for value in np.unique(classes):
        voxels = foreground[classes == value]
        if len(voxels) > MAX_VOXELS_A_CLASS:
            voxels = np.sort(rng.choice(voxels, MAX_VOXELS_A_CLASS, replace=False))
        found[int(value)] = voxels
    return found


def draw_start(
    extent: Shape3,
    sampling: PatchSampling,
    voxels: Mapping[int, npt.NDArray[np.int64]],
    rng: np.random.Generator,
) -> Shape3:
    """Draw the first voxel of a patch; negative where the volume is smaller and the patch is padded.

    A patch around a labelled voxel has it anywhere inside, not at its centre: a network must not learn that
    what it looks for lies in the middle.

    Args:
        extent: Shape of the volume.
        sampling: How to draw.
        voxels: From :func:`voxels_by_class`; without any the patch lies anywhere.
        rng: Advanced by this call.
    """
    inside: tuple[int, ...] | None = None
    if rng.random() < sampling.foreground_share and voxels:
        candidates = voxels[sorted(voxels)[rng.integers(len(voxels))]]
        inside = tuple(map(int, np.unravel_index(rng.choice(candidates), extent)))
    start = []
    for axis, (size, side) in enumerate(zip(extent, sampling.shape, strict=True)):
        low, high = 0, size - side
        if high <= 0:
            start.append(-(-high // 2))  # the smaller half of the padding in front, as in use
            continue
        if inside is not None:
            low, high = max(low, inside[axis] - side + 1), min(high, inside[axis])
        start.append(int(rng.integers(low, high + 1)))
    return start[0], start[1], start[2]


def cut_patch(array: npt.NDArray[ScalarT], start: Shape3, shape: Shape3) -> npt.NDArray[ScalarT]:
    """Copy a patch out of an array, 0 where it reaches beyond.

    Args:
        array: ``(..., I, J, K)``.
        start: First voxel, may be negative.
        shape: Voxels along I, J, K.

    Returns:
        ``(..., *shape)``, a fresh contiguous array.
    """
    source: list[Any] = [...]
    target: list[Any] = [...]
    for first, side, size in zip(start, shape, array.shape[-3:], strict=True):
        low, high = max(first, 0), min(first + side, size)
        source.append(slice(low, high))
        target.append(slice(low - first, high - first))
    patch = np.zeros((*array.shape[:-3], *shape), dtype=array.dtype)
    patch[tuple(target)] = array[tuple(source)]
    return patch
