"""Simulated brains with graded atrophy, and a clinical score drawn from it: for scores beside masks.

Every brain is the MNI152 template, deformed: ventricles widen and the cortex and the hippocampi lose grey
matter with a severity between 0 and 1. Its MMSE falls with the severity and scatters as a test does. What a
scanner and a person add does not depend on the severity: size, pose, shape, ventricles of ordinary width,
contrast, inhomogeneity and noise.

This is a simulation. Real MMSE is far less visible in an image (correlations of 0.5 to 0.6 are usual); it is
here to compare ways of training on data whose truth is known.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from medpipe.core.affine import Array, apply_affine, inverse_of
from medpipe.core.findings import Laterality
from medpipe.core.grid import Grid
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.io.atomic import write_text
from medpipe.io.nifti import write_label_map, write_volume
from medpipe.io.template import MniMap, load_mni
from medpipe.simulate.turns import turn
from medpipe.simulate.ventricles import DEEP_MM, lateral_ventricles
from medpipe.transforms.structure_crop import STRUCTURES

GREY, WHITE, VENTRICLES = 1, 2, 3
LABEL_NAMES: Final = {GREY: "grey_matter", WHITE: "white_matter", VENTRICLES: "ventricles"}
"""Values of the label maps."""

MMSE_RANGE: Final = (0.0, 30.0)
MMSE_HEALTHY: Final = 29.0
MMSE_LOSS: Final = 17.0
"""Points lost at severity 1, as in severe dementia (MMSE about 12)."""
MMSE_SCATTER: Final = 1.5
"""Standard deviation of the test in one person; retests differ by about 1 to 2 points."""

VENTRICLE_GROWTH_MM: Final = 4.0
"""How far the walls of the ventricles move outward at severity 1."""
VENTRICLE_REACH_MM: Final = 12.0
"""Distance over which the white matter around gives way."""
VENTRICLE_SCATTER_MM: Final = 0.8
"""Standard deviation of the walls between persons of one severity."""
CORTEX_LOSS: Final = 0.35
HIPPOCAMPUS_LOSS: Final = 0.5
"""Shares of grey matter lost at severity 1."""

SIZE_RANGE: Final = (0.93, 1.07)
AXIS_RANGE: Final = (0.97, 1.03)
TURN_DEGREES: Final = 8.0
SHIFT_MM: Final = 5.0
SHAPE_MM, SHAPE_SIGMA_MM = 2.0, 14.0
"""Head size, its axes, pose (largest values), and a random smooth deformation (standard deviation, width)."""

LEVELS: Final = {GREY: 0.62, WHITE: 0.88, VENTRICLES: 0.2}
LEVEL_SCATTER: Final = 0.05
BIAS: Final = 0.15
NOISE_RANGE: Final = (0.02, 0.06)
"""T1 contrast: levels, their scatter between scans, inhomogeneity, and noise, as parts of white matter."""

_CENTRE_MM: Final = (0.0, -18.0, 6.0)
_EXTENT_MM: Final = (160.0, 192.0, 160.0)
_TEMPLATE_SPACING_MM: Final = 2


@dataclass(frozen=True, eq=False)
class PhantomBrain:
    """A simulated brain and the truth about it.

    Attributes:
        image: ``(1, I, J, K)`` T1-weighted, skull-stripped.
        label_map: ``(I, J, K)`` uint8 of :data:`LABEL_NAMES`.
        severity: Of the atrophy, 0 to 1.
        mmse: Simulated Mini-Mental State Examination: whole points, 0 to 30.
    """

    image: Volume
    label_map: npt.NDArray[np.uint8]
    severity: float
    mmse: float


def expected_mmse(severity: float) -> float:
    """Return the mean of the MMSE at a severity: no reader of images can do better than this."""
    return MMSE_HEALTHY - MMSE_LOSS * float(severity**1.5)


def phantom_brain(seed: int, *, spacing_mm: float = 4.0, severity: float | None = None) -> PhantomBrain:
    """Return a simulated brain.

    Args:
        seed: Of all that is drawn.
        spacing_mm: Of the grid, along all axes.
        severity: Of the atrophy; drawn evenly from 0 to 1 where None.
    """
    rng = np.random.default_rng((seed, 0))
    drawn = float(rng.uniform())
    severity = drawn if severity is None else severity
    mmse = np.clip(round(expected_mmse(severity) + rng.normal(0.0, MMSE_SCATTER)), *MMSE_RANGE)
    grid = _grid(spacing_mm)
    grey, white, fluid = _tissues(grid, severity, rng)
    label_map = _labels(grey, white, fluid)
    image = _scan(grey, white, fluid, grid, rng)
    volume = Volume(torch.from_numpy(image)[None], grid.affine, "MR", Source(kind=SourceKind.MEMORY))
    return PhantomBrain(volume, label_map, severity, float(mmse))


def write_phantom_brains(folder: Path, seeds: Iterable[int], *, spacing_mm: float = 4.0) -> Path:
    """Write simulated brains as a data set: ``images/``, ``masks/`` and the table ``cases.csv``.

    Args:
        folder: Made if absent.
        seeds: One brain for each.
        spacing_mm: Of the grid, along all axes.

    Returns:
        The table: id, image, mask, patient, mmse, severity.
    """
    rows = [("id", "image", "mask", "patient", "mmse", "severity")]
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        brain = phantom_brain(seed, spacing_mm=spacing_mm)
        case_id = f"brain-{seed:05d}"
        image, mask = f"images/{case_id}.nii.gz", f"masks/{case_id}.nii.gz"
        write_volume(folder / image, brain.image)
        write_label_map(folder / mask, brain.label_map, brain.image.affine)
        rows.append((case_id, image, mask, case_id, f"{brain.mmse:g}", f"{brain.severity:.4f}"))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    table = folder / "cases.csv"
    write_text(table, text.getvalue())
    return table


def _grid(spacing_mm: float) -> Grid:
    i, j, k = (round(extent / spacing_mm) for extent in _EXTENT_MM)
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = np.array(_CENTRE_MM) - spacing_mm * (np.array((i, j, k)) - 1) / 2
    return Grid((i, j, k), affine)


@dataclass(frozen=True, eq=False)
class _Anatomy:
    """The template at 2 mm.

    Attributes:
        grey: Share of grey matter in each voxel.
        white: Share of white matter.
        fluid: Share of ventricle; other fluid counts as background.
        outward: ``(3, ...)`` unit vectors away from the ventricles.
        distance_mm: From the ventricles; 0 inside.
        hippocampi: 1 inside of both, falling off to 0.
        affine: Index to MNI mm.
    """

    grey: Array
    white: Array
    fluid: Array
    outward: Array
    distance_mm: Array
    hippocampi: Array
    affine: Array


@cache
def _anatomy() -> _Anatomy:
    maps = {item: load_mni(item, spacing_mm=_TEMPLATE_SPACING_MM) for item in MniMap}
    grey, white, t1 = (
        maps[item].array[0].numpy().astype(float) for item in (MniMap.GREY, MniMap.WHITE, MniMap.T1)
    )
    affine = maps[MniMap.T1].affine
    inside = ndimage.binary_fill_holes(ndimage.binary_closing(t1 > 0.05, iterations=4))
    depth_mm = ndimage.distance_transform_edt(inside) * _TEMPLATE_SPACING_MM
    ventricles = lateral_ventricles((1.0 - grey - white > 0.5) & (depth_mm > DEEP_MM), affine)
    around = ndimage.binary_dilation(ventricles, iterations=2)
    fluid = np.where(around, (1.0 - grey - white).clip(0.0, 1.0), 0.0)
    distance_mm = ndimage.distance_transform_edt(~ventricles) * _TEMPLATE_SPACING_MM
    signed = ndimage.gaussian_filter(
        distance_mm - ndimage.distance_transform_edt(ventricles) * _TEMPLATE_SPACING_MM, 1.5
    )
    slope = np.stack(np.gradient(signed))
    outward = slope / np.linalg.norm(slope, axis=0).clip(1e-6)
    return _Anatomy(grey, white, fluid, outward, distance_mm, _hippocampi(t1.shape, affine), affine)


def _hippocampi(shape: tuple[int, ...], affine: Array) -> Array:
    structure = STRUCTURES["hippocampus"]
    points = apply_affine(affine, np.indices(shape).reshape(3, -1).T)
    radius = np.min(
        [
            np.linalg.norm((points - structure.centre_on(side)) / (np.array(structure.size_mm) / 2), axis=1)
            for side in (Laterality.LEFT, Laterality.RIGHT)
        ],
        axis=0,
    )
    falling: Array = (1.0 - radius**2).clip(0.0, 1.0).reshape(shape)
    return falling


def _tissues(grid: Grid, severity: float, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return the shares of grey matter, white matter and ventricle on a grid."""
    anatomy = _anatomy()
    points = _posed(grid, rng)
    growth_mm = max(0.0, VENTRICLE_GROWTH_MM * severity + rng.normal(0.0, VENTRICLE_SCATTER_MM))
    places = apply_affine(inverse_of(anatomy.affine), points).T
    distance = ndimage.map_coordinates(anatomy.distance_mm, places, order=1, mode="nearest")
    outward = np.stack(
        [ndimage.map_coordinates(part, places, order=1, mode="nearest") for part in anatomy.outward]
    )
    pull_mm = growth_mm * np.exp(-0.5 * (distance / VENTRICLE_REACH_MM) ** 2)
    places = places - outward * pull_mm / _TEMPLATE_SPACING_MM
    grey, white, fluid, hippocampi = (
        ndimage.map_coordinates(part, places, order=1).reshape(grid.shape)
        for part in (anatomy.grey, anatomy.white, anatomy.fluid, anatomy.hippocampi)
    )
    kept = (1.0 - CORTEX_LOSS * severity) * (1.0 - HIPPOCAMPUS_LOSS * severity * hippocampi)
    return grey * kept, white, fluid


