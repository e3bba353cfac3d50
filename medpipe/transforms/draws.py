"""Draws: what a recipe comes to for one seed and one grid, before any voxel is touched."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import numpy as np
from monai.transforms.utils import create_rotate, create_scale, create_shear, create_translate

from medpipe.core.body_axes import BODY_AXES, BodyAxis, array_axis
from medpipe.core.errors import ShapeError
from medpipe.core.findings import Value
from medpipe.transforms.recipe import (
    Affine,
    BiasField,
    Dropout,
    Elastic,
    Flips,
    LowResolution,
    Noise,
    Recipe,
)

Axes = tuple[float, float, float]
"""One value for each array axis I, J, K."""

Box = tuple[int, int, int, int, int, int]
"""Voxels, xyzxyz, half-open."""

_SEEDS: Final = 2**53
"""Seeds are kept in JSON, whose readers may hold numbers as float64."""


class Lattice(Value):
    """Shape, spacing and axes of an image that is augmented; planar ones have one slice.

    Attributes:
        shape: ``(I, J, K)``.
        spacing: Along I, J and K: mm, or pixels where the image states no spacing.
        orientation: Axis codes such as ``"RAS"``.
    """

    shape: tuple[int, int, int]
    spacing: Axes
    orientation: str

    def axis_of(self, body_axis: BodyAxis) -> int:
        """Return the array axis closest to an axis of the body."""
        return array_axis(self.orientation, body_axis)

    def body_axis(self, axis: int) -> BodyAxis:
        """Return the axis of the body closest to an array axis."""
        return next(name for name in BODY_AXES if self.axis_of(name) == axis)

    @property
    def moving(self) -> tuple[bool, ...]:
        """Which axes have more than one voxel: the others take no part in spatial steps."""
        return tuple(size > 1 for size in self.shape)

    @property
    def extent(self) -> Axes:
        """Field of view along each axis, in the unit of the spacing."""
        i, j, k = (size * step for size, step in zip(self.shape, self.spacing, strict=True))
        return i, j, k


class AffineDraw(Value):
    """A drawn affine.

    Attributes:
        rotation_deg: Turn about each array axis, one after the other.
        scale: Factor of size along each array axis.
        shear_deg: Of the pairs IJ, IK, JI, JK, KI, KJ.
        shift: Along each array axis, in the unit of the spacing.
        matrix: The 4x4 that all of it comes to: where anatomy goes, in the unit of the spacing about the
            centre of the image.
    """

    rotation_deg: Axes
    scale: Axes
    shear_deg: tuple[float, ...]
    shift: Axes
    matrix: tuple[tuple[float, ...], ...]


class SplineDraw(Value):
    """A drawn B-spline: its control values follow from the seed.

    Attributes:
        cells: Distances between control points along each array axis.
        strength: Largest control value.
        seed: Of the control values.
    """

    cells: tuple[int, int, int]
    strength: float
    seed: int


class NoiseDraw(Value):
    """Drawn noise.

    Attributes:
        std: Standard deviation, in the recipe's units.
        seed: Of the device's generator.
    """

    std: float
    seed: int


class Draw(Value):
    """What was drawn; None or empty where a step is not taken.

    Attributes:
        flips: Array axes that are mirrored.
        affine: Turn, scale, shear and shift.
        elastic: Smooth displacement; ``strength`` in the unit of the spacing.
        bias_field: Logarithm of a smooth factor.
        gamma: Power.
        contrast: Factor.
        brightness: Offset, in the recipe's units.
        noise: Noise.
        low_resolution: Factor of coarseness along each array axis.
        dropout: Boxes that are replaced by their mean.
    """

    flips: tuple[Literal[0, 1, 2], ...] = ()
    affine: AffineDraw | None = None
    elastic: SplineDraw | None = None
    bias_field: SplineDraw | None = None
    gamma: float | None = None
    contrast: float | None = None
    brightness: float | None = None
    noise: NoiseDraw | None = None
    low_resolution: Axes | None = None
    dropout: tuple[Box, ...] = ()

    def only_invertible(self) -> "Draw":
        """Return the flips and the affine alone."""
        return Draw(flips=self.flips, affine=self.affine)


def copy_seed(seed: int, *numbers: int) -> int:
    """Return the seed of one copy of many, so that neighbouring seeds and numbers share no copy.

    Raises:
        ShapeError: A number is negative.
    """
    if min(seed, *numbers) < 0:
        raise ShapeError("A seed is not negative", found=str(min(seed, *numbers)))
    state = np.random.SeedSequence([seed, *numbers]).generate_state(1, np.uint64)
    return int(state[0]) % _SEEDS


def draw_copy(recipe: Recipe, lattice: Lattice, *, seed: int) -> Draw:
    """Draw the parameters of one copy.

    Each step draws from a stream of its own, so that a step that is left out changes no other.

    Args:
        recipe: What may happen.
        lattice: Of the image.
        seed: Owned by the caller; no other source of randomness is read or changed.

    Raises:
        ShapeError: The seed is negative.
    """
    if seed < 0:
        raise ShapeError("A seed is not negative", found=str(seed))
    drawn: dict[str, Any] = {}
    for stream, (name, drawer) in enumerate(_DRAWERS.items()):
        step = getattr(recipe, name)
        rng = np.random.default_rng([seed, stream])
        if step is not None and rng.random() < step.probability:
            drawn[name] = drawer(step, lattice, rng)
    return Draw(**drawn)


def _flips(step: Flips, lattice: Lattice, rng: np.random.Generator) -> tuple[int, ...]:
    return (lattice.axis_of(step.axes[int(rng.integers(len(step.axes)))]),)


def _affine(step: Affine, lattice: Lattice, rng: np.random.Generator) -> AffineDraw:
    """Draw an affine; axes of one voxel are left as they are."""
    moving = np.array(lattice.moving)
    turn, reach = (
        np.array([getattr(limits, lattice.body_axis(axis)) for axis in range(3)])
        for limits in (step.rotation_deg, step.shift)
    )
    # A turn about an axis moves the two others.
    rotation = rng.uniform(-turn, turn) * [bool(np.delete(moving, axis).all()) for axis in range(3)]
    scale = rng.uniform(*step.scale) * rng.uniform(1 - step.stretch, 1 + step.stretch, 3)
    scale = np.where(moving, scale, 1.0)
    pairs = [(first, second) for first in range(3) for second in range(3) if first != second]
    shear = rng.uniform(-step.shear_deg, step.shear_deg, 6) * [moving[a] and moving[b] for a, b in pairs]
    shift = rng.uniform(-reach, reach) * lattice.extent * moving
    matrix = (
        create_translate(3, shift)
        @ create_rotate(3, np.radians(rotation))
        @ create_shear(3, np.tan(np.radians(shear)))
        @ create_scale(3, scale)
    )
    return AffineDraw(
        rotation_deg=tuple(rotation),
        scale=tuple(scale),
        shear_deg=tuple(shear),
        shift=tuple(shift),
        matrix=tuple(map(tuple, matrix)),
    )


def _cells(lattice: Lattice, along_longest: int) -> tuple[int, int, int]:
    """Return how many cells each axis gets so that they are about as long as wide."""
    longest = max(lattice.extent)
    i, j, k = (max(1, round(along_longest * extent / longest)) for extent in lattice.extent)
    return i, j, k


def _elastic(step: Elastic, lattice: Lattice, rng: np.random.Generator) -> SplineDraw:
    cells = _cells(lattice, step.cells)
    shortest = min(
        extent / count
        for extent, count, moves in zip(lattice.extent, cells, lattice.moving, strict=True)
        if moves
    )
    return SplineDraw(cells=cells, strength=step.strength * shortest, seed=_seed(rng))


def _bias_field(step: BiasField, lattice: Lattice, rng: np.random.Generator) -> SplineDraw:
    return SplineDraw(cells=_cells(lattice, step.cells), strength=step.strength, seed=_seed(rng))


def _noise(step: Noise, lattice: Lattice, rng: np.random.Generator) -> NoiseDraw:
    return NoiseDraw(std=_within(step.std, rng), seed=_seed(rng))


def _low_resolution(step: LowResolution, lattice: Lattice, rng: np.random.Generator) -> Axes | None:
    """Draw the factors; None where every voxel is as coarse as may be."""
    wanted, drawn_axis = _within(step.factor, rng), int(rng.choice(np.flatnonzero(lattice.moving)))
    factors = []
    for axis, spacing in enumerate(lattice.spacing):
        chosen = {"all": True, "any": axis == drawn_axis}.get(
            step.along, step.along == lattice.body_axis(axis)
        )
        most = np.inf if step.max_mm is None else step.max_mm / spacing
        factors.append(max(1.0, min(wanted, most)) if chosen and lattice.moving[axis] else 1.0)
    i, j, k = factors
    return (i, j, k) if max(factors) > 1 else None


def _dropout(step: Dropout, lattice: Lattice, rng: np.random.Generator) -> tuple[Box, ...]:
    boxes: list[Box] = []
    for _ in range(int(rng.integers(step.holes[0], step.holes[1], endpoint=True))):
        sizes = [max(1, round(size * _within(step.size, rng))) for size in lattice.shape]
        i, j, k = (
            int(rng.integers(size - side, endpoint=True))
            for size, side in zip(lattice.shape, sizes, strict=True)
        )
        boxes.append((i, j, k, i + sizes[0], j + sizes[1], k + sizes[2]))
    return tuple(boxes)


def _within(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return float(rng.uniform(*bounds))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(_SEEDS))


_DRAWERS: Final[Mapping[str, Callable[[Any, Lattice, np.random.Generator], object]]] = {
    "flips": _flips,
    "affine": _affine,
    "elastic": _elastic,
    "bias_field": _bias_field,
    "gamma": lambda step, lattice, rng: _within(step.power, rng),
    "contrast": lambda step, lattice, rng: _within(step.factor, rng),
    "brightness": lambda step, lattice, rng: _within(step.offset, rng),
    "noise": _noise,
    "low_resolution": _low_resolution,
    "dropout": _dropout,
}
"""By step; the order numbers the streams of random numbers, so new steps go last."""
