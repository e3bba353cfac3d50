"""Builders of small packages."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from medpipe.core.findings import CodedConcept
from medpipe.core.labels import LabelSpec
from medpipe.core.preprocessing import Channel, Preprocessing, Region, ZScore
from medpipe.models.registry import build_network
from medpipe.zoo.manifest import NetworkSpec, PackageSpec
from medpipe.zoo.package import Package
from medpipe.zoo.writing import write_package

CARD = """# Spots

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

LABELS = tuple(
    LabelSpec(value=value, name=name, code=CodedConcept(scheme="99MEDPIPE", value=name, meaning=name))
    for value, name in enumerate(("spot", "ring"), start=1)
)


def spec_of(name: str = "spots") -> PackageSpec:
    """Return the specification of a network of a few thousand parameters."""
    return PackageSpec(
        name=name,
        version="1.0.0",
        summary="Spots and rings in simulated MR",
        task="segmentation",
        network=NetworkSpec(name="unet", arguments={"in_channels": 1, "num_classes": 3, "channels": [4, 8]}),
        preprocessing=Preprocessing(
            channels=(Channel(name="image", modality="MR", intensity=ZScore(region=Region.NONZERO)),),
            patch_shape=(16, 12, 8),
            multiple_of=4,
        ),
        labels=LABELS,
        licence="CC0-1.0",
    )


def state_of(spec: PackageSpec, *, seed: int = 7) -> dict[str, Tensor]:
    """Return the state of a fresh network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(spec.network.name, spec.network.arguments).state_dict()



@pytest.fixture
def spots(tmp_path: Path) -> Package:
    """Return a small valid package."""
    spec = spec_of()
    return write_package(
        tmp_path / "made" / "spots", spec, state_of(spec), card=CARD, licence="Public domain\n"
    )