def _posed(grid: Grid, rng: np.random.Generator) -> Array:
    """Return the point of the template ``(N, 3)`` that lies at each voxel: size, pose and shape drawn."""
    scale = rng.uniform(*SIZE_RANGE) * rng.uniform(*AXIS_RANGE, size=3)
    about_x, about_y, about_z = np.radians(rng.uniform(-TURN_DEGREES, TURN_DEGREES, size=3))
    pose = turn(1, 2, about_x) @ turn(0, 2, about_y) @ turn(0, 1, about_z)
    shift = rng.uniform(-SHIFT_MM, SHIFT_MM, size=3)
    offsets = grid.to_world_mm(np.indices(grid.shape).reshape(3, -1).T) - _CENTRE_MM - shift
    shape = np.stack([_smooth(grid, SHAPE_SIGMA_MM, rng).ravel() for _ in range(3)], axis=1)
    points: Array = offsets @ pose.T / scale + SHAPE_MM * shape + _CENTRE_MM
    return points


def _smooth(grid: Grid, sigma_mm: float, rng: np.random.Generator) -> Array:
    """Return a smooth random field of standard deviation 1."""
    field = ndimage.gaussian_filter(rng.normal(size=grid.shape), [sigma_mm / step for step in grid.spacing])
    scaled: Array = field / field.std()
    return scaled


