"""Augmentation: seeded changes to an image, its label map and its boxes together."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from medpipe.core.affine import Array
from medpipe.core.boxes import checked_boxes
from medpipe.core.errors import ShapeError
from medpipe.core.findings import Value
from medpipe.transforms.draws import Draw, Lattice, draw_copy
from medpipe.transforms.intensity import change_intensities
from medpipe.transforms.recipe import Border, Recipe
from medpipe.transforms.warp import Warp

VOLUME_AXES: Final = "RAS"
PLANAR_AXES: Final = "LIA"
"""Axes of images that state none; a frontal radiograph's columns run to the patient's left, its rows down."""


@dataclass(frozen=True, eq=False)
class Sample:
    """An image and what belongs to it.

    Attributes:
        image: ``(C, I, J, K)``, or ``(C, I, J)`` where planar.
        spacing: Of each spatial axis in mm; ones where a planar image states none.
        label_map: Integers of the image's spatial shape; 0 is background.
        boxes: ``(N, 6)`` xyzxyz, half-open voxels; planar ones have z from 0 to 1.
        orientation: Axis codes such as ``"RAS"``; for planar images the third letter is the direction
            through the picture. It says which axes are flipped and turned.
    """

    image: torch.Tensor
    spacing: tuple[float, ...]
    label_map: torch.Tensor | None = None
    boxes: Array | None = None
    orientation: str = ""

    def __post_init__(self) -> None:
        shape = tuple(self.image.shape[1:])
        if self.image.ndim not in (3, 4) or 0 in self.image.shape:
            raise ShapeError(
                "An image is (C, I, J, K) or (C, I, J)", found=f"shape {tuple(self.image.shape)}"
            )
        if len(self.spacing) != len(shape):
            raise ShapeError("Each spatial axis has a spacing", found=f"{self.spacing} for shape {shape}")
        if self.label_map is not None and tuple(self.label_map.shape) != shape:
            raise ShapeError(
                "The label map does not lie on the image's grid",
                found=f"{tuple(self.label_map.shape)}, expected {shape}",
            )
        if self.label_map is not None and self.label_map.is_floating_point():
            raise ShapeError("A label map holds integers", found=str(self.label_map.dtype))
        if self.boxes is not None:
            object.__setattr__(self, "boxes", checked_boxes(self.boxes))

    @property
    def is_planar(self) -> bool:
        """Whether the image has two spatial axes."""
        return self.image.ndim == 3

    @property
    def lattice(self) -> Lattice:
        """Shape, spacing and axes, with one slice where planar."""
        shape, spacing = (*self.image.shape[1:], 1)[:3], (*self.spacing, 1.0)[:3]
        axes = self.orientation or (PLANAR_AXES if self.is_planar else VOLUME_AXES)
        return Lattice(shape=shape, spacing=spacing, orientation=axes)


class Record(Value):
    """What was done to one copy: enough to do it again, and to undo flips and affine.

    Attributes:
        recipe: The recipe as it was, defaults included.
        seed: Of this copy.
        lattice: Of the image.
        draw: What was drawn.
    """

    recipe: Recipe
    seed: int
    lattice: Lattice
    draw: Draw

    @property
    def borders(self) -> tuple[Border, Border, Border]:
        """What is shown beyond the ends of each array axis."""
        i, j, k = (getattr(self.recipe.border, self.lattice.body_axis(axis)) for axis in range(3))
        return i, j, k

    @property
    def exchanged_labels(self) -> tuple[tuple[int, int], ...]:
        """Pairs of labels that name sides, where left and right were mirrored."""
        if self.recipe.flips is None or self.lattice.axis_of("left_right") not in self.draw.flips:
            return ()
        return self.recipe.flips.swap_labels


@dataclass(frozen=True, eq=False)
class Augmented:
    """A changed sample and the record of the change."""

    sample: Sample
    record: Record


def augment(
    sample: Sample, recipe: Recipe, *, seed: int, device: torch.device | str | None = None
) -> Augmented:
    """Change a sample as a recipe and a seed say.

    All spatial steps but flips, which move whole voxels, are one resampling: linear for the image, nearest
    neighbour for the label map. Intensities change after it, on the image alone.

    Args:
        sample: Not changed.
        recipe: From :func:`medpipe.transforms.recipe.read_recipe`.
        seed: Owned by the caller: the same seed gives the same bytes on one device. The generators of
            Python, NumPy and PyTorch are neither read nor changed.
        device: Where to compute and leave the result; where the image lies by default.

    Returns:
        The sample on the same grid, the image as float32, and its record.

    Raises:
        ShapeError: The seed is negative.
    """
    lattice = sample.lattice
    record = Record(recipe=recipe, seed=seed, lattice=lattice, draw=draw_copy(recipe, lattice, seed=seed))
    return replay(sample, record, device=device)


def replay(sample: Sample, record: Record, *, device: torch.device | str | None = None) -> Augmented:
    """Change a sample as a record says; see :func:`augment`.

    Raises:
        ShapeError: The record is of an image with another shape, spacing or orientation.
    """
    if sample.lattice != record.lattice:
        raise ShapeError(
            "The record belongs to another grid", found=f"{sample.lattice}, expected {record.lattice}"
        )
    device = sample.image.device if device is None else torch.device(device)
    image = sample.image.to(device=device, dtype=torch.float32)
    labels = None if sample.label_map is None else sample.label_map.to(device)
    if sample.is_planar:
        image, labels = image[..., None], None if labels is None else labels[..., None]
    moved, labels, boxes = _move(image, labels, sample.boxes, record)
    changed = change_intensities(moved, record.draw, record.recipe)
    if sample.is_planar:
        changed, labels = changed[..., 0], None if labels is None else labels[..., 0]
    return Augmented(replace(sample, image=changed, label_map=labels, boxes=boxes), record)


def _move(
    image: torch.Tensor, labels: torch.Tensor | None, boxes: Array | None, record: Record
) -> tuple[torch.Tensor, torch.Tensor | None, Array | None]:
    """Take the spatial steps: flips first, then the warp."""
    draw, lattice = record.draw, record.lattice
    if draw.flips:
        image = image.flip([1 + axis for axis in draw.flips])
        if labels is not None:
            labels = with_labels_exchanged(labels.flip(list(draw.flips)), record.exchanged_labels)
        boxes = None if boxes is None else _flipped_boxes(boxes, draw.flips, lattice.shape)
    warp = Warp.drawn(draw, lattice)
    if warp is None:
        return image, labels, boxes
    moved, labels = warp.resample(image, labels, borders=record.borders, fill=record.recipe.fill)
    assert moved is not None
    return moved, labels, None if boxes is None else warp.boxes(boxes)


def with_labels_exchanged(labels: torch.Tensor, pairs: tuple[tuple[int, int], ...]) -> torch.Tensor:
    """Return a label map with the two values of each pair exchanged."""
    exchanged = labels.clone()
    for first, second in pairs:
        exchanged[labels == first] = second
        exchanged[labels == second] = first
    return exchanged


def _flipped_boxes(boxes: Array, axes: tuple[int, ...], shape: tuple[int, int, int]) -> Array:
    flipped = np.array(boxes)
    for axis in axes:
        flipped[:, axis], flipped[:, axis + 3] = (
            shape[axis] - boxes[:, axis + 3],
            shape[axis] - boxes[:, axis],
        )
    return flipped
