"""Preprocessing and the way back to the source grid."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Compose, Orientation, Spacing
from skimage.transform import resize

from medpipe.core.errors import RefusedError
from medpipe.core.findings import Laterality
from medpipe.core.network_grid import SpacingGrid
from medpipe.core.preprocessing import (
    Channel,
    FixedScale,
    Preprocessing,
    Region,
    WindowScale,
    ZScore,
)
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.inference.normalise import apply_windows
from medpipe.inference.preprocess import pad_to, prepare, prepare_labels

AXES = [a + b + c for a in "LR" for b in "PA" for c in "IS"]
ORIENTATIONS = [
    "".join(codes[i] for i in order) for codes in AXES for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
]
SHAPE = (5, 7, 9)


def affine_of(orientation: str, spacing: tuple[float, float, float]) -> np.ndarray:
    """Build an affine whose voxel axes point where the codes say."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (code, step) in enumerate(zip(orientation, spacing, strict=True)):
        world = next(index for index, pair in enumerate(("LR", "PA", "IS")) if code in pair)
        affine[world, axis] = step if code in "RAS" else -step
    return affine


def volume_of(orientation: str = "RAS", spacing: tuple[float, float, float] = (1, 1, 1)) -> Volume:
    array = torch.arange(float(np.prod(SHAPE))).reshape(1, *SHAPE)
    return Volume(array, affine_of(orientation, spacing), "MR", Source(kind=SourceKind.MEMORY))


def spec(**changes: object) -> Preprocessing:
    channel = Channel(name="image", modality="MR", intensity=WindowScale(low_hu=0, high_hu=1))
    fields = {"channels": (channel,), "patch_shape": (4, 4, 4), **changes}
    return Preprocessing.model_validate(fields)


@given(st.sampled_from(ORIENTATIONS), st.booleans(), st.sampled_from([(4, 4, 4), (16, 12, 20)]))
def test_restoring_one_hot_logits_returns_the_label_map(
    orientation: str, is_right: bool, patch: tuple[int, int, int]
) -> None:
    volume = volume_of(orientation)
    labels = (volume.array[0] % 3).to(torch.uint8)
    side = Laterality.RIGHT if is_right else Laterality.LEFT
    wide = spec(mirror_right=True, patch_shape=patch)
    channel = wide.channels[0].model_copy(update={"intensity": WindowScale(low_hu=0, high_hu=1000)})
    prepared = prepare({"image": volume}, wide.model_copy(update={"channels": (channel,)}), side=side)
    values = (prepared.images[0] * 1000).round() % 3
    logits = torch.stack([(values == value).float() for value in range(3)])
    torch.testing.assert_close(prepared.restore(logits), labels)


@given(st.sampled_from(ORIENTATIONS), st.booleans(), st.sampled_from([None, (0.5, 1.0, 2.0)]))
def test_labels_go_to_the_network_grid_and_come_back(
    orientation: str, is_right: bool, spacing: tuple[float, float, float] | None
) -> None:
    volume = volume_of(orientation)
    labels = torch.zeros(SHAPE, dtype=torch.uint8)
    labels[1:4, 2:6, 2:8] = 1
    side = Laterality.RIGHT if is_right else Laterality.LEFT
    prepared = prepare({"image": volume}, spec(mirror_right=True, spacing_mm=spacing), side=side)
    prepared_labels = prepare_labels(prepared, labels)
    assert prepared_labels.shape == prepared.images.shape[1:]
    one_hot = torch.stack([(prepared_labels == value).float() for value in range(2)])
    agree = (prepared.restore(one_hot) == labels).float().mean()
    assert agree == 1.0 if spacing is None else agree > 0.8


def test_input_is_in_the_asked_orientation() -> None:
    volume = volume_of("LPS")
    prepared = prepare({"image": volume}, spec(patch_shape=(1, 1, 1)))
    expected = volume.array.flip([1, 2]).clamp(0, 1)
    torch.testing.assert_close(prepared.images, expected)


def test_right_side_is_mirrored_along_the_left_right_axis_only_where_asked() -> None:
    volume = volume_of("ARS")  # axis 1 runs from left to right
    plain = prepare({"image": volume}, spec(patch_shape=(1, 1, 1), mirror_right=True), side=Laterality.LEFT)
    mirrored = prepare(
        {"image": volume}, spec(patch_shape=(1, 1, 1), mirror_right=True), side=Laterality.RIGHT
    )
    torch.testing.assert_close(mirrored.images, plain.images.flip(1))


