"""Views: predictions made on moved copies come back to where they belong."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from medpipe.core.errors import ShapeError
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.transforms.recipe import Affine, DegreesAbout, Flips, Recipe, ShiftAlong, read_recipe
from medpipe.transforms.views import views

SHAPE = (40, 48, 36)
TURNS = Recipe(
    name="turns",
    flips=Flips(probability=0.5, axes=("left_right", "head_foot")),
    affine=Affine(
        probability=1,
        rotation_deg=DegreesAbout(left_right=15, front_back=15, head_foot=15),
        scale=(0.9, 1.1),
        stretch=0.05,
        shear_deg=4,
        shift=ShiftAlong(left_right=0.04, front_back=0.04, head_foot=0.04),
    ),
)


def two_balls() -> Volume:
    """Return a ball of 100 and a ball of -100 in a 0; voxels are 1 x 0.75 x 1.25 mm, axes L P S."""
    i, j, k = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    array = np.zeros(SHAPE, dtype=np.float32)
    for value, centre in ((100, 11), (-100, 28)):
        array[((i - centre) / 7) ** 2 + ((j - 24) / 9) ** 2 + ((k - 17) / 6) ** 2 <= 1] = value
    affine = np.diag([-1.0, -0.75, 1.25, 1.0])
    return Volume(torch.from_numpy(array[None]), affine, "MR", Source(kind=SourceKind.MEMORY))


def segmented(volume: Volume) -> torch.Tensor:
    """Return the label map of a perfect model: 1 for the bright ball, 2 for the dark one."""
    image = volume.array[0]
    return (image > 50).to(torch.uint8) + 2 * (image < -50).to(torch.uint8)


def dice(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@given(seed=st.integers(0, 2**40))
def test_label_maps_come_back(seed: int) -> None:
    volume = two_balls()
    labels = segmented(volume)
    for view in views(volume, TURNS, copies=2, seed=seed):
        back = view.inverse(segmented(view.volume))
        assert back.dtype == torch.uint8
        assert set(back.unique().tolist()) <= {0, 1, 2}
        for label in (1, 2):
            # Two samplings by the nearest voxel move a surface by up to half a voxel, of radii from 6 to 9.
            assert dice(back == label, labels == label) > 0.93
            found = (back == label).nonzero().double().mean(dim=0)
            truth = (labels == label).nonzero().double().mean(dim=0)
            assert_allclose(found, truth, atol=0.5)


def test_probabilities_come_back_and_their_weight_says_where_they_count() -> None:
    volume = two_balls()
    (view,) = views(volume, TURNS, copies=1, seed=4)
    is_bright = (segmented(view.volume) == 1).float()
    back, weight = view.inverse(torch.stack([1 - is_bright, is_bright])), view.inverse.weight()
    assert 0 < float((weight == 0).float().mean()) < 0.5
    torch.testing.assert_close(back.sum(dim=0), weight)
    assert dice(back[1] > 0.5, volume.array[0] > 50) > 0.95


def test_sides_that_a_mirror_exchanged_are_put_right() -> None:
    # A model that names sides calls the left ball of a mirrored view left, though it is the right one.
    recipe = Recipe(name="sides", flips=Flips(probability=1, axes=("left_right",), swap_labels=((1, 2),)))
    volume = two_balls()
    labels = segmented(volume)
    (view,) = views(volume, recipe, copies=1, seed=0)
    by_side = torch.zeros_like(labels)
    by_side[:20], by_side[20:] = 1, 2
    by_side[view.volume.array[0] == 0] = 0
    assert torch.equal(view.inverse(by_side), labels)
    probs = torch.stack([(by_side == label).float() for label in range(3)])
    assert torch.equal(view.inverse(probs).argmax(dim=0), labels.long())
    assert torch.equal(view.inverse.weight(), torch.ones(SHAPE))
    with pytest.raises(ShapeError, match="found labels 1 and 2 among 2 channels"):
        view.inverse(probs[:2])


def test_a_mirror_image_comes_back_to_the_very_voxels() -> None:
    recipe = Recipe(name="mirror", flips=Flips(probability=1, axes=("front_back",)))
    volume = two_balls()
    (view,) = views(volume, recipe, copies=1, seed=0)
    assert torch.equal(view.volume.array, volume.array.flip(2))
    assert torch.equal(view.inverse(view.volume.array), volume.array)


def test_views_keep_the_grid_and_change_no_intensities() -> None:
    volume = two_balls()
    found = views(volume, read_recipe("mr"), copies=3, seed=1)
    assert len(found) == 3
    for view in found:
        assert view.volume.grid.matches(volume.grid)
        draw = view.inverse.record.draw
        assert draw == draw.only_invertible()


def test_same_seed_gives_same_views_whatever_their_number() -> None:
    volume = two_balls()
    three, two, other = (
        views(volume, TURNS, copies=copies, seed=seed) for copies, seed in ((3, 7), (2, 7), (2, 8))
    )
    assert torch.equal(three[1].volume.array, two[1].volume.array)
    assert not torch.equal(three[0].volume.array, three[1].volume.array)
    assert not torch.equal(two[0].volume.array, other[0].volume.array)


def test_prediction_of_another_shape_is_refused() -> None:
    (view,) = views(two_balls(), TURNS, copies=1, seed=0)
    with pytest.raises(ShapeError, match=r"found shape \(40, 48, 35\), expected \(40, 48, 36\)"):
        view.inverse(torch.zeros(40, 48, 35))
