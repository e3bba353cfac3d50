"""The segmenter: volumes in, a label map on their own grid out."""

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from medpipe.core.body_axes import BodyAxis
from medpipe.core.findings import Laterality
from medpipe.core.grid import Grid
from medpipe.core.preprocessing import Preprocessing
from medpipe.core.volume import Volume
from medpipe.inference.compiled import compile_network
from medpipe.inference.memory import MemoryStep, fit_memory
from medpipe.inference.mirroring import mirrored_axes
from medpipe.inference.prepared import Prepared
from medpipe.inference.preprocess import prepare
from medpipe.inference.slabs import slab_axis
from medpipe.inference.tiling import TileForward, Tiling, slabs_of_logits
from medpipe.tasks.cleaning import AS_PREDICTED, Cleaned, Cleaning, LabelChange, clean_labels

if TYPE_CHECKING:
    from medpipe.zoo.package import Package

_GPU_BATCH: Final = 4
"""Tiles at once on a GPU; on a CPU one is fastest, as its values stay in the cache."""


class Segmentation(NamedTuple):
    """What a segmenter gives.

    Attributes:
        labels: ``(I, J, K)`` uint8 on the grid of the volumes.
        memory_step: How much memory there was; another step than FULL must be flagged.
        view_counts: ``(1 + copies, num_classes)`` voxels that each prediction alone gives to each label,
            background first, the image's own first; None where no views were predicted.
        scores: ``(N,)`` numbers of the score head for :class:`medpipe.tasks.scores.ScoreTask`, the mean over
            tiles and views; None where the network has none.
        changes: What cleaning did to the labels.
    """

    labels: npt.NDArray[np.uint8]
    memory_step: MemoryStep = MemoryStep.FULL
    view_counts: npt.NDArray[np.int64] | None = None
    scores: torch.Tensor | None = None
    changes: tuple[LabelChange, ...] = ()


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A network with what it expects of its input.

    Attributes:
        network: Gives an output with ``logits``; lies on ``device``.
        preprocessing: What is done to volumes before it.
        tiling: How large ones are cut.
        device: ``"cpu"`` or ``"cuda:N"``.
        image_device: Where images and logits lie; empty for ``device``.
        cleaning: What counts as an error of a label map.
    """

    network: nn.Module
    preprocessing: Preprocessing
    tiling: Tiling
    device: str = "cpu"
    image_device: str = ""
    cleaning: Cleaning = AS_PREDICTED

    def segment(self, volumes: Mapping[str, Volume], *, side: Laterality | None = None) -> Segmentation:
        """Return the label map of volumes on their grid.

        Args:
            volumes: One volume for each channel.
            side: Side that they show, where the network knows one side only.

        Raises:
            RefusedError: A channel is missing, of another modality or on another grid.
            StageError: Memory does not suffice (``E_MEMORY``).
        """

        def work(step: MemoryStep) -> Segmentation:
            return self.at(step)._segment(volumes, side)

        found, step = fit_memory(work, self.device)
        return found._replace(memory_step=step)

    def at(self, step: MemoryStep) -> "Segmenter":
        """Return a segmenter that needs less memory of its device."""
        if step is MemoryStep.FULL:
            return self
        single = replace(self, tiling=replace(self.tiling, batch_size=1))
        if step is MemoryStep.SINGLE_TILES:
            return single
        if step is MemoryStep.HOST_IMAGE:
            return replace(single, image_device="cpu")
        network = copy.deepcopy(self.network).to("cpu", torch.float32)
        return replace(single, network=network, device="cpu", image_device="cpu")

    def prepare(
        self, volumes: Mapping[str, Volume], *, side: Laterality | None = None, keep_hu: bool = False
    ) -> Prepared:
        """Prepare volumes on the device for images; see :mod:`medpipe.inference.preprocess`."""
        device = self.image_device or self.device
        return prepare(volumes, self.preprocessing, device=device, side=side, keep_hu=keep_hu)

    def _segment(self, volumes: Mapping[str, Volume], side: Laterality | None) -> Segmentation:
        prepared = self.prepare(volumes, side=side)
        p, q, r = prepared.images.shape[1:]
        axis = slab_axis((p, q, r), self.tiling.patch_shape)
        forward = TileForward(self.network, self.tiling)
        slabs = slabs_of_logits(forward, prepared.images, axis=axis)
        labels, changes = self.cleaned(prepared.restore_slabs(slabs, axis=axis).numpy(), prepared.source)
        return Segmentation(labels, scores=forward.scores, changes=changes)

    def cleaned(self, labels: npt.NDArray[np.uint8], grid: Grid) -> Cleaned:
        """Return a label map on a grid without what counts as an error."""
        return clean_labels(labels, self.cleaning, grid.voxel_volume_ml)


def load_segmenter(
    package: "Package",
    device: str = "cpu",
    *,
    overlap: float | None = None,
    mirror: Collection[BodyAxis] = (),
    half: bool | None = None,
    compiled: bool | None = None,
    cleaning: Cleaning = AS_PREDICTED,
) -> Segmenter:
    """Return the segmenter of a model package.

    Args:
        package: From :func:`medpipe.zoo.finder.find_package`.
        device: ``"cpu"`` or ``"cuda:N"``.
        overlap: Share of a patch that it has in common with the next one; by default what the package
            states, or else 0.5.
        mirror: Axes of the body that are mirrored in all combinations; each doubles the network's time.
        half: Whether the network's arithmetic is in half precision, float16 on a GPU and bfloat16 on a CPU;
            by default on a GPU alone.
        compiled: Whether the network is compiled; by default on a GPU alone.
        cleaning: What counts as an error of a label map.

    Raises:
        MachineError: The weights are not those of the manifest.
        SettingsError: The weights do not fit the network, or the package must not be mirrored so.
    """
    is_gpu = device.startswith("cuda")
    preprocessing = package.segmentation.preprocessing
    tiling = Tiling.of(
        preprocessing,
        overlap=overlap,
        batch_size=_GPU_BATCH if is_gpu else 1,
        mirror_axes=mirrored_axes(package.segmentation, mirror),
    )
    network = _network_of(package, device, half=is_gpu if half is None else half)
    if is_gpu if compiled is None else compiled:
        shapes = {
            (count, len(preprocessing.channels), *preprocessing.patch_shape)
            for count in (1, tiling.batch_size)
        }
        compile_network(network, sorted(shapes))
    return Segmenter(network, preprocessing, tiling, device, cleaning=cleaning)


def _network_of(package: "Package", device: str, *, half: bool) -> nn.Module:
    """Load a package's network in the type and layout that its device is fastest with."""
    if device.startswith("cuda"):
        return package.load_network(device, half=half).to(memory_format=torch.channels_last_3d)
    return package.load_network(device).to(torch.bfloat16 if half else torch.float32)