def test_spacing_is_changed_and_labels_come_back_on_the_source_grid() -> None:
    volume = volume_of("RAS", (2.0, 2.0, 4.0))
    prepared = prepare({"image": volume}, spec(spacing_mm=(1.0, 2.0, 2.0), patch_shape=(1, 1, 1)))
    assert prepared.images.shape == (1, 10, 7, 18)
    restored = prepared.restore(torch.stack([torch.zeros(10, 7, 18), torch.ones(10, 7, 18)]))
    assert restored.shape == SHAPE
    assert restored.dtype == torch.uint8
    assert (restored == 1).all()


def test_cubic_interpolation_is_that_of_scikit_image_in_any_orientation() -> None:
    volume = volume_of("LPS", (2.0, 2.0, 4.0))
    cubic = spec(spacing_mm=(1.5, 3.0, 1.0), interpolation="cubic", patch_shape=(1, 1, 1))
    channel = cubic.channels[0].model_copy(update={"intensity": WindowScale(low_hu=0, high_hu=1000)})
    prepared = prepare({"image": volume}, cubic.model_copy(update={"channels": (channel,)}))
    oriented = volume.array[0].flip([0, 1]).double().numpy()
    expected = resize(oriented, prepared.inner_shape, order=3, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(prepared.images[0].numpy(), expected / 1000, rtol=0, atol=1e-6)


EXACT_GRIDS = [SpacingGrid.FIRST_VOXEL, SpacingGrid.EXTENT]


def exact(grid: SpacingGrid, **changes: object) -> Preprocessing:
    channel = Channel(name="image", modality="MR", intensity=FixedScale())
    fields = {"channels": (channel,), "spacing_mm": (1.3, 2.9, 2.0), "patch_shape": (1, 1, 1), **changes}
    return spec(spacing_grid=grid, **fields)


@pytest.mark.filterwarnings("ignore:align_corners")
@pytest.mark.parametrize("grid", EXACT_GRIDS)
@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SAR", "IPL"])
def test_exact_spacing_is_that_of_monai_there_and_back(orientation: str, grid: SpacingGrid) -> None:
    affine = affine_of(orientation, (2.0, 1.5, 3.0))
    affine[:3, 3] = (100, 200, 300)
    volume = Volume(volume_of().array, affine, "MR", Source(kind=SourceKind.MEMORY))
    steps = Compose(
        [Orientation("RAS", labels=None), Spacing((1.3, 2.9, 2.0), scale_extent=grid is SpacingGrid.EXTENT)]
    )
    theirs = steps(MetaTensor(volume.array, affine=torch.from_numpy(affine)))
    prepared = prepare({"image": volume}, exact(grid))
    torch.testing.assert_close(prepared.images, theirs.as_tensor(), rtol=0, atol=1e-3)
    np.testing.assert_allclose(prepared.spacing_mm, (1.3, 2.9, 2.0))
    logits = torch.randn(3, *prepared.inner_shape, generator=torch.Generator().manual_seed(1))
    back = steps.inverse(MetaTensor(logits, meta=theirs.meta, applied_operations=theirs.applied_operations))
    labels = back.as_tensor().argmax(dim=0)
    assert prepared.restore(logits).shape == SHAPE
    assert (prepared.restore(logits) == labels).float().mean() > 0.995


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("grid", EXACT_GRIDS)
def test_exact_spacing_begins_at_the_first_voxel_of_the_mirrored_image(
    grid: SpacingGrid, interpolation: str
) -> None:
    volume = volume_of("ARS", (2.0, 1.5, 3.0))
    mirror = volume.with_array(volume.array.flip(2))
    one_sided = exact(grid, mirror_right=True, interpolation=interpolation)
    right = prepare({"image": volume}, one_sided, side=Laterality.RIGHT)
    left = prepare({"image": mirror}, one_sided, side=Laterality.LEFT)
    torch.testing.assert_close(right.images, left.images, rtol=0, atol=1e-4)
    labels = (volume.array[0] % 3).to(torch.uint8)
    assert torch.equal(prepare_labels(right, labels), prepare_labels(left, labels.flip(1)))
    logits = torch.randn(3, *right.inner_shape, generator=torch.Generator().manual_seed(2))
    assert torch.equal(right.restore(logits), left.restore(logits).flip(1))


@pytest.mark.parametrize("grid", EXACT_GRIDS)
def test_label_map_lies_as_the_image_does(grid: SpacingGrid) -> None:
    # Twice as fine: every second voxel is one of the image's own, so its label is that voxel's.
    volume = volume_of()
    labels = (volume.array[0] % 3).to(torch.uint8)
    found = prepare_labels(prepare({"image": volume}, exact(grid, spacing_mm=(0.5, 0.5, 0.5))), labels)
    if grid is SpacingGrid.FIRST_VOXEL:
        assert torch.equal(found[::2, ::2, ::2], labels)
    else:
        assert found.shape == (10, 14, 18)
        assert torch.equal(
            found, labels.repeat_interleave(2, 0).repeat_interleave(2, 1).repeat_interleave(2, 2)
        )


@pytest.mark.parametrize("grid", EXACT_GRIDS)
def test_thick_slices_of_an_exact_spacing_come_from_the_nearest(grid: SpacingGrid) -> None:
    volume = volume_of("RAS", (1.0, 1.0, 4.0))
    thick = exact(grid, spacing_mm=(1.0, 1.0, 2.5), thick_ratio=3.0)
    found = prepare({"image": volume}, thick).images[0]
    start = 0.0 if grid is SpacingGrid.FIRST_VOXEL else 0.5 * (9 / 14 - 1)
    nearest = [min(8, int(start + plane * 2.5 / 4 + 0.5)) for plane in range(found.shape[2])]
    torch.testing.assert_close(found, volume.array[0][:, :, nearest])


def test_image_as_it_lies_has_its_axes_in_the_asked_order() -> None:
    volume = volume_of("LPS")
    prepared = prepare({"image": volume}, spec(patch_shape=(1, 1, 1), orientation=(2, 0, 1)))
    torch.testing.assert_close(prepared.images, volume.array.permute(0, 3, 1, 2).clamp(0, 1))
    assert prepared.oriented.orientation == "SLP"


def nonzero_in(box: tuple[slice, slice, slice], orientation: str = "RAS") -> Volume:
    """Build a volume that is 0 outside a box, with a hole of 0 in it."""
    volume = volume_of(orientation)
    array = torch.zeros_like(volume.array)
    array[(0, *box)] = volume.array[(0, *box)] + 1
    array[0, 2, 4, 5] = 0
    return volume.with_array(array)


BOX = (slice(1, 4), slice(2, 7), slice(3, 8))


@given(st.sampled_from(ORIENTATIONS), st.sampled_from([None, (0.5, 1.0, 2.0)]))
def test_margins_of_zero_are_left_out_and_come_back_as_background(
    orientation: str, spacing: tuple[float, float, float] | None
) -> None:
    volume = nonzero_in(BOX, orientation)
    cropping = spec(crop_nonzero=True, spacing_mm=spacing, patch_shape=(1, 1, 1))
    prepared = prepare({"image": volume}, cropping)
    assert prepared.source.shape == SHAPE
    assert sorted(prepared.oriented.shape) == [3, 5, 5]
    everything = torch.stack([torch.zeros(prepared.inner_shape), torch.ones(prepared.inner_shape)])
    expected = torch.zeros(SHAPE, dtype=torch.uint8)
    expected[BOX] = 1
    torch.testing.assert_close(prepared.restore(everything), expected)
    assert prepare_labels(prepared, expected).min() == 1


def test_box_holds_what_any_channel_shows_and_an_empty_image_stays_whole() -> None:
    channels = tuple(Channel(name=name, modality="MR", intensity=ZScore()) for name in ("t1", "t2"))
    cropping = spec(channels=channels, crop_nonzero=True, patch_shape=(1, 1, 1))
    one, other = nonzero_in(BOX), nonzero_in((slice(2, 5), slice(3, 4), slice(0, 4)))
    assert prepare({"t1": one, "t2": other}, cropping).box == (slice(1, 5), slice(2, 7), slice(0, 8))
    empty = volume_of().with_array(torch.zeros(1, *SHAPE))
    assert prepare({"t1": empty, "t2": empty}, cropping).images.shape == (2, *SHAPE)


def test_zscore_inside_counts_holes_and_leaves_the_outside_at_zero() -> None:
    rule = ZScore(region=Region.INSIDE)
    channel = Channel(name="image", modality="MR", intensity=rule)
    volume = nonzero_in(BOX)
    inside = spec(channels=(channel,), normalise_on="source", patch_shape=(1, 1, 1))
    found = prepare({"image": volume}, inside).images[0]
    values = volume.array[0][BOX]  # the hole in it counts
    expected = torch.zeros(SHAPE)
    expected[BOX] = (values - values.mean()) / values.std(correction=0)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_normalising_on_the_source_comes_before_resampling() -> None:
    volume = volume_of("RAS", (2.0, 2.0, 4.0))
    channel = Channel(name="image", modality="MR", intensity=ZScore())
    fields = {"channels": (channel,), "spacing_mm": (3.0, 3.0, 3.0), "patch_shape": (1, 1, 1)}
    found = prepare({"image": volume}, spec(normalise_on="source", **fields)).images[0]
    values = volume.array
    scaled = volume.with_array((values - values.mean()) / values.std(correction=0))
    plain = Channel(name="image", modality="MR", intensity=FixedScale())
    expected = prepare({"image": scaled}, spec(**{**fields, "channels": (plain,)})).images[0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    after = prepare({"image": volume}, spec(**fields)).images[0]
    assert float((after - found).abs().max()) > 0.01


def test_window_before_resampling_is_not_applied_again() -> None:
    windowed = spec(normalise_on="source", patch_shape=(1, 1, 1))
    prepared = prepare({"image": volume_of()}, windowed, keep_hu=True)
    torch.testing.assert_close(apply_windows(prepared.images, windowed), prepared.images)
    assert prepared.images.max() == 1


@pytest.mark.parametrize("order", [1, 3])
def test_thick_slices_are_interpolated_alone_as_in_nnunet(order: int) -> None:
    volume = volume_of("RAS", (1.0, 1.0, 4.0))
    array = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(1))
    thick = spec(
        channels=(Channel(name="image", modality="MR", intensity=FixedScale()),),
        spacing_mm=(0.7, 1.5, 2.4),
        interpolation="cubic" if order == 3 else "linear",
        thick_ratio=3.0,
        patch_shape=(1, 1, 1),
    )
    prepared = prepare({"image": volume.with_array(array)}, thick)
    assert prepared.inner_shape == (7, 5, 15)
    planes = [
        resize(plane.double().numpy(), (7, 5), order=order, mode="edge", anti_aliasing=False)
        for plane in array[0].unbind(dim=2)
    ]
    # Voxel k of 15 lies at (k + 0.5) * 9 / 15 of 9 slices: in slices 0, 0, 1, 2, 2 and so on.
    nearest = [int((k + 0.5) * 9 / 15) for k in range(15)]
    expected = np.stack([planes[k] for k in nearest], axis=2)
    np.testing.assert_allclose(prepared.images[0].numpy(), expected, rtol=0, atol=1e-5)
    assert prepared.thick_axis == 2


def test_logits_are_judged_by_the_spacing_of_the_network_first() -> None:
    thick = spec(spacing_mm=(4.0, 1.0, 1.0), thick_ratio=3.0, patch_shape=(1, 1, 1))
    assert prepare({"image": volume_of("RAS", (1.0, 1.0, 4.0))}, thick).thick_axis == 0


def test_padding_puts_the_smaller_half_in_front() -> None:
    padded, offset = pad_to(torch.ones(1, 3, 4, 5), (6, 4, 8))
    assert padded.shape == (1, 6, 4, 8)
    assert offset == (1, 0, 1)
    assert padded[0, 1:4, :, 1:6].sum() == 60 == padded.sum()


class TestBadInput:
    def test_missing_role_names_what_is_there(self) -> None:
        with pytest.raises(RefusedError, match="'image': found t1"):
            prepare({"t1": volume_of()}, spec())

    def test_wrong_modality_is_refused(self) -> None:
        volume = volume_of()
        ct = Volume(volume.array, volume.affine, "CT", volume.source)
        with pytest.raises(RefusedError, match="takes MR in the role 'image': found CT"):
            prepare({"image": ct}, spec())

    def test_channels_on_other_grids_are_refused(self) -> None:
        two = spec(
            channels=(
                spec().channels[0],
                Channel(name="t2", modality="MR", intensity=ZScore()),
            )
        )
        with pytest.raises(RefusedError, match="'t2' lies on another grid"):
            prepare({"image": volume_of(), "t2": volume_of(spacing=(1, 1, 2))}, two)

    @pytest.mark.parametrize("axis", range(3))
    def test_single_slice_is_refused_unless_the_patches_are_slices(self, axis: int) -> None:
        slab = volume_of()
        array = slab.array.narrow(axis + 1, 0, 1)
        slab = Volume(array, slab.affine, slab.modality, slab.source)
        shape = " x ".join(map(str, array.shape[1:]))
        with pytest.raises(RefusedError, match=f"a single slice: found {shape} voxels, patches of 4 x 4 x 4"):
            prepare({"image": slab}, spec(patch_shape=(4, 4, 4), orientation=slab.grid.orientation))
        i, j, k = (1 if number == axis else 4 for number in range(3))
        flat = spec(patch_shape=(i, j, k), orientation=slab.grid.orientation)
        assert prepare({"image": slab}, flat).inner_shape == tuple(array.shape[1:])


def test_windows_put_off_for_augmentation_give_the_same_input() -> None:
    channels = (
        Channel(name="image", modality="CT", intensity=WindowScale(low_hu=-100, high_hu=300)),
        Channel(name="other", modality="CT", intensity=ZScore()),
    )
    wide = spec(channels=channels, patch_shape=(8, 8, 12))
    plain = volume_of()
    volumes = {
        name: Volume(plain.array * scale - 50, plain.affine, "CT", plain.source)
        for name, scale in (("image", 1.0), ("other", 3.0))
    }
    at_once = prepare(volumes, wide)
    put_off = prepare(volumes, wide, keep_hu=True)
    assert put_off.images[0].min() == -100  # padded with air at the window's end, not with water
    torch.testing.assert_close(apply_windows(put_off.images, wide), at_once.images)
