"""Slices of a head as a scanner gives them: averaged over their thickness, with streaks, noise and tilt."""

from typing import Final

import numpy as np
import torch
from scipy import ndimage
from torch.nn.functional import grid_sample

from medpipe.core.affine import Array, apply_affine, inverse_of
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import Source, SourceKind
from medpipe.simulate.head_ct.head_grid import HEAD_GRID, Field
from medpipe.simulate.head_ct.person import CENTRE_MM, Person, head_point_mm
from medpipe.simulate.head_ct.scan_plan import NOISE_THICKNESS_MM, ScanPlan
from medpipe.simulate.phantom import tilted_affine

FIELD_OF_VIEW_MM: Final = (200.0, 240.0)
PLANE_MM: Final = 1.5
"""A slice is the mean over planes no further apart than this."""
AIR_HU: Final = -1000.0

NOISE_SIGMA_PIXELS: Final = 0.6
"""Width of the noise's grain, as a soft kernel leaves it."""

PETROUS_MM: Final = (0.0, -22.0, -37.0)
"""Middle between the petrous bones, in the template: streaks run through it."""
STREAK_HEIGHT_MM: Final = 11.0
STREAK_HALF_WIDTH_MM: Final = 45.0
BAR_MM, BAR_SHARE = 7.0, 1.2
STREAK_MM: Final = (1.5, 3.5)
NUM_STREAKS: Final = 7
STREAK_DEGREES: Final = 25.0
"""Extent above and below, and sideways; the dark bar between the bones (width, strength against the streaks);
width, number and slope of the bright and dark streaks.

Source:
    medpipe, after the known look of beam hardening between the petrous bones.
"""


def slice_geometry(scan: ScanPlan, pixel_mm: float) -> tuple[tuple[int, int], list[Array]]:
    """Return the pixels along I and J, and the 4x4 of each slice: index to scanner mm, its normal third."""
    size = (round(FIELD_OF_VIEW_MM[0] / pixel_mm), round(FIELD_OF_VIEW_MM[1] / pixel_mm))
    flat = tilted_affine(
        scan.tilt_degrees, pixel_mm=(pixel_mm, pixel_mm), step_mm=1.0, origin=(0.0, 0.0, 0.0)
    )
    flat[:3, 2] = np.cross(flat[:3, 0], flat[:3, 1]) / pixel_mm**2
    middle = flat[:3, :2] @ ((np.array(size) - 1) / 2)
    affines = []
    for table_mm in scan.table_mm:
        affine = flat.copy()
        affine[:3, 3] = (0.0, CENTRE_MM[1], float(table_mm)) - middle
        affines.append(affine)
    return size, affines


def sample_slabs(field: Field, scan: ScanPlan, pixel_mm: float, *, fill: float) -> Field:
    """Return the means ``(S, I, J)`` of a field of the head over each slice.

    Args:
        field: ``(I, J, K)`` on the head's fine grid.
        scan: Where the slices lie.
        pixel_mm: In-plane spacing.
        fill: Value outside of the grid.
    """
    size, affines = slice_geometry(scan, pixel_mm)
    counts = np.ceil(scan.thickness_mm / PLANE_MM).astype(int)
    origins, to_head = [], inverse_of(HEAD_GRID.affine) @ inverse_of(scan.pose)
    for affine, thickness, count in zip(affines, scan.thickness_mm, counts, strict=True):
        depths = ((np.arange(count) + 0.5) / count - 0.5) * thickness
        origins.append(apply_affine(to_head @ affine, np.stack([depths * 0, depths * 0, depths], axis=1)))
    steps = (to_head @ affines[0])[:3, :2]
    planes = _sample_planes(field - np.float32(fill), np.concatenate(origins), steps, size) + np.float32(fill)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    means: Field = np.add.reduceat(planes, starts, axis=0) / counts[:, None, None].astype(np.float32)
    return means


