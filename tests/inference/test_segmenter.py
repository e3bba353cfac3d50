"""The segmenter against a reference at full size: MONAI's tiles, torch's interpolation and argmax."""

import numpy as np
import pytest
import torch
from monai.inferers import SlidingWindowInferer
from torch.nn import functional

from medpipe.core.patches import PatchPlaces, PatchWeights
from medpipe.core.preprocessing import Channel, PercentileScale, Preprocessing
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.inference.preprocess import prepare
from medpipe.inference.segmenter import Segmenter, load_segmenter
from medpipe.inference.tiling import TileForward, Tiling, predict_logits
from medpipe.models.registry import build_network
from medpipe.zoo.finder import find_package

SHAPE = (40, 48, 44)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return build_network("unet", {"in_channels": 1, "num_classes": 4, "channels": [4, 6, 8]}).eval()


def spec_of(spacing_mm: tuple[float, float, float] | None) -> Preprocessing:
    channel = Channel(name="image", modality="MR", intensity=PercentileScale())
    return Preprocessing(
        channels=(channel,), patch_shape=(16, 24, 16), multiple_of=4, spacing_mm=spacing_mm, orientation="PSR"
    )


def volume() -> Volume:
    coarse = torch.randn(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(3))
    array = functional.interpolate(coarse, size=SHAPE, mode="trilinear")[0]
    return Volume(array, np.diag([1.0, 1.0, 1.5, 1.0]), "MR", Source(kind=SourceKind.MEMORY))


@pytest.mark.parametrize("spacing_mm", [None, (1.6, 1.6, 1.6), (0.7, 1.0, 1.3)])
def test_labels_are_those_of_logits_at_full_size(
    network: torch.nn.Module, spacing_mm: tuple[float, float, float] | None
) -> None:
    spec = spec_of(spacing_mm)
    tiling = Tiling(spec.patch_shape, batch_size=3)
    found = Segmenter(network, spec, tiling).segment({"image": volume()}).labels
    prepared = prepare({"image": volume()}, spec)
    logits = prepared.inner(predict_logits(TileForward(network, tiling), prepared.images))
    wide = functional.interpolate(
        logits[None].double(), size=prepared.oriented.shape, mode="trilinear", align_corners=False
    )[0]
    labels = wide.argmax(dim=0)
    assert len(labels.unique()) == 4  # or the comparison would say little
    labels = labels.flip(prepared.reorientation.flips)
    labels = labels.permute([prepared.reorientation.order.index(axis) for axis in range(3)])
    assert found.shape == SHAPE
    assert np.mean(found == labels.numpy()) > 0.9999


def test_half_precision_on_a_cpu_is_bfloat16_and_labels_hardly_differ() -> None:
    package = find_package("hippocampus")
    half = load_segmenter(package, half=True)
    assert next(half.network.parameters()).dtype == torch.bfloat16
    labels = [item.segment({"image": volume()}).labels for item in (half, load_segmenter(package))]
    assert len(np.unique(labels[1])) == 3
    assert np.mean(labels[0] == labels[1]) > 0.999


def test_logits_agree_with_monai_where_its_tiles_are_ours(network: torch.nn.Module) -> None:
    images = torch.randn(1, 32, 48, 40, generator=torch.Generator().manual_seed(4))
    inferer = SlidingWindowInferer((16, 24, 16), overlap=0.5, mode="gaussian", padding_mode="constant")
    with torch.inference_mode():
        theirs = inferer(images[None], lambda patches: network(patches).logits)[0]
    ours = predict_logits(TileForward(network, Tiling((16, 24, 16))), images)
    # MONAI lifts the weights along a patch's rim to one value, so that tiles count alike at the image's rim.
    inside = (slice(None), slice(4, 28), slice(6, 42), slice(4, 36))
    ours, theirs = ours[inside], theirs[inside]
    assert float((ours - theirs).abs().mean() / theirs.abs().mean()) < 0.02


@pytest.mark.parametrize(
    ("mode", "weights"), [("gaussian", PatchWeights.FLOORED), ("constant", PatchWeights.EQUAL)]
)
def test_logits_are_those_of_monai_where_its_tiling_is_asked_for(
    network: torch.nn.Module, mode: str, weights: PatchWeights
) -> None:
    images = torch.randn(1, 37, 45, 41, generator=torch.Generator().manual_seed(4))
    inferer = SlidingWindowInferer((16, 24, 16), overlap=0.4, mode=mode)
    with torch.inference_mode():
        theirs = inferer(images[None], lambda patches: network(patches).logits)[0]
    tiling = Tiling((16, 24, 16), overlap=0.4, places=PatchPlaces.STEPS, weights=weights)
    ours = predict_logits(TileForward(network, tiling), images)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4 * float(theirs.std()))


def test_package_states_its_tiling_and_the_user_another_overlap() -> None:
    spec = spec_of(None).model_copy(
        update={"patch_overlap": 0.0, "patch_places": PatchPlaces.STEPS, "patch_weights": PatchWeights.EQUAL}
    )
    stated = Tiling.of(spec)
    assert (stated.overlap, stated.places, stated.weights) == (0.0, PatchPlaces.STEPS, PatchWeights.EQUAL)
    assert Tiling.of(spec, overlap=0.25).overlap == 0.25
    assert Tiling.of(spec_of(None)) == Tiling((16, 24, 16), overlap=0.5)


def test_mirrored_predictions_are_averaged(network: torch.nn.Module) -> None:
    images = torch.randn(1, 16, 24, 16, generator=torch.Generator().manual_seed(6))
    plain = Tiling((16, 24, 16))
    flips = [(), (1,), (3,), (1, 3)]
    expected = (
        sum(predict_logits(TileForward(network, plain), images.flip(axes)).flip(axes) for axes in flips) / 4
    )
    mirrored = predict_logits(TileForward(network, Tiling((16, 24, 16), mirror_axes=(0, 2))), images)
    torch.testing.assert_close(mirrored, expected, rtol=1e-4, atol=1e-5)
