"""Augmentation: image, label map and boxes move together, and a seed says it all."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.transforms.augment import Record, Sample, augment, replay
from medpipe.transforms.recipe import (
    Affine,
    DegreesAbout,
    Elastic,
    Flips,
    Recipe,
    ShiftAlong,
    named_recipes,
    read_recipe,
)

SHAPE, SPACING = (36, 44, 28), (1.0, 0.75, 1.5)
CENTRE, RADII = np.array([15.0, 24.0, 13.0]), np.array([7.0, 9.0, 5.0])

SPATIAL = Recipe(
    name="spatial",
    flips=Flips(probability=0.5, axes=("left_right", "front_back", "head_foot")),
    affine=Affine(
        probability=0.9,
        rotation_deg=DegreesAbout(left_right=20, front_back=20, head_foot=40),
        scale=(0.8, 1.1),
        stretch=0.05,
        shear_deg=5,
        shift=ShiftAlong(left_right=0.05, front_back=0.05, head_foot=0.05),
    ),
    elastic=Elastic(probability=0.7, cells=4, strength=0.12),
)
"""Stronger than any recipe that ships."""


def marked_sample(label: int = 3) -> Sample:
    """Return a smooth ellipsoid, bright in the image and labelled, with the box around its label."""
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    distance = np.sqrt((((index - CENTRE) / RADII) ** 2).sum(axis=-1))
    labels = torch.from_numpy((distance <= 1).astype(np.uint8) * label)
    image = torch.from_numpy(np.clip(1.5 - distance, 0, 1).astype(np.float32) * 100)
    return Sample(image[None], SPACING, labels, bounds(labels)[None])


def bounds(labels: torch.Tensor) -> Array:
    """Return the half-open box around all labelled voxels."""
    voxels = labels.nonzero().numpy()
    return np.concatenate([voxels.min(axis=0), voxels.max(axis=0) + 1]).astype(np.float64)


def centroid(weights: torch.Tensor) -> Array:
    """Return the centre of mass in voxels."""
    grids = torch.meshgrid(
        *(torch.arange(size, dtype=torch.float64) for size in weights.shape), indexing="ij"
    )
    return np.array([float((grid * weights).sum() / weights.sum()) for grid in grids])


@given(seed=st.integers(0, 2**40))
def test_image_label_map_and_box_stay_on_the_anatomy(seed: int) -> None:
    moved = augment(marked_sample(), SPATIAL, seed=seed).sample
    assert moved.label_map is not None
    assert moved.boxes is not None
    in_labels = centroid((moved.label_map > 0).double())
    assert_allclose(centroid(moved.image[0].double()), in_labels, atol=1.0)
    assert_allclose((moved.boxes[0, :3] + moved.boxes[0, 3:] - 1) / 2, in_labels, atol=1.0)
    centres = (moved.label_map > 0).nonzero().numpy() + 0.5
    assert (moved.boxes[0, :3] - 0.05 <= centres).all()
    assert (moved.boxes[0, 3:] + 0.05 >= centres).all()


@given(seed=st.integers(0, 2**40))
def test_labels_never_gain_new_values(seed: int) -> None:
    sample = marked_sample(label=200)
    two = replace(
        sample, label_map=torch.where(torch.arange(SHAPE[0])[:, None, None] > 14, sample.label_map, 7)
    )
    moved = augment(two, SPATIAL, seed=seed).sample
    assert moved.label_map is not None
    assert moved.label_map.dtype == torch.uint8
    assert set(moved.label_map.unique().tolist()) <= {0, 7, 200}


@pytest.mark.parametrize("name", sorted(named_recipes()))
def test_same_seed_gives_same_bytes_and_another_seed_others(name: str) -> None:
    sample, recipe = marked_sample(), read_recipe(name)
    first, again, other = (augment(sample, recipe, seed=seed).sample for seed in (11, 11, 12))
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.label_map, again.label_map)
    assert np.array_equal(first.boxes, again.boxes)
    assert not torch.equal(first.image, other.image)


def test_no_generator_of_the_process_is_read_or_changed() -> None:
    states = []
    for process_seed in (1, 2):
        random.seed(process_seed)
        np.random.seed(process_seed)
        torch.manual_seed(process_seed)
        before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        states.append(augment(marked_sample(), read_recipe("mr"), seed=5).sample.image)
        assert before == (
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
        )
    assert torch.equal(*states)


def test_the_sample_itself_is_not_changed() -> None:
    sample, untouched = marked_sample(), marked_sample()
    for seed in range(6):
        augment(sample, read_recipe("mr"), seed=seed)
    assert torch.equal(sample.image, untouched.image)
    assert torch.equal(sample.label_map, untouched.label_map)
    assert np.array_equal(sample.boxes, untouched.boxes)


@pytest.mark.parametrize("seed", range(4))
def test_record_written_as_json_replays_to_the_same_bytes(seed: int) -> None:
    made = augment(marked_sample(), read_recipe("mr-brain"), seed=seed)
    record = Record.model_validate_json(made.record.model_dump_json())
    assert record == made.record
    again = replay(marked_sample(), record).sample
    assert torch.equal(again.image, made.sample.image)
    assert torch.equal(again.label_map, made.sample.label_map)


def test_record_of_another_grid_is_refused() -> None:
    record = augment(marked_sample(), SPATIAL, seed=1).record
    with pytest.raises(ShapeError, match="another grid"):
        replay(replace(marked_sample(), spacing=(1.0, 1.0, 1.0)), record)


def test_leaving_a_step_out_changes_no_other_draw() -> None:
    mr = read_recipe("mr")
    sure = {name: getattr(mr, name).model_copy(update={"probability": 1.0}) for name in ("affine", "noise")}
    whole = augment(marked_sample(), mr.model_copy(update=sure), seed=9).record.draw
    ablated = augment(marked_sample(), mr.model_copy(update={**sure, "elastic": None}), seed=9).record.draw
    assert whole.affine == ablated.affine
    assert whole.noise == ablated.noise


def test_a_flip_alone_moves_voxels_and_interpolates_nothing() -> None:
    recipe = Recipe(name="mirror", flips=Flips(probability=1, axes=("left_right",), swap_labels=((1, 2),)))
    sample = marked_sample(label=1)
    made = augment(sample, recipe, seed=0)
    assert made.record.draw.flips == (0,)
    assert torch.equal(made.sample.image, sample.image.flip(1))
    assert torch.equal(made.sample.label_map, sample.label_map.flip(0) * 2)
    x0, y0, z0, x1, y1, z1 = sample.boxes[0]
    assert_allclose(made.sample.boxes[0], [36 - x1, y0, z0, 36 - x0, y1, z1])


def test_flips_and_turns_follow_the_body_and_not_the_array() -> None:
    # Axes run to the feet, the left and the front: left-right is J, head-foot is I.
    recipe = Recipe(
        name="axes",
        flips=Flips(probability=1, axes=("left_right",)),
        affine=Affine(probability=1, rotation_deg=DegreesAbout(head_foot=30)),
    )
    record = augment(replace(marked_sample(), orientation="ILA"), recipe, seed=3).record
    assert record.draw.flips == (1,)
    about_i, about_j, about_k = record.draw.affine.rotation_deg
    assert abs(about_i) > 0.1
    assert (about_j, about_k) == (0, 0)


def test_box_of_a_turn_by_hand() -> None:
    # A quarter turn about the centre (9.5, 9.5) takes x to -y: the box 12..16 x 4..10 becomes
    # 10..16 x 12..16, or 4..10 x 4..8, by the direction of the turn.
    recipe = Recipe(name="turn", affine=Affine(probability=1, rotation_deg=DegreesAbout(head_foot=180)))
    sample = Sample(torch.zeros(1, 20, 20, 5), (1.0, 1.0, 1.0), boxes=np.array([[12.0, 4, 1, 16, 10, 3]]))
    record = augment(sample, recipe, seed=0).record
    quarter = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    affine = record.draw.affine.model_copy(update={"matrix": tuple(map(tuple, quarter))})
    turned = record.model_copy(update={"draw": record.draw.model_copy(update={"affine": affine})})
    assert_allclose(replay(sample, turned).sample.boxes, [[10, 12, 1, 16, 16, 3]])


def test_box_that_leaves_the_image_keeps_its_row_without_volume() -> None:
    sample = replace(marked_sample(), boxes=np.array([[0.0, 0, 0, 2, 2, 2], [10, 10, 10, 20, 20, 20]]))
    recipe = Recipe(name="larger", affine=Affine(probability=1, scale=(2, 2)))
    boxes = augment(sample, recipe, seed=0).sample.boxes
    assert boxes.shape == (2, 6)
    assert np.prod(boxes[0, 3:] - boxes[0, :3]) == 0
    assert np.prod(boxes[1, 3:] - boxes[1, :3]) > 0


@pytest.mark.parametrize("boxes", [np.zeros((0, 6)), None])
def test_samples_without_boxes_or_labels_are_taken(boxes: Array | None) -> None:
    moved = augment(Sample(marked_sample().image, SPACING, boxes=boxes), SPATIAL, seed=1).sample
    assert moved.label_map is None
    assert moved.boxes is None or moved.boxes.shape == (0, 6)


@pytest.mark.parametrize(("border", "outside"), [("fill", -1000.0), ("edge", 40.0)])
def test_no_black_wedges_beyond_the_scan(border: str, outside: float) -> None:
    axes = {"left_right": border, "front_back": border, "head_foot": border}
    recipe = Recipe.model_validate(
        {"name": "small", "border": axes, "fill": -1000, "affine": {"probability": 1, "scale": [0.5, 0.5]}}
    )
    image = augment(Sample(torch.full((1, 16, 16, 16), 40.0), (1.0, 1, 1)), recipe, seed=0).sample.image[0]
    assert image[0, 0, 0] == outside
    assert_allclose(image[8, 8, 8], 40.0, atol=1e-3)


def test_reflecting_border_shows_the_mirror_image() -> None:
    recipe = Recipe.model_validate(
        {
            "name": "half",
            "border": {"left_right": "reflect"},
            "affine": {"probability": 1, "scale": [0.5, 0.5]},
        }
    )
    ramp = torch.arange(16.0)[:, None, None].expand(16, 4, 4)[None]
    image = augment(Sample(ramp.contiguous(), (1.0, 1, 1)), recipe, seed=0).sample.image[0, :, 2, 2]
    # Half the size: voxel i shows 2 i - 7.5; i = 0 is -7.5, mirrored about the edge at -0.5 to 6.5.
    assert_allclose(image[[0, 3, 4, 11, 12, 15]], [6.5, 0.5, 0.5, 14.5, 14.5, 8.5], atol=1e-4)


def test_label_maps_hold_background_beyond_the_scan() -> None:
    recipe = Recipe(name="small", affine=Affine(probability=1, scale=(0.5, 0.5)))
    sample = Sample(torch.ones(1, 16, 16, 16), (1.0, 1, 1), torch.ones(16, 16, 16, dtype=torch.int64))
    labels = augment(sample, recipe, seed=0).sample.label_map
    assert int(labels.sum()) == 8**3


@pytest.mark.parametrize("shape", [(31, 23), (28, 28)])
def test_radiographs_stay_in_their_plane(shape: tuple[int, int]) -> None:
    image = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(shape, dtype=torch.uint8)
    labels[8:18, 6:14] = 1
    recipe = SPATIAL.model_copy(update={"flips": None})
    for seed in range(8):
        moved = augment(
            Sample(image, (1.0, 1.0), labels, np.array([[8.0, 6, 0, 18, 14, 1]])), recipe, seed=seed
        )
        assert moved.sample.image.shape == image.shape
        assert moved.sample.label_map.shape == shape
        assert_allclose(moved.sample.boxes[0, [2, 5]], [0, 1])
        assert_allclose(
            moved.sample.boxes[0, :2] + moved.sample.boxes[0, 3:5] - 1,
            2 * centroid(moved.sample.label_map.double()),
            atol=2.0,
        )


def test_xray_recipe_never_mirrors() -> None:
    assert read_recipe("xray").flips is None
    assert all(
        not augment(marked_sample(), read_recipe("xray"), seed=seed).record.draw.flips for seed in range(20)
    )


def test_only_mr_brain_mirrors_and_only_left_to_right() -> None:
    mirroring = {name: recipe.flips for name in named_recipes() if (recipe := read_recipe(name)).flips}
    axes = {name: flips.axes for name, flips in mirroring.items()}
    assert axes == dict.fromkeys(("mr-brain", "mr-brain-rigid"), ("left_right",))


def test_samples_that_do_not_belong_together_are_refused() -> None:
    sample = marked_sample()
    with pytest.raises(ShapeError, match=r"found \(36, 44\), expected \(36, 44, 28\)"):
        replace(sample, label_map=torch.zeros(36, 44, dtype=torch.uint8))
    with pytest.raises(ShapeError, match=r"integers: found torch\.float32"):
        replace(sample, label_map=torch.zeros(SHAPE))
    with pytest.raises(ShapeError, match="spacing"):
        replace(sample, spacing=(1.0, 1.0))
    with pytest.raises(ShapeError, match="found -1"):
        augment(sample, SPATIAL, seed=-1)
