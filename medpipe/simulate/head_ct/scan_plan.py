"""How a head is scanned: how it lies, gantry tilt, where its slices lie and how thick they are, noise."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.simulate.head_ct.person import CENTRE_MM, Person
from medpipe.simulate.turns import turn

NUM_SLICES: Final = (8, 64)
THICKNESS_MM: Final = (3.0, 8.0)
"""Fewest and most slices of a series; thinnest and thickest."""

TILTED_SHARE: Final = 0.5
TILT_DEGREES: Final = (5.0, 25.0)
"""Part of the scans under gantry tilt, and how much: the front is raised, so that the orbits are spared."""

TURN_SCATTER_DEGREES: Final = 3.0
SHIFT_SCATTER_MM: Final = 3.0
"""How heads lie in the holder, about each axis and along it (standard deviation)."""

TWO_THICKNESSES_SHARE: Final = 0.3
LOWER_MM, UPPER_MM = (3.0, 4.0, 5.0), (6.0, 7.0, 8.0)
CHANGE_MM: Final = (-24.0, -4.0)
"""Part of the scans with thin slices below and thick ones above, their thicknesses, and where they change."""

SPARSE_SHARE: Final = 0.12
DENSE_SHARE: Final = 0.06
GAP, OVERLAP = (1.2, 2.0), (0.8, 0.95)
"""Parts of the scans with few thick slices and gaps between them, and with many thin ones that overlap: feed
against thickness.
"""

NOISE_HU: Final = (2.5, 5.0)
NOISE_THICKNESS_MM: Final = 5.0
"""Standard deviation of the noise in slices of that thickness; it goes with the root of 1 / thickness.

Source:
    Noise falls with the root of the photons, so of the thickness; 2.5 to 5 HU: medpipe, around the 4 HU of
    :mod:`medpipe.simulate.head_ct.beaded`.
"""

_LOWEST_MM: Final = (-74.0, -48.0)
_ABOVE_VERTEX_MM: Final = (-6.0, 8.0)
_VERTEX_MM: Final = 80.0
_SKULL_MM: Final = 12.0


@dataclass(frozen=True, eq=False)
class ScanPlan:
    """A scan, as drawn.

    Attributes:
        seed: Of noise and streaks.
        turn_degrees: About x, y and z.
        shift_mm: Along x, y and z.
        tilt_degrees: Of the gantry.
        table_mm: ``(S,)`` where the middle of each slice meets the table's axis, upwards.
        thickness_mm: ``(S,)`` of each slice, along its normal.
        noise_hu: Standard deviation at 5 mm.
    """

    seed: int
    turn_degrees: tuple[float, float, float]
    shift_mm: tuple[float, float, float]
    tilt_degrees: float
    table_mm: Array
    thickness_mm: Array
    noise_hu: float

    @property
    def pose(self) -> Array:
        """4x4 from the head's frame to the scanner's."""
        about_x, about_y, about_z = np.radians(self.turn_degrees)
        pose = np.eye(4)
        pose[:3, :3] = turn(1, 2, about_x) @ turn(2, 0, about_y) @ turn(0, 1, about_z)
        pose[:3, 3] = np.array(CENTRE_MM) + self.shift_mm - pose[:3, :3] @ CENTRE_MM
        return pose


def draw_scan(rng: np.random.Generator, person: Person, *, num_slices: int | None = None) -> ScanPlan:
    """Draw a scan of a person.

    Args:
        rng: Owned by the caller.
        person: Whose vertex is to be covered.
        num_slices: 8 to 64; drawn where None.

    Raises:
        ShapeError: The number of slices lies outside.
    """
    if num_slices is not None and not NUM_SLICES[0] <= num_slices <= NUM_SLICES[1]:
        raise ShapeError(
            f"A simulated head CT has {NUM_SLICES[0]} to {NUM_SLICES[1]} slices", found=f"{num_slices}"
        )
    tilt = float(rng.uniform(*TILT_DEGREES)) if rng.uniform() < TILTED_SHARE else 0.0
    vertex = CENTRE_MM[2] + (_VERTEX_MM - CENTRE_MM[2]) * person.scale[2] + _SKULL_MM
    bottom, top = rng.uniform(*_LOWEST_MM), vertex + rng.uniform(*_ABOVE_VERTEX_MM)
    drawn = _drawn_slabs(rng, (top - bottom) * np.cos(np.radians(tilt)), bottom)
    centres, thickness = drawn if num_slices is None else _even_slabs(num_slices, drawn)
    return ScanPlan(
        seed=int(rng.integers(2**32)),
        turn_degrees=_three(rng.normal(0.0, TURN_SCATTER_DEGREES, size=3)),
        shift_mm=_three(rng.normal(0.0, SHIFT_SCATTER_MM, size=3)),
        tilt_degrees=tilt,
        table_mm=bottom + centres / np.cos(np.radians(tilt)),
        thickness_mm=thickness,
        noise_hu=float(rng.uniform(*NOISE_HU)),
    )


def _drawn_slabs(rng: np.random.Generator, extent_mm: float, bottom: float) -> tuple[Array, Array]:
    """Return the middle of each slice above the lowest edge, along their normal, and their thickness."""
    kind, change = rng.uniform(), rng.uniform(*CHANGE_MM) - bottom
    lower, upper = float(rng.choice(LOWER_MM)), float(rng.choice(UPPER_MM))
    one = float(rng.integers(int(THICKNESS_MM[0]), int(THICKNESS_MM[1]) + 1))
    gap = 1.0
    if kind < TWO_THICKNESSES_SHARE:
        thin = int(change // lower)
        thick = int(np.ceil((extent_mm - thin * lower) / upper))
        thickness = np.array([lower] * thin + [upper] * thick)
    elif kind < TWO_THICKNESSES_SHARE + SPARSE_SHARE:
        gap = float(rng.uniform(*GAP))
        thickness = np.full(max(NUM_SLICES[0], int(extent_mm // (gap * THICKNESS_MM[1]))), THICKNESS_MM[1])
    elif kind < TWO_THICKNESSES_SHARE + SPARSE_SHARE + DENSE_SHARE:
        gap = float(rng.uniform(*OVERLAP))
        thickness = np.full(min(NUM_SLICES[1], int(extent_mm // (gap * THICKNESS_MM[0]))), THICKNESS_MM[0])
    else:
        thickness = np.full(int(np.ceil(extent_mm / one)), one)
    feed = gap * thickness
    return np.cumsum(feed) - feed / 2, thickness


def _even_slabs(num_slices: int, drawn: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return as many slices over the same extent, with gaps where even thick ones cannot fill it."""
    centres, thickness = drawn
    first, last = centres[0] - thickness[0] / 2, centres[-1] + thickness[-1] / 2
    feed = (last - first) / num_slices
    return first + feed * (np.arange(num_slices) + 0.5), np.full(num_slices, np.clip(feed, *THICKNESS_MM))


def _three(values: Array) -> tuple[float, float, float]:
    x, y, z = values
    return float(x), float(y), float(z)