def _labels(grey: Array, white: Array, fluid: Array) -> npt.NDArray[np.uint8]:
    """Return the likeliest tissue of each voxel; outside of the brain none is."""
    outside = (1.0 - grey - white - fluid).clip(0.0)
    labels: npt.NDArray[np.uint8] = np.stack([outside, grey, white, fluid]).argmax(axis=0).astype(np.uint8)
    return labels


def _scan(
    grey: Array, white: Array, fluid: Array, grid: Grid, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return the image that a scanner would make of tissue shares."""
    levels = {value: level + rng.normal(0.0, LEVEL_SCATTER) for value, level in LEVELS.items()}
    brain = ndimage.binary_fill_holes(grey + white + fluid > 0.5)
    # Fluid outside of the ventricles is as dark as they are, where it lies within the brain.
    rest = (1.0 - grey - white).clip(0.0) * brain
    signal = levels[GREY] * grey + levels[WHITE] * white + levels[VENTRICLES] * rest
    biased = signal * (1.0 + BIAS * _smooth(grid, 40.0, rng).clip(-2.0, 2.0))
    noise = rng.uniform(*NOISE_RANGE)
    # Magnitude images: noise in two channels (Gudbjartsson & Patz 1995, "The Rician distribution").
    first, second = rng.normal(0.0, noise, size=(2, *grid.shape))
    image: npt.NDArray[np.float32] = (1000.0 * np.hypot(biased + first, second)).astype(np.float32)
    return image
