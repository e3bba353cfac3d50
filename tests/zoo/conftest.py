"""Builders of small packages."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from medpipe.core.findings import CodedConcept
from medpipe.core.labels import LabelSpec
from medpipe.core.preprocessing import Channel, Preprocessing, Region, ZScore
from medpipe.models.registry import build_network
from medpipe.zoo.manifest import NetworkSpec, SegmentationSpec
from medpipe.zoo.package import Package, read_package
from medpipe.zoo.writing import write_package

_CARD = """# Spots

Finds spots in simulated images.

## Data
40 simulated crops.

## Licence
CC0-1.0, data and weights.

## Figures
Dice of spots 0.883 (0.871 to 0.894).

## Limits
Simulated data only; **not for diagnosis**.

## Command
```sh
medpipe train segment spots.yaml
```
"""

_LABELS = tuple(
    LabelSpec(value=value, name=name, code=CodedConcept(scheme="99MEDPIPE", value=name, meaning=name))
    for value, name in enumerate(("spot", "ring"), start=1)
)


@pytest.fixture(scope="session")
def card() -> str:
    """Return a card with every section."""
    return _CARD


@pytest.fixture(scope="session")
def spec() -> SegmentationSpec:
    """Return the specification of a network of a few thousand parameters."""
    return SegmentationSpec(
        name="spots",
        version="1.0.0",
        summary="Spots and rings in simulated MR",
        task="segmentation",
        network=NetworkSpec(name="unet", arguments={"in_channels": 1, "num_classes": 3, "channels": [4, 8]}),
        preprocessing=Preprocessing(
            channels=(Channel(name="image", modality="MR", intensity=ZScore(region=Region.NONZERO)),),
            patch_shape=(16, 12, 8),
            multiple_of=4,
        ),
        labels=_LABELS,
        licence="CC0-1.0",
    )


@pytest.fixture(scope="session")
def state(spec: SegmentationSpec) -> dict[str, Tensor]:
    """Return the state of that network, untrained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return build_network(spec.network.name, spec.network.arguments).state_dict()


@pytest.fixture(scope="session")
def written(
    tmp_path_factory: pytest.TempPathFactory, spec: SegmentationSpec, state: dict[str, Tensor], card: str
) -> Package:
    """Return a small valid package, which no test may change."""
    folder = tmp_path_factory.mktemp("written") / spec.name
    return write_package(folder, spec, state, card=card, licence="Public domain\n")


@pytest.fixture
def spots(tmp_path: Path, written: Package) -> Package:
    """Return a copy of that package, which a test may damage."""
    return read_package(shutil.copytree(written.path, tmp_path / "made" / "spots"))


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the user an empty configuration folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    return tmp_path / "configuration" / "medpipe"
