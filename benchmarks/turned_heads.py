"""How much does the volume of the hippocampus depend on how the head lies in the scanner?

Writes results/turned_heads.json. The MNI152 template is turned (simulated) and sampled on a grid along the
scanner's axes by cubic B-splines, at 1 mm or with slices of 2 mm; the shipped network then outlines both
hippocampi in crops on the scan's own grid, and in crops that are interpolated to lie upright.

Run: ``python benchmarks/turned_heads.py``
"""

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from medpipe.core.affine import Array, inverse_of
from medpipe.core.findings import Laterality
from medpipe.core.volume import Volume
from medpipe.inference.segmenter import Segmenter, load_segmenter
from medpipe.io.template import load_mni
from medpipe.tasks.cleaning import Cleaning
from medpipe.transforms.registration import register_head
from medpipe.transforms.structure_crop import STRUCTURES, crop_structure
from medpipe.transforms.upright_crop import grid_turn_degrees, upright_crop
from medpipe.zoo.finder import find_package

RESULTS = Path("benchmarks/results/turned_heads.json")
EXTENT_MM = (220.0, 250.0, 220.0)
FIRST_VOXEL_MM = (-110.0, -140.0, -90.0)
MARGIN_MM = 5.0
TEMPLATE_MM = 2


@dataclass(frozen=True)
class Pose:
    """A turn about an axis of the world (0 R, 1 A, 2 S) and the distance of slices."""

    axis: int
    degrees: float
    slices_mm: float


POSES = (
    Pose(2, 0.0, 1.0),
    Pose(2, 0.0, 2.0),
    Pose(2, 10.0, 1.0),
    Pose(0, 20.0, 1.0),
    Pose(0, -20.0, 1.0),
    Pose(1, 15.0, 2.0),
)


def posed(head: Volume, pose: Pose) -> Volume:
    first, second = [axis for axis in range(3) if axis != pose.axis]
    cosine, sine = np.cos(np.radians(pose.degrees)), np.sin(np.radians(pose.degrees))
    turn = np.eye(4)
    turn[[first, second], [first, second]] = cosine
    turn[first, second], turn[second, first] = -sine, sine
    steps = np.array([1.0, 1.0, pose.slices_mm])
    affine = np.diag([*steps, 1.0])
    affine[:3, 3] = FIRST_VOXEL_MM
    shape = tuple(np.ceil(np.array(EXTENT_MM) / steps).astype(int))
    head_from_scan: Array = inverse_of(turn @ head.affine) @ affine
    values = ndimage.affine_transform(
        head.array[0].numpy(), head_from_scan[:3, :3], head_from_scan[:3, 3], output_shape=shape, order=3
    )
    array = torch.from_numpy(values.clip(0).astype(np.float32))[None]
    return Volume(array, affine, "MR", head.source)


def rows(segmenter: Segmenter) -> Iterator[dict[str, object]]:
    hippocampus = STRUCTURES["hippocampus"]
    template = load_mni(spacing_mm=TEMPLATE_MM)
    for pose in POSES:
        scan = posed(load_mni(), pose)
        registration = register_head(scan, template)
        row: dict[str, object] = {
            **asdict(pose),
            "found_turn": round(grid_turn_degrees(scan, registration), 1),
        }
        for way, cut in (("own_grid_ml", crop_structure), ("upright_ml", upright_crop)):
            volumes = []
            for side in (Laterality.LEFT, Laterality.RIGHT):
                crop = cut(scan, registration, hippocampus, side, margin_mm=MARGIN_MM).volume
                labels = segmenter.segment({"image": crop}, side=side).labels
                volumes.append(round(float(np.count_nonzero(labels) * crop.grid.voxel_volume_ml), 2))
            row[way] = volumes
        print(row, flush=True)
        yield row


def main() -> None:
    package = find_package("hippocampus")
    summary = {
        "machine": platform.machine(),
        "package": f"{package.manifest.name} {package.manifest.version}",
        "columns": "volumes are left, right",
        "poses": list(rows(load_segmenter(package, cleaning=Cleaning(largest=True)))),
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
