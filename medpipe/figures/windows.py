"""Display windows: which values are shown from black to white."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.figures.planes import Plane, View

_BRAIN: Final = (0.0, 80.0)
_SOFT_TISSUE: Final = (-160.0, 240.0)
"""Radiologists' usual brain window (level 40, width 80) and soft-tissue window (40, 400), in HU."""

_PERCENTILES: Final = (1.0, 99.0)
_SAMPLE_AXIS: Final = 48
"""Voxels sampled along each axis to choose a window: enough for percentiles, at no cost."""

_BLACK: Final = 0.1
"""Share of the window that looks black."""

_BARELY_SEEN: Final = 0.005
"""A slice with less of its area above black shows nothing."""

_TISSUE_HU: Final = -300.0
_BONE_HU: Final = 300.0
_HEAD_WIDTH_MM: Final = 230.0
_HEAD_LENGTH_MM: Final = 290.0
_HEAD_BONE: Final = 0.06
"""A head is at most this wide and long, and at least this share of its tissue is bone; a trunk has 2-4 %."""


@dataclass(frozen=True)
class Window:
    """Values from ``low`` (black) to ``high`` (white).

    Attributes:
        low: In the unit of the image.
        high: In the unit of the image; above ``low``.
        name: Words for people, such as ``"brain window"``.
        unit: ``"HU"`` or empty.
    """

    low: float
    high: float
    name: str
    unit: str = ""

    @property
    def text(self) -> str:
        """Name, range and unit, such as ``"brain window, 0 to 80 HU"``."""
        return f"{self.name}, {self.low:.4g} to {self.high:.4g} {self.unit}".rstrip()

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Map values to 0-255; what is not a number becomes black."""
        scaled = (values.astype(np.float32) - np.float32(self.low)) * np.float32(255 / (self.high - self.low))
        grey: npt.NDArray[np.uint8] = np.nan_to_num(scaled, nan=0.0).clip(0, 255).astype(np.uint8)
        return grey


def choose_window(view: View, *, modality: str, window: tuple[float, float] | None = None) -> Window:
    """Choose what to show: the window asked for, one for CT by content, else the 1st-99th percentile.

    Args:
        view: The image.
        modality: DICOM modality such as ``"CT"``.
        window: Lowest and highest value shown; chosen by content where None.

    Source:
        Usual CT windows; the test for a head is medpipe's.
    """
    unit = "HU" if modality == "CT" else ""
    if window is not None:
        return Window(*widened(*window), "window as asked", unit)
    sample, steps = _sampled(view)
    if modality == "CT":
        steps_mm = np.multiply(steps, view.grid.spacing)
        if _looks_like_head(sample, float(steps_mm[0]), float(steps_mm[1])):
            return Window(*_BRAIN, "brain window", unit)
        return Window(*_SOFT_TISSUE, "soft-tissue window", unit)
    return percentile_window(sample, unit=unit)


def percentile_window(sample: npt.NDArray[Any], *, unit: str = "") -> Window:
    """Return the 1st-99th percentile of the finite values, widened where they are equal."""
    finite = sample[np.isfinite(sample)]
    low, high = np.percentile(finite, _PERCENTILES) if finite.size else (0.0, 1.0)
    if low == high and finite.size:
        low, high = finite.min(), finite.max()
    return Window(*widened(float(low), float(high)), "1st to 99th percentile", unit)


def content_range(view: View, plane: Plane, window: Window) -> tuple[int, int]:
    """Return the first slice with something to see, and the one after the last; all where none has."""
    sample, steps = _sampled(view)
    threshold = window.low + _BLACK * (window.high - window.low)
    others = tuple(axis for axis in range(3) if axis != plane.normal)
    seen = np.flatnonzero((sample > threshold).mean(axis=others) > _BARELY_SEEN)
    num_slices = view.array.shape[plane.normal]
    if not seen.size:
        return 0, num_slices
    step = steps[plane.normal]
    return int(seen[0]) * step, min(num_slices, int(seen[-1] + 1) * step)


def widened(low: float, high: float) -> tuple[float, float]:
    """Return bounds in order and apart, so that a constant image is drawn grey."""
    low, high = min(low, high), max(low, high)
    room = max(abs(low), abs(high), 1.0) * 1e-6
    return (low, high) if high - low > room else (low - 0.5 - room, high + 0.5 + room)


def _sampled(view: View) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
    """Return every n-th voxel along each axis, and n."""
    steps = tuple(max(1, size // _SAMPLE_AXIS) for size in view.array.shape)
    return view.array[:: steps[0], :: steps[1], :: steps[2]], steps


def _looks_like_head(hu: npt.NDArray[Any], step_across_mm: float, step_front_mm: float) -> bool:
    tissue = hu > _TISSUE_HU
    if not tissue.any():
        return False
    bone_share = float((hu > _BONE_HU).sum() / tissue.sum())
    width = _span(tissue, others=(1, 2)) * step_across_mm
    length = _span(tissue, others=(0, 2)) * step_front_mm
    return width <= _HEAD_WIDTH_MM and length <= _HEAD_LENGTH_MM and bone_share >= _HEAD_BONE


def _span(present: npt.NDArray[np.bool_], *, others: tuple[int, int]) -> int:
    where = np.flatnonzero(present.any(axis=others))
    return int(where[-1] - where[0] + 1)
