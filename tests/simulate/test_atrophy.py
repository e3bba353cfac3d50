"""Simulated atrophy: what shrinks, by how much, and what stays."""

import numpy as np
import pytest
import torch

from medpipe.core.findings import Laterality
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.simulate.atrophy import shrink_structure
from medpipe.transforms.structure_crop import PairedStructure

STRUCTURE = PairedStructure(centre_mm=(26.0, -20.0, -15.0), size_mm=(36.0, 50.0, 36.0))


def balls() -> Volume:
    """Return a ball of 12 mm radius in the middle of either side's box, on a grid of 1 mm."""
    affine = np.eye(4)
    affine[:3, 3] = (-60.0, -65.0, -55.0)
    shape = (121, 95, 80)
    points = np.moveaxis(np.indices(shape), 0, -1) + affine[:3, 3]
    inside = [
        np.linalg.norm(points - STRUCTURE.centre_on(side), axis=-1) < 12.0
        for side in (Laterality.LEFT, Laterality.RIGHT)
    ]
    values = torch.from_numpy((inside[0] | inside[1]).astype(np.float32))
    return Volume(values[None], affine, "MR", Source(kind=SourceKind.MEMORY))


@pytest.mark.parametrize("side", [Laterality.LEFT, Laterality.RIGHT])
def test_one_side_shrinks_by_its_share_about_its_middle(side: Laterality) -> None:
    before = balls()
    after = shrink_structure(before, STRUCTURE, side, volume_share=0.7)
    middle = 60  # the voxel of x = 0
    halves = {Laterality.LEFT: slice(0, middle), Laterality.RIGHT: slice(middle + 1, None)}
    shrunken = after.array[0, halves.pop(side)].numpy()
    (other,) = halves.values()
    assert torch.equal(after.array[0, other], before.array[0, other])
    whole = 4 / 3 * np.pi * 12.0**3
    assert shrunken.sum() == pytest.approx(0.7 * whole, rel=0.03)
    centre = np.average(np.argwhere(shrunken > 0.5), axis=0)
    expected = before.grid.to_voxels(STRUCTURE.centre_on(Laterality.LEFT))
    if side is Laterality.RIGHT:
        expected = before.grid.to_voxels(STRUCTURE.centre_on(side)) - (middle + 1, 0, 0)
    np.testing.assert_allclose(centre, expected, atol=0.3)


def test_far_voxels_and_the_old_volume_stay() -> None:
    before = balls()
    kept = before.array.clone()
    after = shrink_structure(before, STRUCTURE, Laterality.LEFT)
    assert torch.equal(before.array, kept)
    assert not torch.equal(after.array, kept)
    assert torch.equal(after.array[..., :10], kept[..., :10])


def test_every_orientation_gives_the_same_head() -> None:
    straight = shrink_structure(balls(), STRUCTURE, Laterality.RIGHT)
    turned = shrink_structure(balls().reoriented("PIL"), STRUCTURE, Laterality.RIGHT)
    torch.testing.assert_close(turned.reoriented("RAS").array, straight.array, atol=1e-5, rtol=0)
