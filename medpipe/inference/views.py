"""Views segmented: moved copies of an image are predicted too, mapped back and merged.

Images are moved on the network's grid, after resampling and normalisation: all channels at once, as the
augmentation of training moves them, and class probabilities exist at that size alone.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from medpipe.core.findings import Laterality
from medpipe.core.volume import Volume
from medpipe.inference.memory import MemoryStep, fit_memory
from medpipe.inference.normalise import apply_windows
from medpipe.inference.prepared import Prepared
from medpipe.inference.preprocess import pad_to
from medpipe.inference.segmenter import Segmentation, Segmenter
from medpipe.inference.tiling import TileForward, predict_logits
from medpipe.metrics.structures import count_labels
from medpipe.tasks.cleaning import Cleaned
from medpipe.transforms.augment import Sample
from medpipe.transforms.recipe import Recipe
from medpipe.transforms.views import move


def segment_views(
    segmenter: Segmenter,
    volumes: Mapping[str, Volume],
    recipe: Recipe,
    *,
    copies: int,
    seed: int,
    side: Laterality | None = None,
) -> Segmentation:
    """Segment volumes and moved copies of them.

    Three sets of class probabilities are held at a time, however many copies there are.

    Args:
        segmenter: Network and preprocessing.
        volumes: One volume for each channel.
        recipe: From :func:`medpipe.transforms.views.recipe_of_views`.
        copies: How many, beside the image itself.
        seed: The same one gives the same copies.
        side: Side that they show, where the network knows one side only.

    Raises:
        RefusedError: A channel is missing, of another modality or on another grid.
        ShapeError: The recipe exchanges labels that the network does not have.
        StageError: Memory does not suffice (``E_MEMORY``).
    """

    def work(step: MemoryStep) -> Segmentation:
        return _merged(segmenter.at(step), volumes, recipe, copies=copies, seed=seed, side=side)

    merged, step = fit_memory(work, segmenter.device)
    return merged._replace(memory_step=step)


@torch.inference_mode()
def _merged(
    segmenter: Segmenter,
    volumes: Mapping[str, Volume],
    recipe: Recipe,
    *,
    copies: int,
    seed: int,
    side: Laterality | None,
) -> Segmentation:
    """Return the labels of the mean of all probabilities, voxels of each prediction alone, mean scores."""
    prepared = segmenter.prepare(volumes, side=side, keep_hu=True)
    image = prepared.inner(prepared.images)
    sample = Sample(image, prepared.spacing_mm, orientation=prepared.oriented.orientation)
    forward = TileForward(segmenter.network, segmenter.tiling)
    own = _probabilities(forward, segmenter, prepared, image)
    # Where a view shows nothing its probabilities are 0: the sum is weighted by what each view shows. The sum
    # of the weights is the same for all classes of a voxel, so it need not be divided by to find the highest.
    total = own.clone()
    counts = [_count(segmenter, prepared, own)]
    for number in range(copies):
        view = move(sample, recipe, number=number, seed=seed)
        seen = view.inverse(_probabilities(forward, segmenter, prepared, view.image))
        total += seen
        # What has left the view counts as the image's own prediction has it: nothing shrinks by being cut.
        counts.append(_count(segmenter, prepared, seen + (1 - view.inverse.weight(own.device)) * own))
    labels, changes = _cleaned(segmenter, prepared, total)
    return Segmentation(labels, view_counts=np.stack(counts), scores=forward.scores, changes=changes)


def _probabilities(
    forward: TileForward, segmenter: Segmenter, prepared: Prepared, image: torch.Tensor
) -> torch.Tensor:
    """Return class probabilities ``(num_classes, P, Q, R)`` of an image without padding."""
    windowed = apply_windows(image, segmenter.preprocessing)
    padded, _ = pad_to(windowed, prepared.images.shape[1:])
    logits = predict_logits(forward, padded)
    return prepared.inner(logits).softmax(dim=0)


def _count(segmenter: Segmenter, prepared: Prepared, probabilities: torch.Tensor) -> npt.NDArray[np.int64]:
    """Return how many voxels of the source grid each class has."""
    return count_labels(_cleaned(segmenter, prepared, probabilities).labels, len(probabilities))


def _cleaned(segmenter: Segmenter, prepared: Prepared, probabilities: torch.Tensor) -> Cleaned:
    """Return the label map on the source grid.

    Logarithms are interpolated, as logits are where there are no views: both find the same borders.
    """
    logs = probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()
    return segmenter.cleaned(prepared.restore_inner(logs).numpy(), prepared.source)
