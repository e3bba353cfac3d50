"""Lobulated bodies of a stated volume: haematomas, tumours, infarcts."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from scipy import ndimage
from torch.nn.functional import interpolate

from medpipe.core.affine import Array
from medpipe.simulate.head_ct.head_grid import HEAD_GRID, VOXEL_MM, Box, Field, Mask, box_around, points_in
from medpipe.simulate.head_ct.mass_effect import sphere_radius_mm

AXIS_RANGE: Final = (0.7, 1.4)
"""Axes of the lobes against a sphere's."""
MOST_LOBES: Final = 4
LOBE_RANGE: Final = (0.35, 0.7)
"""Radius of the lobes beside the first, against its."""
ROUGHNESS: Final = 0.22
"""Standard deviation of the surface, against the radius."""
_GRAIN: Final = 0.55
"""Width of the surface's bumps, against the radius."""
_REACH: Final = 2.6


@dataclass(frozen=True, eq=False)
class Blob:
    """A body on a part of the head's fine grid.

    Attributes:
        box: The part.
        level: ``(I, J, K)`` of the part: mm inwards, from a zero without a meaning.
        allowed: ``(I, J, K)`` where the body may lie.
        texture: ``(I, J, K)`` smooth noise of standard deviation 1, for what the body holds.
    """

    box: Box
    level: Field
    allowed: Mask
    texture: Field

    def share_of(self, volume_ml: float, edge_mm: float) -> Field:
        """Return the share ``(I, J, K)`` of each voxel that the body fills once it has a volume.

        Args:
            volume_ml: All that is allowed is filled where it exceeds that.
            edge_mm: Over which the surface is graded.
        """
        inside = self.level[self.allowed]
        kept = min(round(volume_ml / HEAD_GRID.voxel_volume_ml), len(inside) - 1)
        surface = np.partition(inside, len(inside) - 1 - kept)[len(inside) - 1 - kept]
        share: Field = ((self.level - surface) / edge_mm + 0.5).clip(0.0, 1.0) * self.allowed
        return share


def draw_blob(rng: np.random.Generator, centre_mm: Array, largest_ml: float, allowed: Mask) -> Blob:
    """Draw a body.

    Args:
        rng: Owned by the caller.
        centre_mm: In the head's frame.
        largest_ml: The largest volume that will be asked for, oedema included.
        allowed: ``(I, J, K)`` of the whole fine grid: where it may lie.
    """
    radius = sphere_radius_mm(largest_ml)
    box = box_around(centre_mm, _REACH * radius + 4.0)
    x, y, z = points_in(box)
    shape = (len(x[:, 0, 0]), len(y[0, :, 0]), len(z[0, 0, :]))
    level = np.full(shape, -np.inf, dtype=np.float32)
    for lobe, size in _lobes(rng, radius):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0] / (size * rng.uniform(*AXIS_RANGE, size=(3, 1)))
        offsets = [axis - middle for axis, middle in zip((x, y, z), centre_mm + lobe, strict=True)]
        distance = np.sqrt(sum(sum(row[axis] * offsets[axis] for axis in range(3)) ** 2 for row in turn))
        level = np.maximum(level, (size * (1.0 - distance)).astype(np.float32))
    surface, texture = (_grain(rng, shape, _GRAIN * radius) for _ in range(2))
    return Blob(box, level + ROUGHNESS * radius * surface, allowed[box], texture)


def _lobes(rng: np.random.Generator, radius: float) -> list[tuple[Array, float]]:
    """Return the offset and size of each lobe, the first at the centre."""
    lobes = [(np.zeros(3), radius)]
    for _ in range(int(rng.integers(0, MOST_LOBES + 1))):
        direction = rng.normal(size=3)
        away = radius * rng.uniform(0.6, 1.0) * direction / np.linalg.norm(direction)
        lobes.append((away, radius * float(rng.uniform(*LOBE_RANGE))))
    return lobes


def _grain(rng: np.random.Generator, shape: tuple[int, int, int], width_mm: float) -> Field:
    sizes = [max(2, round(size * VOXEL_MM / width_mm) + 1) for size in shape]
    coarse = torch.from_numpy(rng.normal(size=sizes).astype(np.float32))[None, None]
    linear = interpolate(coarse, size=shape, mode="trilinear", align_corners=True)[0, 0].numpy()
    # The mean over a bump's width rounds the kinks of the linear interpolation.
    grain: Field = ndimage.uniform_filter(linear, max(3, round(width_mm / VOXEL_MM)), mode="nearest")
    scaled: Field = grain / grain.std().clip(1e-6)
    return scaled
