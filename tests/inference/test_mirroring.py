"""Mirroring: which axes of a network's input, and when it would exchange the sides."""

from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.core.errors import SettingsError
from medpipe.core.findings import CodedConcept, Laterality
from medpipe.core.labels import LabelSpec
from medpipe.core.preprocessing import Channel, Preprocessing, ZScore
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.inference.mirroring import mirrored_axes
from medpipe.inference.segmenter import load_segmenter
from medpipe.inference.tiling import TileForward, Tiling, predict_logits
from medpipe.models.registry import build_network
from medpipe.runs.stages.segment import Segment, SegmentParams
from medpipe.zoo.manifest import NetworkSpec, SegmentationSpec
from medpipe.zoo.package import Package
from medpipe.zoo.writing import write_package

CARD = "# Toy\n\n" + "".join(
    f"## {title}\nNone: 0.5 (0.4 to 0.6).\n\n"
    for title in ("Data", "Licence", "Figures", "Limits", "Command")
)


def spec_of(
    *sides: Laterality | None, mirror_right: bool = False, orientation: str = "PSR"
) -> SegmentationSpec:
    channel = Channel(name="image", modality="MR", intensity=ZScore())
    labels = [
        LabelSpec(
            value=value,
            name=f"part{value}",
            code=CodedConcept(scheme="99MEDPIPE", value=f"part{value}", meaning=f"Part {value}"),
            laterality=side,
        )
        for value, side in enumerate(sides, start=1)
    ]
    return SegmentationSpec(
        name="toy",
        version="1.0.0",
        summary="Says nothing",
        task="segmentation",
        network=NetworkSpec(
            name="unet", arguments={"in_channels": 1, "num_classes": len(sides) + 1, "channels": [4, 8]}
        ),
        preprocessing=Preprocessing(
            channels=(channel,), orientation=orientation, mirror_right=mirror_right, patch_shape=(8, 12, 16)
        ),
        labels=tuple(labels),
        licence="CC0-1.0",
    )


def write(folder: Path, spec: SegmentationSpec) -> Package:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        state = build_network(spec.network.name, spec.network.arguments).state_dict()
    return write_package(folder / "toy", spec, state, card=CARD, licence="Public domain\n")


def changed(spec: SegmentationSpec, **fields: object) -> SegmentationSpec:
    preprocessing = spec.preprocessing.model_copy(update=fields)
    return spec.model_copy(update={"preprocessing": preprocessing})


def test_axes_that_were_not_learned_are_refused() -> None:
    package = changed(spec_of(None), mirror_axes=(0, 2))
    assert mirrored_axes(package, ("left_right", "front_back")) == (0, 2)
    with pytest.raises(SettingsError, match=r"found left_right, head_foot.*along the axes \(0, 2\)"):
        mirrored_axes(package, ("left_right", "head_foot"))


def test_images_as_they_lie_are_mirrored_along_all_axes_or_none() -> None:
    package = changed(spec_of(None), orientation=(2, 1, 0))
    assert mirrored_axes(package, ()) == ()
    assert mirrored_axes(package, ("front_back", "left_right", "head_foot")) == (0, 1, 2)
    with pytest.raises(SettingsError, match="along all three axes or along none: found front_back"):
        mirrored_axes(package, ("front_back",))


def test_axes_are_those_of_the_networks_input() -> None:
    package = spec_of(None, Laterality.BOTH)
    assert mirrored_axes(package, ("left_right", "front_back")) == (0, 2)
    assert mirrored_axes(package, ("head_foot", "head_foot")) == (1,)
    assert mirrored_axes(package, ()) == ()


@pytest.mark.parametrize(
    ("package", "found"),
    [
        (spec_of(None, Laterality.LEFT, Laterality.RIGHT), "labels of one side: part2, part3"),
        (spec_of(None, mirror_right=True), "mirror_right: its network knows the left side only"),
    ],
)
def test_sides_are_not_exchanged(package: SegmentationSpec, found: str) -> None:
    with pytest.raises(SettingsError, match=f"'toy' must not be mirrored left to right: found {found}"):
        mirrored_axes(package, ("head_foot", "left_right"))
    assert mirrored_axes(package, ("head_foot",)) == (1,)


def test_stage_is_refused_before_it_runs(tmp_path: Path) -> None:
    folder = str(write(tmp_path, spec_of(Laterality.LEFT)).path)
    with pytest.raises(SettingsError, match="must not be mirrored"):
        Segment.assets(SegmentParams(package=folder, mirror=("left_right",)))
    assert Segment.assets(SegmentParams(package=folder, mirror=("front_back",)))


def test_labels_are_those_of_the_mean_over_mirror_images(tmp_path: Path) -> None:
    package = write(tmp_path, spec_of(None, None, orientation="RAS"))
    noise = torch.randn(1, 8, 12, 16, generator=torch.Generator().manual_seed(1))
    volume = Volume(noise, np.eye(4), "MR", Source(kind=SourceKind.MEMORY))
    segmenter = load_segmenter(package, mirror=("left_right", "head_foot"))
    images, plain = segmenter.prepare({"image": volume}).images, Tiling((8, 12, 16))
    logits = sum(
        predict_logits(TileForward(segmenter.network, plain), images.flip(axes)).flip(axes)
        for axes in ((), (1,), (3,), (1, 3))
    )
    assert isinstance(logits, torch.Tensor)
    found = segmenter.segment({"image": volume}).labels
    assert np.mean(found == logits.argmax(dim=0).numpy()) > 0.999
    assert not np.array_equal(found, load_segmenter(package).segment({"image": volume}).labels)
