"""Warps: one map from augmented voxels to source voxels, for images, label maps and boxes alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch.nn.functional import grid_sample

from medpipe.core.affine import Array, apply_affine, inverse_of
from medpipe.core.boxes import checked_boxes
from medpipe.core.errors import ShapeError
from medpipe.transforms.draws import Draw, Lattice
from medpipe.transforms.recipe import Border
from medpipe.transforms.spline import Spline

_SLAB_VOXELS: Final = 1 << 21
"""Voxels whose coordinates are held at a time."""

_TOLERANCE_VOXELS: Final = 1e-4
_MAX_STEPS: Final = 500
"""Limits of the search for a bent map's inverse; see :data:`medpipe.transforms.recipe.MAX_STRENGTH`."""

_SAMPLES_A_CELL: Final = 8
"""Points on the surface of a box, between two control points: the rest bulges by less than 0.01 cells."""

_CENTRE: Final = 0.5
"""Boxes count voxel edges, maps count voxel centres."""


@dataclass(frozen=True, eq=False)
class Warp:
    """Where each voxel of an augmented image is read from.

    Voxel ``x`` lies at ``m = (x - centre) * spacing``; it shows the source at ``pull (m + bend(x))``.

    Attributes:
        lattice: Of source and augmented image.
        pull: 4x4, augmented to source, in the unit of the spacing about the centre of the image.
        bend: Displacement in that unit; None for an affine map.
    """

    lattice: Lattice
    pull: Array
    bend: Spline | None = None

    @classmethod
    def drawn(cls, draw: Draw, lattice: Lattice) -> "Warp | None":
        """Return the warp of a draw, flips left out; None where nothing moves."""
        if draw.affine is None and draw.elastic is None:
            return None
        pull = np.eye(4) if draw.affine is None else inverse_of(np.array(draw.affine.matrix))
        if draw.elastic is None:
            return cls(lattice, pull)
        bend = Spline.drawn(draw.elastic, lattice.shape, components=3)
        still = ~np.array(lattice.moving)
        bend.control[still] = 0.0
        return cls(lattice, pull, bend)

    def inverse(self) -> "Warp":
        """Return the warp that undoes this one.

        Raises:
            ShapeError: The map bends.
        """
        if self.bend is not None:
            raise ShapeError("Only flips and affines are undone", found="an elastic step")
        return Warp(self.lattice, inverse_of(self.pull))

    def to_source(self, points: Array) -> Array:
        """Map points ``(P, 3)`` in voxels of the augmented image to the source."""
        bend = 0.0 if self.bend is None else self.bend.at(points)
        return self._voxels(apply_affine(self.pull, self._centred(points) + bend))

    def to_augmented(self, points: Array) -> Array:
        """Map points ``(P, 3)`` in voxels of the source to the augmented image."""
        unbent = apply_affine(inverse_of(self.pull), self._centred(points))
        if self.bend is None:
            return self._voxels(unbent)
        found = self._voxels(unbent)
        for _ in range(_MAX_STEPS):
            before, found = found, self._voxels(unbent - self.bend.at(found))
            if np.abs(found - before).max(initial=0.0) < _TOLERANCE_VOXELS:
                return found
        raise AssertionError("a recipe's strength keeps the map one to one")

    def boxes(self, boxes: Array) -> Array:
        """Map boxes ``(N, 6)``, xyzxyz half-open voxels, to bounds of what they hold, cut at the image.

        All eight corners are mapped; where the map bends, points all over the surface. Boxes that leave the
        image keep their row, with no volume.
        """
        mapped = [self._bounds(box) for box in checked_boxes(boxes)]
        limits = np.tile(np.array(self.lattice.shape, dtype=np.float64), 2)
        return np.clip(np.array(mapped).reshape(-1, 6), 0.0, limits)

    def resample(
        self,
        image: torch.Tensor | None,
        label_map: torch.Tensor | None,
        *,
        borders: tuple[Border, Border, Border],
        fill: float,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Read image and label map at the same places, each once.

        Args:
            image: ``(C, I, J, K)`` float, interpolated linearly.
            label_map: ``(I, J, K)`` integers, nearest neighbour; 0 beyond the ends of the scan.
            borders: What the image shows beyond its ends along each array axis.
            fill: The value of the border ``fill``.
        """
        new_image = None if image is None else torch.empty_like(image)
        new_labels = None if label_map is None else torch.empty_like(label_map)
        # Beyond its ends the sampler sees 0: the image is read as its distance from the fill.
        shifted = None if image is None else (image - fill)[None]
        labels = None if label_map is None else label_map.to(torch.float32)[None, None]
        device = next(array.device for array in (image, label_map) if array is not None)
        for rows, places in self._slabs(device):
            if new_image is not None and shifted is not None:
                folded = self._folded(places, borders)
                sampled = grid_sample(shifted, folded, mode="bilinear", align_corners=False)
                new_image[:, rows] = sampled[0] + fill
            if new_labels is not None and labels is not None:
                sampled = grid_sample(labels, places, mode="nearest", align_corners=False)
                new_labels[rows] = sampled[0, 0].to(new_labels.dtype)
        return new_image, new_labels

    def _slabs(self, device: torch.device) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield rows of axis I and where their voxels are read: ``(1, rows, J, K, 3)``.

        Coordinates are those of the sampler: -1 to 1 over the outer edges of the source, last axis first.
        """
        size_i, size_j, size_k = self.lattice.shape
        step = max(1, _SLAB_VOXELS // (size_j * size_k))
        to_sampler = _sampler_matrix(self.lattice.shape) @ inverse_of(self._centring) @ self.pull
        of_voxels = to_sampler @ self._centring
        linear, offset, of_bend = (
            torch.tensor(values, dtype=torch.float32, device=device)
            for values in (of_voxels[:3, :3].T, of_voxels[:3, 3], to_sampler[:3, :3].T)
        )
        j, k = (torch.arange(size, dtype=torch.float32, device=device) for size in (size_j, size_k))
        plane = j[:, None, None] * linear[1] + k[:, None] * linear[2] + offset
        for start in range(0, size_i, step):
            rows = slice(start, min(start + step, size_i))
            i = torch.arange(rows.start, rows.stop, dtype=torch.float32, device=device)
            places = i[:, None, None, None] * linear[0] + plane
            if self.bend is not None:
                places += torch.movedim(self.bend.on_voxels(rows, device), 0, -1) @ of_bend
            yield rows, places[None]

    def _folded(self, places: torch.Tensor, borders: tuple[Border, Border, Border]) -> torch.Tensor:
        """Bring the sampler's coordinates beyond the ends back onto the scan, along axes that ask for it."""
        folded = places.clone()
        for axis, (border, size) in enumerate(zip(borders, self.lattice.shape, strict=True)):
            along = folded[..., 2 - axis]
            if border == "reflect":
                along = torch.remainder(along + 1, 4)
                along = torch.minimum(along, 4 - along) - 1
            if border != "fill":
                last_centre = 1 - 1 / size
                folded[..., 2 - axis] = along.clamp(-last_centre, last_centre)
        return folded

    def _bounds(self, box: Array) -> Array:
        surface = self.to_augmented(_surface(box, self._samples(box)) - _CENTRE) + _CENTRE
        return np.concatenate([surface.min(axis=0), surface.max(axis=0)])

    def _samples(self, box: Array) -> tuple[int, int, int]:
        """Return how many points to take along each side of a box: its corners alone where nothing bends."""
        if self.bend is None:
            return 2, 2, 2
        cells = np.array(self.bend.control.shape[1:]) - 3
        spans = (box[3:] - box[:3]) / self.lattice.shape * cells
        i, j, k = (int(np.ceil(span * _SAMPLES_A_CELL)) + 2 for span in spans)
        return i, j, k

    @property
    def _centring(self) -> Array:
        """4x4 from voxels to the unit of the spacing about the centre of the image."""
        matrix = np.diag([*self.lattice.spacing, 1.0])
        matrix[:3, 3] = -(np.array(self.lattice.shape) - 1) / 2 * self.lattice.spacing
        return matrix

    def _centred(self, points: Array) -> Array:
        return apply_affine(self._centring, points)

    def _voxels(self, centred: Array) -> Array:
        return apply_affine(inverse_of(self._centring), centred)


def _sampler_matrix(shape: tuple[int, int, int]) -> Array:
    """Return the 4x4 from voxels to the sampler's coordinates, last axis first."""
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1.0
    for axis, size in enumerate(shape):
        matrix[2 - axis, axis] = 2 / size
        matrix[2 - axis, 3] = 1 / size - 1
    return matrix


def _surface(box: Array, samples: tuple[int, int, int]) -> Array:
    """Return points ``(P, 3)`` over the six sides of a box, corners included."""
    sides = [np.linspace(box[axis], box[axis + 3], samples[axis]) for axis in range(3)]
    points = []
    for axis in range(3):
        ends = [sides[other] if other != axis else sides[other][[0, -1]] for other in range(3)]
        points.append(np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3))
    return np.concatenate(points)
