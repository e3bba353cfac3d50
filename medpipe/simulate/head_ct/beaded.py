"""A simulated head CT: brain, ventricles, skull and scalp from MNI152 tissue maps, under gantry tilt."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from scipy import ndimage

from medpipe.core.affine import Array, apply_affine, inverse_of
from medpipe.core.slice_stack import SliceStack
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.io.template import MniMap, load_mni
from medpipe.simulate.phantom import Marker, tilted_affine
from medpipe.simulate.resample import sample_slices

TILT_DEGREES: Final = 15.0

AIR_HU: Final = -1000.0
CSF_HU: Final = 8.0
GREY_HU: Final = 37.0
WHITE_HU: Final = 29.0
SKULL_HU: Final = 900.0
SCALP_HU: Final = 20.0
BEAD_HU: Final = 2500.0
"""Values in the usual ranges of a non-contrast head CT at 120 kV."""

SUBARACHNOID_MM: Final = 2.0
SKULL_MM: Final = 7.0
SCALP_MM: Final = 6.0
"""Thickness of the layers around the brain."""

NOISE_HU: Final = 4.0
"""Standard deviation, as in a head scan of ordinary dose."""

BEAD_RADIUS_MM: Final = 5.0
"""Large enough that every slice spacing in use crosses each bead."""

_BEAD_DIRECTIONS: Final = {
    "left temple": (-1.0, 0.25, 0.05),
    "right ear": (1.0, -0.3, -0.1),
    "forehead": (0.2, 1.0, 0.2),
    "occiput": (-0.15, -1.0, 0.05),
    "vertex": (0.1, -0.2, 1.0),
}
_HEAD_CENTRE_MM: Final = (0.0, -17.0, 6.0)
_LOWEST_MM, _HIGHEST_MM = -64.0, 108.0
_FIELD_OF_VIEW_MM: Final = (190.0, 228.0)
_CLOSING_MM: Final = 8.0
_TISSUE_THRESHOLD: Final = 0.3


@dataclass(frozen=True, eq=False)
class SimulatedHead:
    """A simulated scan and the truth about it.

    Attributes:
        image: Hounsfield units.
        markers: Metal beads on the skin, a different place on each side; position of each centre.
    """

    image: Volume | SliceStack
    markers: tuple[Marker, ...]


def tilted_head_ct(
    *, tilt_degrees: float = TILT_DEGREES, pixel_mm: float = 1.0, step_mm: float = 4.0, seed: int = 0
) -> SimulatedHead:
    """Return a simulated head CT on an evenly spaced, sheared grid.

    Args:
        tilt_degrees: Gantry tilt.
        pixel_mm: In-plane spacing.
        step_mm: Table feed.
        seed: Of the noise.

    Returns:
        A ``Volume``, its third axis along the table and not along the normal of the slices.
    """
    table_mm = np.arange(_LOWEST_MM, _HIGHEST_MM, step_mm)
    stack = _scan(table_mm, tilt_degrees, pixel_mm, seed)
    affine = np.eye(4)
    affine[:3, :2] = stack.in_plane_mm
    affine[:3, 2] = (0.0, 0.0, step_mm)
    affine[:3, 3] = stack.positions_mm[0]
    volume = Volume(stack.array.permute(1, 2, 3, 0), affine, stack.modality, stack.source)
    return SimulatedHead(volume, head_markers())


def sequential_head_ct(
    *, tilt_degrees: float = TILT_DEGREES, pixel_mm: float = 1.0, seed: int = 0
) -> SimulatedHead:
    """Return a simulated sequential head CT: a step of 4 mm through the skull base, 7 mm above.

    Returns:
        A ``SliceStack``: no volume can hold it.
    """
    table_mm = np.concatenate([np.arange(_LOWEST_MM, -20.0, 4.0), np.arange(-20.0, _HIGHEST_MM, 7.0)])
    return SimulatedHead(_scan(table_mm, tilt_degrees, pixel_mm, seed), head_markers())


@cache
def head_markers() -> tuple[Marker, ...]:
    """Return the beads of the simulated head, centred on its skin."""
    depth = _depth_below_skin()
    markers = []
    for name, direction in _BEAD_DIRECTIONS.items():
        ray = np.array(direction) / np.linalg.norm(direction)
        points = np.array(_HEAD_CENTRE_MM) + np.arange(0.0, 150.0, 0.5)[:, None] * ray
        voxels = apply_affine(inverse_of(depth.affine), points).T
        inside = ndimage.map_coordinates(depth.array[0].numpy(), voxels, order=1, cval=-1.0) > 0
        x, y, z = points[np.flatnonzero(inside)[-1]]
        markers.append(Marker(name, BEAD_HU, (float(x), float(y), float(z))))
    return tuple(markers)


@cache
def head_hu() -> Volume:
    """Return the simulated head without beads and noise: 2 mm, RAS, Hounsfield units."""
    grey, white = (load_mni(map_, spacing_mm=2) for map_ in (MniMap.GREY, MniMap.WHITE))
    depth = _depth_below_skin().array
    brain = GREY_HU * grey.array + WHITE_HU * white.array + CSF_HU * (1 - grey.array - white.array).clip(0)
    hu = torch.where(depth > SCALP_MM + SKULL_MM, brain, SKULL_HU)
    hu = torch.where(depth > SCALP_MM, hu, SCALP_HU)
    hu = torch.where(depth > 0, hu, AIR_HU)
    return Volume(hu, grey.affine, "CT", Source(kind=SourceKind.MEMORY))


@cache
def _depth_below_skin() -> Volume:
    """Return mm below the surface of the skin; negative outside."""
    grey, white = (load_mni(map_, spacing_mm=2) for map_ in (MniMap.GREY, MniMap.WHITE))
    tissue = (grey.array + white.array)[0].numpy() > _TISSUE_THRESHOLD
    # Closing fills sulci and ventricles: the skull follows the hull of the brain.
    hull = ndimage.distance_transform_edt(~tissue, sampling=2.0) <= _CLOSING_MM
    outside = ndimage.distance_transform_edt(hull, sampling=2.0) <= _CLOSING_MM
    beyond_brain = ndimage.distance_transform_edt(outside, sampling=2.0)
    depth = SUBARACHNOID_MM + SKULL_MM + SCALP_MM - beyond_brain
    return grey.with_array(torch.from_numpy(depth.astype(np.float32))[None])


def _scan(table_mm: Array, tilt_degrees: float, pixel_mm: float, seed: int) -> SliceStack:
    size = (int(_FIELD_OF_VIEW_MM[0] / pixel_mm), int(_FIELD_OF_VIEW_MM[1] / pixel_mm))
    affines = [_slice_affine(float(z), tilt_degrees, pixel_mm, size) for z in table_mm]
    hu = _with_beads(sample_slices(head_hu(), affines, size, fill=AIR_HU), affines)
    noise = np.random.default_rng(seed).normal(0.0, NOISE_HU, size=tuple(hu.shape))
    feed = np.diff(table_mm)
    return SliceStack(
        array=torch.round(hu + torch.from_numpy(noise.astype(np.float32))),
        in_plane_mm=affines[0][:3, :2],
        positions_mm=np.array([affine[:3, 3] for affine in affines]),
        thickness_mm=np.append(feed, feed[-1]) * np.cos(np.radians(tilt_degrees)),
        modality="CT",
        source=Source(kind=SourceKind.MEMORY),
    )


def _slice_affine(table_mm: float, tilt_degrees: float, pixel_mm: float, size: tuple[int, int]) -> Array:
    """Return the affine of a slice whose middle lies on the table's axis at ``table_mm``."""
    affine = tilted_affine(tilt_degrees, pixel_mm=(pixel_mm, pixel_mm), step_mm=1.0, origin=(0.0, 0.0, 0.0))
    middle = affine[:3, :2] @ ((np.array(size) - 1) / 2)
    affine[:3, 3] = (0.0, _HEAD_CENTRE_MM[1], table_mm) - middle
    return affine


def _with_beads(hu: torch.Tensor, affines: list[Array]) -> torch.Tensor:
    """Draw each bead by its equation: no interpolation blurs the truth."""
    size_i, size_j = hu.shape[2:]
    pixels = np.stack(np.meshgrid(np.arange(size_i), np.arange(size_j), [0], indexing="ij"), axis=-1)[:, :, 0]
    drawn = hu.clone()
    for index, affine in enumerate(affines):
        points = apply_affine(affine, pixels)
        for marker in head_markers():
            inside = np.linalg.norm(points - marker.position_mm, axis=-1) <= BEAD_RADIUS_MM
            drawn[index, 0][torch.from_numpy(inside)] = BEAD_HU
    return drawn
