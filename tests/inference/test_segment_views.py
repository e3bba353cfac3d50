"""Segmenting views: merged labels lie where the image's own do, and each prediction is counted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from medpipe.core.findings import Laterality
from medpipe.core.preprocessing import Channel, Preprocessing, WindowScale, ZScore
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.inference.segmenter import Segmentation, Segmenter
from medpipe.inference.tiling import Tiling
from medpipe.inference.views import segment_views
from medpipe.models.unet.heads import UNetOutput
from medpipe.tasks.cleaning import Cleaning
from medpipe.transforms.recipe import Affine, DegreesAbout, Flips, Recipe, ShiftAlong

SHAPE = (24, 28, 20)
TURNS = Recipe(
    name="turns",
    flips=Flips(probability=0.5, axes=("front_back", "head_foot")),
    affine=Affine(
        probability=1,
        rotation_deg=DegreesAbout(left_right=10, front_back=10, head_foot=10),
        scale=(0.9, 1.1),
        shift=ShiftAlong(left_right=0.03, front_back=0.03, head_foot=0.03),
    ),
)
STILL = Recipe(name="still", affine=Affine(probability=1))
AWAY = Recipe(name="away", affine=Affine(probability=1, shift=ShiftAlong(left_right=0.5)))


class Bright(nn.Module):
    """Takes what lies above half of the window for the structure."""

    def forward(self, images: torch.Tensor) -> UNetOutput:
        logits = 20 * (images[:, :1] - 0.5)
        return UNetOutput(torch.cat([-logits, logits], dim=1))


class Agreement(nn.Module):
    """Asks both channels: they agree only where they lie on one another."""

    def forward(self, images: torch.Tensor) -> UNetOutput:
        logits = 20 * (0.25 - (images[:, :1] - images[:, 1:]).abs())
        return UNetOutput(torch.cat([-logits, logits], dim=1))


class Sides(nn.Module):
    """Names the halves of the picture: class 1 where the first axis begins, 2 where it ends."""

    def forward(self, images: torch.Tensor) -> UNetOutput:
        is_bright = images[:, :1] > 0.5
        is_first = (torch.arange(images.shape[2]) < images.shape[2] // 2)[:, None, None]
        label = torch.where(is_bright, torch.where(is_first, 1, 2), 0)
        return UNetOutput(20.0 * nn.functional.one_hot(label[:, 0], 3).movedim(-1, 1))


def ball(*, spacing: tuple[float, float, float] = (1.0, 0.8, 1.25), centre: float = 12) -> Volume:
    """Return a ball of 100 with a soft edge, in CT, axes L P S; no voxel lies on its half height."""
    i, j, k = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    distance = np.sqrt((i - centre) ** 2 + (j - 13) ** 2 + (k - 10) ** 2)
    array = (100 * np.clip((7.6 - distance) / 3, 0, 1)).astype(np.float32)
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    return Volume(torch.from_numpy(array[None]), affine, "CT", Source(kind=SourceKind.MEMORY))


def segmenter(network: nn.Module, *channels: str, **changes: object) -> Segmenter:
    window = WindowScale(low_hu=0, high_hu=100)
    listed = tuple(Channel(name=name, modality="CT", intensity=window) for name in channels or ("image",))
    spec = Preprocessing.model_validate({"channels": listed, "patch_shape": (16, 16, 16), **changes})
    return Segmenter(network, spec, Tiling(spec.patch_shape))


def merged(recipe: Recipe, *, seed: int = 0, copies: int = 3, **changes: object) -> Segmentation:
    return segment_views(segmenter(Bright(), **changes), {"image": ball()}, recipe, copies=copies, seed=seed)


@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, 1.0), (2.0, 1.5, 2.0)])
@pytest.mark.parametrize("mirror_right", [False, True])
def test_views_that_do_not_move_change_nothing(
    spacing: tuple[float, float, float] | None, mirror_right: bool
) -> None:
    same = segmenter(Bright(), spacing_mm=spacing, mirror_right=mirror_right)
    volumes, side = {"image": ball(centre=9)}, Laterality.RIGHT
    found = segment_views(same, volumes, STILL, copies=2, seed=0, side=side)
    assert np.array_equal(found.labels, same.segment(volumes, side=side).labels)
    own = np.bincount(found.labels.ravel(), minlength=2)
    assert found.view_counts.tolist() == [own.tolist()] * 3


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), spacing=st.sampled_from([None, (1.0, 1.0, 1.0)]))
def test_merged_labels_lie_where_the_unmoved_ones_do(
    seed: int, spacing: tuple[float, float, float] | None
) -> None:
    found = merged(TURNS, seed=seed, spacing_mm=spacing)
    own = segmenter(Bright(), spacing_mm=spacing).segment({"image": ball()}).labels
    # Interpolated twice, a surface of radius 6 moves by a part of a voxel.
    assert 2 * np.sum(found.labels & own) / (found.labels.sum() + own.sum()) > 0.96
    assert found.view_counts.sum(axis=1).tolist() == [found.labels.size] * 4
    assert found.view_counts[0, 1] == own.sum()
    sizes = found.view_counts[:, 1]
    # Each prediction is right but for interpolation, so the merged one lies among them, to 2 %.
    assert sizes.min() - 0.02 * own.sum() <= found.labels.sum() <= sizes.max() + 0.02 * own.sum()
    assert sizes.max() - sizes.min() < 0.12 * own.sum()


def test_what_leaves_a_view_is_not_lost() -> None:
    found = merged(AWAY, copies=6)
    own = segmenter(Bright()).segment({"image": ball()}).labels.sum()
    assert found.view_counts[:, 1].min() > 0.9 * own
    assert found.labels.sum() > 0.9 * own


def test_all_channels_move_alike() -> None:
    both = segmenter(Agreement(), "t1", "t2")
    found = segment_views(both, {"t1": ball(), "t2": ball()}, TURNS, copies=3, seed=5)
    assert found.labels.all()
    assert (found.view_counts[:, 0] == 0).all()


def test_sides_that_a_mirror_exchanged_are_put_right() -> None:
    flips = Flips(probability=1, axes=("left_right",), swap_labels=((1, 2),))
    halves = segmenter(Sides(), patch_shape=(24, 28, 20))
    volumes = {"image": ball(centre=10)}
    found = segment_views(halves, volumes, Recipe(name="mirror", flips=flips), copies=1, seed=0)
    assert np.array_equal(found.labels, halves.segment(volumes).labels)
    assert found.view_counts[0].tolist() == found.view_counts[1].tolist()
    assert found.view_counts[0, 1] != found.view_counts[0, 2]


def test_the_same_seed_gives_the_same_bytes_and_more_views_begin_with_the_same() -> None:
    three, again, two, other = (
        merged(TURNS, seed=seed, copies=copies) for seed, copies in ((1, 3), (1, 3), (1, 2), (2, 3))
    )
    assert three.labels.tobytes() == again.labels.tobytes()
    assert np.array_equal(three.view_counts, again.view_counts)
    assert np.array_equal(three.view_counts[:3], two.view_counts)
    assert not np.array_equal(three.view_counts, other.view_counts)


def test_intensities_are_normalised_once_over_the_unmoved_image() -> None:
    channel = Channel(name="image", modality="CT", intensity=ZScore())
    scaled = segmenter(Bright(), channels=(channel,))
    found = segment_views(scaled, {"image": ball()}, AWAY, copies=4, seed=3)
    assert found.view_counts[:, 1].min() > 0.9 * found.view_counts[0, 1]


def test_small_objects_are_dropped_from_every_prediction_where_asked() -> None:
    crumbs = ball()
    crumbs.array[0, 1:3, 1:3, 1:3] = 100
    plain = segmenter(Bright())
    largest = replace(plain, cleaning=Cleaning(largest=True))
    ball_alone = plain.segment({"image": ball()}).labels
    assert plain.segment({"image": crumbs}).labels.sum() == ball_alone.sum() + 8
    assert np.array_equal(largest.segment({"image": crumbs}).labels, ball_alone)
    found = segment_views(largest, {"image": crumbs}, STILL, copies=2, seed=0)
    assert found.view_counts is not None
    assert found.view_counts[:, 1].tolist() == [ball_alone.sum()] * 3
