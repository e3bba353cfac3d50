"""Slabs of logits: the same values along any axis, in any batches, in little memory."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from medpipe.core.patches import PatchWeights
from medpipe.inference.slabs import Slab, predict_slabs, slab_axis
from medpipe.inference.tiles import TileLayout

PATCH = (6, 8, 5)


def pointwise(patches: torch.Tensor) -> torch.Tensor:
    """Give logits that depend on the voxel alone: tiles then agree wherever they overlap."""
    values = patches[:, 0]
    return torch.stack([values, 0.3 - values, values.square()], dim=1)


def context(patches: torch.Tensor) -> torch.Tensor:
    """Give logits that depend on the neighbours, so that the weights of tiles matter."""
    means = functional.avg_pool3d(patches, 3, stride=1, padding=1)
    return torch.cat([patches - means, means], dim=1)


def joined(
    image: torch.Tensor,
    axis: int,
    *,
    forward: Callable[[torch.Tensor], torch.Tensor],
    batch_size: int = 3,
    weights: PatchWeights = PatchWeights.GAUSSIAN,
) -> torch.Tensor:
    """Return all logits, put together from the slabs, and check that slabs continue each other."""
    planes: list[torch.Tensor] = []
    layout = TileLayout(PATCH, weights=weights)
    for slab in predict_slabs(forward, image, layout, batch_size=batch_size, axis=axis):
        assert slab.first == max(0, len(planes) - 1)
        new = slab.logits.clone().unbind(1)
        if planes:
            torch.testing.assert_close(new[0], planes[-1], rtol=0, atol=0)
        planes += new[len(planes) - slab.first :]
    return torch.stack(planes, dim=1).movedim(1, axis + 1)


shapes = st.tuples(st.integers(6, 20), st.integers(8, 20), st.integers(5, 20))


@given(shapes, st.integers(0, 2), st.sampled_from(PatchWeights))
def test_pointwise_logits_come_back_whole(
    shape: tuple[int, int, int], axis: int, weights: PatchWeights
) -> None:
    image = torch.randn(1, *shape, generator=torch.Generator().manual_seed(1))
    found = joined(image, axis, forward=pointwise, weights=weights)
    torch.testing.assert_close(found, pointwise(image[None])[0], rtol=1e-5, atol=1e-5)


@given(shapes, st.integers(1, 2), st.integers(1, 5), st.sampled_from(PatchWeights))
def test_axis_and_batch_change_nothing(
    shape: tuple[int, int, int], axis: int, batch_size: int, weights: PatchWeights
) -> None:
    image = torch.randn(1, *shape, generator=torch.Generator().manual_seed(2))
    first = joined(image, 0, forward=context, weights=weights)
    found = joined(image, axis, forward=context, batch_size=batch_size, weights=weights)
    torch.testing.assert_close(found, first, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("depth", "expected"), [(40, 12), (400, 12)])
def test_logits_in_memory_do_not_grow_with_depth(depth: int, expected: int) -> None:
    slabs = predict_slabs(pointwise, torch.zeros(1, depth, 8, 5), TileLayout(PATCH), batch_size=1, axis=0)
    held = [storage_planes(slab) for slab in slabs]
    assert max(held) < expected


def storage_planes(slab: Slab) -> int:
    """Return how many planes the memory behind a slab holds."""
    num_classes, _, rows, columns = slab.logits.shape
    return slab.logits.untyped_storage().nbytes() // (4 * num_classes * rows * columns)


def test_slabs_follow_the_axis_that_needs_least_memory() -> None:
    assert slab_axis((100, 200, 150), (64, 64, 64)) == 1
    assert slab_axis((128, 128, 400), (128, 128, 64)) == 2
