"""Out of memory: what is given up, in which order, and that labels stay the same."""

import numpy as np
import pytest
import torch
from torch import nn

from medpipe.core.codes import Code
from medpipe.core.errors import StageError
from medpipe.core.preprocessing import Channel, Preprocessing, ZScore
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.inference.memory import MemoryStep, fit_memory
from medpipe.inference.segmenter import Segmenter
from medpipe.inference.tiling import Tiling
from medpipe.models.unet.heads import UNetOutput


def fails_before(enough: MemoryStep, error: Exception):  # type: ignore[no-untyped-def]
    """Return work that runs out of memory at every step before one."""
    tried: list[MemoryStep] = []

    def work(step: MemoryStep) -> list[MemoryStep]:
        tried.append(step)
        if step is not enough:
            raise error
        return tried

    return work


@pytest.mark.parametrize("enough", list(MemoryStep))
def test_steps_of_a_gpu_are_tried_in_order(enough: MemoryStep) -> None:
    steps = list(MemoryStep)
    tried, step = fit_memory(fails_before(enough, torch.OutOfMemoryError("CUDA")), "cuda:0")
    assert step is enough
    assert tried == steps[: steps.index(enough) + 1]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        torch.OutOfMemoryError(),
    ],
)
def test_cpu_gives_up_batches_only(error: Exception) -> None:
    assert fit_memory(fails_before(MemoryStep.SINGLE_TILES, error), "cpu")[1] is MemoryStep.SINGLE_TILES
    with pytest.raises(StageError, match="does not fit into memory") as caught:
        fit_memory(fails_before(MemoryStep.CPU, error), "cpu")
    assert caught.value.code is Code.E_MEMORY


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        fit_memory(fails_before(MemoryStep.CPU, RuntimeError("shapes differ")), "cpu")


class Hungry(nn.Module):
    """Thresholds the image and takes no more than some tiles at once."""

    def __init__(self, largest_batch: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self._largest = largest_batch

    def forward(self, images: torch.Tensor) -> UNetOutput:
        if len(images) > self._largest:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return UNetOutput(torch.cat([-images, images], dim=1) * self.scale)


def test_labels_do_not_depend_on_the_step() -> None:
    channel = Channel(name="image", modality="MR", intensity=ZScore())
    spec = Preprocessing(channels=(channel,), patch_shape=(8, 8, 8), spacing_mm=(2.0, 1.0, 1.0))
    array = torch.randn(1, 20, 18, 16, generator=torch.Generator().manual_seed(0))
    volumes = {"image": Volume(array, np.eye(4), "MR", Source(kind=SourceKind.MEMORY))}
    results = {
        size: Segmenter(Hungry(size), spec, Tiling(spec.patch_shape, batch_size=4)).segment(volumes)
        for size in (1, 4)
    }
    assert results[1].memory_step is MemoryStep.SINGLE_TILES
    assert results[4].memory_step is MemoryStep.FULL
    assert np.array_equal(results[1].labels, results[4].labels)
    segmenter = Segmenter(Hungry(1), spec, Tiling(spec.patch_shape))
    for step in MemoryStep:
        assert np.array_equal(segmenter.at(step).segment(volumes).labels, results[4].labels)