def scan_head(hu: Field, person: Person, scan: ScanPlan, *, pixel_mm: float) -> SliceStack:
    """Return the slices that a scanner gives of a head.

    Args:
        hu: ``(I, J, K)`` on the head's fine grid.
        person: Gives the strength of the streaks.
        scan: How it is scanned.
        pixel_mm: In-plane spacing.
    """
    _, affines = slice_geometry(scan, pixel_mm)
    slices = sample_slabs(hu, scan, pixel_mm, fill=AIR_HU)
    rng = np.random.default_rng(scan.seed)
    slices += _streaks(rng, person, scan, affines, slices.shape)
    slices += _noise(rng, scan, slices.shape)
    return SliceStack(
        array=torch.from_numpy(np.rint(slices.clip(-1024.0, 3071.0)))[:, None],
        in_plane_mm=affines[0][:3, :2],
        positions_mm=np.array([affine[:3, 3] for affine in affines]),
        thickness_mm=scan.thickness_mm,
        modality="CT",
        source=Source(kind=SourceKind.MEMORY),
    )


def _sample_planes(field: Field, origins: Array, steps: Array, size: tuple[int, int]) -> Field:
    """Return planes ``(P, I, J)`` of a field, linearly; 0 outside.

    Args:
        field: ``(I, J, K)``.
        origins: ``(P, 3)`` voxel of the first pixel of each plane.
        steps: ``(3, 2)`` voxels to the next pixel along I and J.
        size: Pixels along I and J.
    """
    places = []
    for axis in (2, 1, 0):  # grid_sample wants places from -1 to 1, the last axis of the array first
        scale = 2.0 / (field.shape[axis] - 1)
        along_i = torch.arange(size[0], dtype=torch.float64)[None, :, None] * (steps[axis, 0] * scale)
        along_j = torch.arange(size[1], dtype=torch.float64)[None, None, :] * (steps[axis, 1] * scale)
        start = torch.from_numpy(origins[:, axis] * scale - 1.0)[:, None, None]
        places.append(((start + along_i).float() + along_j.float()).expand(len(origins), *size))
    grid = torch.stack(places, dim=-1)[None]
    sampled: Field = grid_sample(torch.from_numpy(field)[None, None], grid, align_corners=True)[0, 0].numpy()
    return sampled


def _streaks(
    rng: np.random.Generator, person: Person, scan: ScanPlan, affines: list[Array], shape: tuple[int, ...]
) -> Field:
    """Return the streaks ``(S, I, J)`` between the petrous bones; other slices have none."""
    middle = apply_affine(scan.pose, head_point_mm(person, PETROUS_MM))
    streaks = np.zeros(shape, dtype=np.float32)
    i, j = np.meshgrid(*(np.arange(size) for size in shape[1:]), indexing="ij", sparse=True)
    for index, affine in enumerate(affines):
        slopes = np.tan(np.radians(rng.uniform(-STREAK_DEGREES, STREAK_DEGREES, size=NUM_STREAKS)))
        strengths, widths = rng.normal(size=NUM_STREAKS), rng.uniform(*STREAK_MM, size=NUM_STREAKS)
        offsets = rng.normal(0.0, 6.0, size=NUM_STREAKS)
        place_i, place_j, height = apply_affine(inverse_of(affine), middle)
        fading = person.streak_hu * np.exp(-0.5 * (height / STREAK_HEIGHT_MM) ** 2)
        if fading < 0.3:
            continue
        pixel_mm = float(np.linalg.norm(affine[:3, 0]))
        across, along = (i - place_i) * pixel_mm, (j - place_j) * pixel_mm
        bar = -BAR_SHARE * np.exp(-0.5 * (along / BAR_MM) ** 2)
        drawn = bar + sum(
            strength * np.exp(-0.5 * ((along - offset - slope * across) / width) ** 2)
            for slope, strength, width, offset in zip(slopes, strengths, widths, offsets, strict=True)
        )
        streaks[index] = fading * drawn * np.exp(-((across / STREAK_HALF_WIDTH_MM) ** 4))
    return streaks


def _noise(rng: np.random.Generator, scan: ScanPlan, shape: tuple[int, ...]) -> Field:
    white = rng.standard_normal(size=shape, dtype=np.float32)
    grain = ndimage.gaussian_filter(white, (0.0, NOISE_SIGMA_PIXELS, NOISE_SIGMA_PIXELS), mode="wrap")
    deviation = scan.noise_hu * np.sqrt(NOISE_THICKNESS_MM / scan.thickness_mm)
    noise: Field = grain / grain.std() * deviation[:, None, None].astype(np.float32)
    return noise
