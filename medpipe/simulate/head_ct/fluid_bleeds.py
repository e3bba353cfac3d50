"""Bleeds into the fluid: into the ventricles, and into the space between brain and skull."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.simulate.head_ct.anatomy import Anatomy
from medpipe.simulate.head_ct.bleed import Bleed
from medpipe.simulate.head_ct.head_grid import (
    HEAD_GRID,
    Box,
    Field,
    at_points,
    box_around,
    smooth_noise,
    to_head_grid,
)

VENTRICULAR_ML: Final = (0.3, 30.0)
"""Drawn evenly over its logarithm; the ventricles hold no more than :data:`FULLEST` of themselves."""
FULLEST: Final = 0.9
VENTRICULAR_HU: Final = (45.0, 75.0)
LAYER_SHARE: Final = 0.6
BOTH_SIDES_SHARE: Final = 0.6
LAYER_EDGE_MM, CAST_EDGE_MM = 1.5, 4.0
FOURTH_BELOW_MM, THIRD_BELOW_MM = -18.0, 9.0
CAST_UNEVEN_MM, CAST_GRAIN_MM = 4.0, 7.0
"""Shares of bleeds that have sunk to the back of the ventricles (others are a cast of a part), and of those
that lie on both sides; over how much their surface is graded; the height of the template below which the
ventricles of the midline lie, which have no side; how uneven a cast's surface is (scatter, width).

Source:
    medpipe.
"""

REGION_MM: Final = (14.0, 60.0)
FILLING: Final = (0.6, 0.9)
SUBARACHNOID_HU: Final = (55.0, 72.0)
PATCH_MM: Final = 9.0
PATCHINESS: Final = 0.35
FADE: Final = 0.4
FILM_MM: Final = 2.0
"""Radius of the region that holds blood, blood's part in its fluid, density of that blood; how uneven its
border is (width, and scatter against the radius) and over which part of the radius it fades; the film next to
the skull that stays clear, as nobody could tell blood there from bone. The mixture has 36 to 66 HU, and less
where a sulcus is thinner than a voxel or a slice.

Source:
    medpipe; amounts from a trace to filled cisterns as graded by Hijdra et al. 1990, Stroke 21: 1156-1161.
"""


@dataclass(frozen=True)
class VentricularBleed:
    """A bleed into the ventricles, as drawn.

    Attributes:
        seed: Of its place.
        volume_ml: Asked for; the truth is measured.
        hu: Of its blood.
        is_layer: Whether it has sunk to the back; else it is a cast.
        side: -1 left, 1 right, 0 both: of a layer.
    """

    seed: int
    volume_ml: float
    hu: float
    is_layer: bool
    side: int


@dataclass(frozen=True)
class SubarachnoidBleed:
    """A bleed into the subarachnoid space, as drawn.

    Attributes:
        seed: Of its patches.
        template_mm: Middle of its region in the template.
        radius_mm: Of the region.
        filling: Blood's part in the fluid there.
        hu: Of its blood.
    """

    seed: int
    template_mm: tuple[float, float, float]
    radius_mm: float
    filling: float
    hu: float


@dataclass(frozen=True)
class Space:
    """A place where the subarachnoid space bleeds.

    Attributes:
        share: Of all bleeds into it.
        template_mm: Its middle, on the right side.
        scatter_mm: Standard deviation along each axis.
    """

    share: float
    template_mm: tuple[float, float, float]
    scatter_mm: float


SPACES: Final = (
    Space(0.22, (0.0, -6.0, -20.0), 3.0),  # suprasellar cistern
    Space(0.22, (42.0, 4.0, -4.0), 4.0),  # sylvian fissure
    Space(0.08, (0.0, 42.0, 8.0), 4.0),  # between the frontal lobes
    Space(0.10, (4.0, -34.0, -10.0), 4.0),  # around the midbrain
    Space(0.04, (2.0, -12.0, -34.0), 3.0),  # before the pons
    Space(0.13, (40.0, 28.0, 46.0), 8.0),  # convexity: frontal
    Space(0.13, (46.0, -42.0, 48.0), 8.0),  # parietal
    Space(0.08, (64.0, -18.0, 4.0), 6.0),  # temporal
)
"""Two thirds at the base, where aneurysms lie; a third on the convexity, as after a fall.

Source:
    medpipe.
