"""What every system is given: simulated head CTs of 512 x 512 pixels, and a network of random weights."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from torch.nn.functional import pad

from medpipe.core.class_labels import ClassLabel, FittedLabel
from medpipe.core.findings import CodedConcept
from medpipe.core.preprocessing import WindowScale
from medpipe.core.slice_preprocessing import SliceChannel, SlicePreprocessing
from medpipe.core.slice_stack import SliceStack
from medpipe.io.dicom.write import write_series
from medpipe.models.registry import build_network
from medpipe.simulate.head_ct.studies import simulated_head_ct
from medpipe.simulate.head_ct.writing import series_labels
from medpipe.zoo.manifest import ClassificationSpec, NetworkSpec
from medpipe.zoo.package import Package
from medpipe.zoo.writing import write_package

NUM_SLICES: Final = 40
SIZE: Final = 512
PIXEL_MM: Final = 240 / SIZE
"""A simulated head spans 200 x 240 mm: its longer side is 512 pixels, the shorter one is filled with air."""
AIR_HU: Final = -1000.0

NETWORK_MM: Final = 2.0
NETWORK_SHAPE: Final = (96, 112)
WINDOWS_HU: Final = {"brain": (0.0, 80.0), "subdural": (-20.0, 180.0), "bone": (-800.0, 2000.0)}
LABELS: Final = ("any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")

_NETWORK: Final = NetworkSpec(
    name="slice-aggregator",
    arguments={
        "in_channels": len(WINDOWS_HU),
        "num_labels": len(LABELS),
        "encoder": "tf_efficientnet_lite0",
        "neighbours": 1,
        "recurrent": "gru",
        "bidirectional": True,
    },
)
_CARD: Final = """# Random heads

Random weights, to measure speed.

## Data
None.

## Licence
CC0-1.0.

## Figures
Area under the ROC curve 0.5 (0.4 to 0.6): chance.

## Limits
Answers mean nothing.

## Command
python benchmarks/slices.py
"""


def head_of(seed: int) -> SliceStack:
    """Return a simulated head CT of 40 slices of 512 x 512 pixels."""
    image = simulated_head_ct(seed, pixel_mm=PIXEL_MM, num_slices=NUM_SLICES).image
    missing = SIZE - image.array.shape[2]
    before = missing // 2
    return replace(
        image,
        array=pad(image.array, (0, 0, before, missing - before), value=AIR_HU),
        positions_mm=image.positions_mm - before * image.in_plane_mm[:, 0],
    )


def write_studies(folder: Path, count: int, *, copies: int) -> None:
    """Write each head as several studies, since simulating takes longer than what is measured.

    Folders are ``0/head-00``, ``0/head-01`` and so on; other copies are in ``1``, ``2`` and further.
    """
    for seed in range(count):
        head = head_of(seed)
        assert head.array.shape == (NUM_SLICES, 1, SIZE, SIZE)
        for copy in range(copies):
            labels = series_labels(f"{copy}-head-{seed:02d}")
            write_series(head, folder / str(copy) / f"head-{seed:02d}", labels=labels)


def write_random_package(folder: Path) -> Package:
    """Write a package of the design that reads head CTs; a threshold of 1 keeps key slices undrawn."""
    channels = [
        SliceChannel(name=name, intensity=WindowScale(low_hu=low, high_hu=high))
        for name, (low, high) in WINDOWS_HU.items()
    ]
    preprocessing = SlicePreprocessing(
        modality="CT",
        orientation="LPS",
        pixel_mm=NETWORK_MM,
        shape=NETWORK_SHAPE,
        fill=AIR_HU,
        channels=tuple(channels),
    )
    questions = [
        ClassLabel(name=name, code=CodedConcept(scheme="99MEDPIPE", value=name, meaning=name))
        for name in LABELS
    ]
    spec = ClassificationSpec(
        name="random-heads",
        version="1.0.0",
        summary="Random weights",
        task="classification",
        network=_NETWORK,
        preprocessing=preprocessing,
        labels=tuple(FittedLabel(label=question, threshold=1.0) for question in questions),
        licence="CC0-1.0",
    )
    torch.manual_seed(0)
    network = build_network(_NETWORK.name, _NETWORK.arguments)
    return write_package(
        folder / "random-heads", spec, network.state_dict(), card=_CARD, licence="Public domain\n"
    )
