"""Views of a volume for prediction: moved copies, and the way back for what is predicted on them."""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import torch

from medpipe.core.errors import ShapeError
from medpipe.core.volume import Volume
from medpipe.transforms.augment import Record, Sample, replay, with_labels_exchanged
from medpipe.transforms.draws import copy_seed, draw_copy
from medpipe.transforms.recipe import Recipe
from medpipe.transforms.warp import Warp


@dataclass(frozen=True, eq=False)
class Inverse:
    """Maps what lies on the voxels of a view back to the voxels of its source.

    Attributes:
        record: Of the view: flips and an affine.
    """

    record: Record

    def __call__(self, prediction: torch.Tensor) -> torch.Tensor:
        """Map back; where a mirror image has exchanged the sides, labels that name sides are put right.

        Args:
            prediction: ``(C, I, J, K)`` floats such as probabilities, a channel for each label value,
                interpolated linearly; or an ``(I, J, K)`` label map of integers, by nearest neighbour.

        Returns:
            The same shape and type; 0 where the view shows nothing of the source: see :meth:`weight`.

        Raises:
            ShapeError: The prediction lies on another grid, or lacks channels for labels that name sides.
        """
        draw, lattice = self.record.draw, self.record.lattice
        if tuple(prediction.shape[-3:]) != lattice.shape:
            raise ShapeError(
                "The prediction does not lie on the view's grid",
                found=f"shape {tuple(prediction.shape)}, expected {lattice.shape}",
            )
        warp = Warp.drawn(draw, lattice)
        if warp is not None:
            prediction = _resampled(warp.inverse(), prediction)
        if not draw.flips:
            return prediction
        prediction = prediction.flip([axis - 3 for axis in draw.flips])
        if prediction.is_floating_point():
            return _with_channels_exchanged(prediction, self.record.exchanged_labels)
        return with_labels_exchanged(prediction, self.record.exchanged_labels)

    def weight(self, device: torch.device | str = "cpu") -> torch.Tensor:
        """Return ``(I, J, K)`` from 0 to 1: how much of each source voxel the view shows."""
        ones = torch.ones(1, *self.record.lattice.shape, device=device)
        shown = Inverse(self.record.model_copy(update={"recipe": _NO_SIDES}))
        return shown(ones)[0]


_NO_SIDES: Final = Recipe(name="no-sides")


class Moved(NamedTuple):
    """A moved image ``(C, I, J, K)``, all channels alike, on the same grid, and the way back."""

    image: torch.Tensor
    inverse: Inverse


class View(NamedTuple):
    """A moved copy of a volume on the same grid, and the way back."""

    volume: Volume
    inverse: Inverse


def move(sample: Sample, recipe: Recipe, *, number: int, seed: int) -> Moved:
    """Return one moved copy of an image by the flips and the affine of a recipe; intensities stay.

    Args:
        sample: Not changed.
        recipe: Its elastic and intensity steps are left out: only what can be undone is done.
        number: Of the copy, from 0; it does not matter how many there are.
        seed: Owned by the caller; the same seed gives the same copy on one device.
    """
    own = copy_seed(seed, number)
    draw = draw_copy(recipe, sample.lattice, seed=own).only_invertible()
    record = Record(recipe=recipe, seed=own, lattice=sample.lattice, draw=draw)
    return Moved(replay(sample, record).sample.image, Inverse(record))


def views(volume: Volume, recipe: Recipe, *, copies: int, seed: int) -> tuple[View, ...]:
    """Return moved copies of a volume by the flips and the affine of a recipe; intensities stay.

    Args:
        volume: Not among the views itself.
        recipe: See :func:`move`.
        copies: How many.
        seed: See :func:`move`.

    Raises:
        RefusedError: The recipe is for another modality (``E_MODALITY``).
    """
    recipe.check_modality(volume.modality)
    sample = sample_of(volume)
    moved = (move(sample, recipe, number=number, seed=seed) for number in range(copies))
    return tuple(View(replace(volume, array=image), inverse) for image, inverse in moved)


def sample_of(volume: Volume, label_map: torch.Tensor | None = None) -> Sample:
    """Return a volume, and a label map on its grid, as a sample."""
    return Sample(volume.array, volume.grid.spacing, label_map=label_map, orientation=volume.grid.orientation)


def _with_channels_exchanged(prediction: torch.Tensor, pairs: tuple[tuple[int, int], ...]) -> torch.Tensor:
    order = list(range(len(prediction)))
    for first, second in pairs:
        if max(first, second) >= len(order):
            raise ShapeError(
                "A label that names a side has no channel",
                found=f"labels {first} and {second} among {len(order)} channels",
                fix="Give one channel for each label value, background included.",
            )
        order[first], order[second] = second, first
    return prediction[order]


def _resampled(warp: Warp, prediction: torch.Tensor) -> torch.Tensor:
    image, labels = (prediction, None) if prediction.is_floating_point() else (None, prediction)
    image, labels = warp.resample(image, labels, borders=("fill", "fill", "fill"), fill=0.0)
    found = image if labels is None else labels
    assert found is not None
    return found