"""


def draw_ventricular(rng: np.random.Generator) -> VentricularBleed:
    """Draw a bleed into the ventricles."""
    return VentricularBleed(
        seed=int(rng.integers(2**32)),
        volume_ml=float(np.exp(rng.uniform(*np.log(VENTRICULAR_ML)))),
        hu=float(rng.uniform(*VENTRICULAR_HU)),
        is_layer=bool(rng.uniform() < LAYER_SHARE),
        side=0 if rng.uniform() < BOTH_SIDES_SHARE else int(rng.choice([-1, 1])),
    )


def draw_subarachnoid(rng: np.random.Generator) -> SubarachnoidBleed:
    """Draw a bleed into the subarachnoid space."""
    space = SPACES[int(rng.choice(len(SPACES), p=[space.share for space in SPACES]))]
    x, y, z = np.array(space.template_mm) + rng.normal(0.0, space.scatter_mm, size=3)
    return SubarachnoidBleed(
        seed=int(rng.integers(2**32)),
        template_mm=(float(x * rng.choice([-1.0, 1.0])), float(y), float(z)),
        radius_mm=float(np.exp(rng.uniform(*np.log(REGION_MM)))),
        filling=float(rng.uniform(*FILLING)),
        hu=float(rng.uniform(*SUBARACHNOID_HU)),
    )


def bleed_into_ventricles(bleed: VentricularBleed, anatomy: Anatomy, hu: Field, down: Array) -> Bleed:
    """Return a bleed into the ventricles.

    Args:
        bleed: What to draw.
        anatomy: Whose ventricles hold it.
        hu: ``(I, J, K)`` before it.
        down: Unit vector of gravity in the head's frame.
    """
    rng = np.random.default_rng(bleed.seed)
    places = np.flatnonzero(anatomy.ventricle > 0.1)
    if bleed.is_layer and bleed.side:
        x, _, z = (axis.ravel()[places] for axis in anatomy.template_mm)
        shared = (z < FOURTH_BELOW_MM) | ((np.abs(x) < 4.0) & (z < THIRD_BELOW_MM))
        places = places[shared | (x * bleed.side > 0)]
    room = anatomy.ventricle.ravel()[places].astype(float)
    points = HEAD_GRID.to_world_mm(np.stack(np.unravel_index(places, HEAD_GRID.shape), axis=1))
    if bleed.is_layer:
        order_mm, edge_mm = points @ down, LAYER_EDGE_MM
    else:
        start = points[int(rng.choice(len(points), p=room / room.sum()))]
        uneven = CAST_UNEVEN_MM * at_points(smooth_noise(rng, CAST_GRAIN_MM)[None], points)[0]
        order_mm, edge_mm = uneven - np.linalg.norm(points - start, axis=1), CAST_EDGE_MM
    ranks = np.argsort(-order_mm, kind="stable")
    filled = np.cumsum(room[ranks]) * HEAD_GRID.voxel_volume_ml
    volume = min(bleed.volume_ml, FULLEST * filled[-1])
    surface = order_mm[ranks[int(np.searchsorted(filled, volume))]]
    share = np.zeros(HEAD_GRID.shape, dtype=np.float32)
    share.ravel()[places] = room * ((order_mm - surface) / edge_mm + 0.5).clip(0.0, 1.0)
    extents = [np.flatnonzero(share.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    i, j, k = (slice(int(extent[0]), int(extent[-1]) + 1) for extent in extents)
    return _bleed((i, j, k), share[i, j, k], bleed.hu, hu)


def bleed_into_subarachnoid(bleed: SubarachnoidBleed, anatomy: Anatomy, hu: Field, centre_mm: Array) -> Bleed:
    """Return a bleed into the subarachnoid space.

    Args:
        bleed: What to draw.
        anatomy: Whose fluid it mixes with.
        hu: ``(I, J, K)`` before it.
        centre_mm: About the middle of its region in the head's frame.
    """
    box = box_around(centre_mm, 1.7 * bleed.radius_mm + 12.0)
    uneven = to_head_grid(smooth_noise(np.random.default_rng(bleed.seed), PATCH_MM)[None])[0].numpy()[box]
    offsets = [
        axis[box] - middle for axis, middle in zip(anatomy.template_mm, bleed.template_mm, strict=True)
    ]
    distance = np.sqrt(sum(offset**2 for offset in offsets))
    inside = (1.0 + PATCHINESS * uneven - distance / bleed.radius_mm) / FADE + 0.5
    away_from_bone = (-anatomy.beyond[box] - FILM_MM + 0.5).clip(0.0, 1.0)
    share = anatomy.subarachnoid[box] * bleed.filling * inside.clip(0.0, 1.0) * away_from_bone
    return _bleed(box, share, bleed.hu, hu)


def _bleed(box: Box, share: Field, blood_hu: float, hu: Field) -> Bleed:
    """Return blood of one density in its part of the grid; it never makes a voxel paler."""
    return Bleed(box, share, (share * (blood_hu - hu[box]).clip(0.0)).astype(np.float32))
