"""Do the engine's labels agree with those of a plain computation at full size in float32?

Writes results/label_agreement.json. Reference: the network in float32, the logits of all tiles summed at full
size and interpolated whole to the grid of the scan by torch's trilinear ``interpolate``, then ``argmax``; an
image that fits into one patch is one tile, and what is left then is the network and that interpolation. Tiles
lie and weigh as the engine's: how far tiles differ from an image predicted whole is the network's, not the
engine's.

The trained package ``hippocampus`` segments the crops that it was made for (1 mm, so nothing is
interpolated), the same crops on a grid of 0.7 mm, and the MNI152 head at 0.8 mm, in full precision, with
bfloat16 as on a CPU (``precision: half``), and with float16 as on a GPU, computed on the CPU.

Run: ``python benchmarks/label_agreement.py [--images ../shared/data/hippocampus/images] [--limit 220]
[--no-head]``
"""

import argparse
import json
import platform
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from medpipe import load
from medpipe.core.findings import Laterality
from medpipe.core.volume import Volume
from medpipe.inference.segmenter import Segmenter, load_segmenter
from medpipe.io.template import load_mni
from medpipe.zoo.finder import find_package

RESULTS = Path("benchmarks/results/label_agreement.json")
FINE_MM = 0.7
HEAD_MM = 0.8


class Scan(NamedTuple):
    """A scan of one of the sets."""

    group: str
    name: str
    volume: Volume


def on_grid(volume: Volume, spacing_mm: float) -> Volume:
    """Return a volume interpolated onto a finer grid over its field of view."""
    shape = [
        round(size * step / spacing_mm)
        for size, step in zip(volume.grid.shape, volume.grid.spacing, strict=True)
    ]
    array = functional.interpolate(volume.array[None].float(), size=shape, mode="trilinear")[0]
    affine = volume.affine.copy()
    ratio = np.divide(volume.grid.shape, shape)
    affine[:3, :3] *= ratio
    affine[:3, 3] += volume.affine[:3, :3] @ ((ratio - 1) / 2)
    return Volume(array, affine, volume.modality, volume.source)


def scans(images: Path, limit: int, *, head: bool) -> Iterator[Scan]:
    for path in sorted(images.glob("*.nii.gz"))[:limit]:
        volume = replace(load(path), modality="MR")
        yield Scan("crops, 1 mm", path.name, volume)
        yield Scan(f"crops, {FINE_MM:g} mm", path.name, on_grid(volume, FINE_MM))
    if head:
        yield Scan(f"MNI152 head, {HEAD_MM:g} mm", "MNI152", on_grid(load_mni(), HEAD_MM))


@torch.inference_mode()
def reference(segmenter: Segmenter, volume: Volume) -> np.ndarray:
    """Return the labels of logits that are held and interpolated at full size."""
    prepared = segmenter.prepare({"image": volume}, side=Laterality.LEFT)
    images = prepared.images
    patch = segmenter.tiling.patch_shape
    tiles = segmenter.tiling.tiles_of(images.shape[1:])
    total: torch.Tensor | None = None
    for corner in product(*(range(len(item.starts)) for item in tiles)):
        weights = [item.weights[number].double() for item, number in zip(tiles, corner, strict=True)]
        starts = [item.starts[number] for item, number in zip(tiles, corner, strict=True)]
        place = (
            slice(None),
            *(slice(start, start + width) for start, width in zip(starts, patch, strict=True)),
        )
        logits = segmenter.network(images[place][None]).logits[0].double()
        if total is None:
            total = torch.zeros(len(logits), *images.shape[1:], dtype=torch.float64)
        total[place] += logits * torch.einsum("i,j,k->ijk", *weights)
    assert total is not None
    wide = functional.interpolate(
        prepared.inner(total)[None].float(),
        size=prepared.oriented.shape,
        mode="trilinear",
        align_corners=False,
    )
    labels = wide[0].argmax(dim=0).flip(prepared.reorientation.flips)
    return labels.permute([prepared.reorientation.order.index(axis) for axis in range(3)]).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=Path("../shared/data/hippocampus/images"))
    parser.add_argument("--limit", type=int, default=220, help="crops at most")
    parser.add_argument("--no-head", dest="head", action="store_false", help="leave the whole head out")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    package = find_package("hippocampus")
    plain = load_segmenter(package)
    float16 = replace(plain, network=package.load_network().half())
    engines = {"float32": plain, "bfloat16": load_segmenter(package, half=True), "float16": float16}
    shares: dict[tuple[str, str], dict[str, float]] = {}
    for scan in scans(given.images, given.limit, head=given.head):
        expected = reference(plain, scan.volume)
        for precision, segmenter in engines.items():
            found = segmenter.segment({"image": scan.volume}, side=Laterality.LEFT).labels
            share = float(np.mean(found == expected))
            shares.setdefault((scan.group, precision), {})[scan.name] = share
    rows = [
        {
            "scans": group,
            "precision": precision,
            "num_scans": len(found),
            "mean_equal": float(np.mean([*found.values()])),
            "worst_equal": min(found.values()),
            "worst_scan": min(found, key=found.__getitem__),
        }
        for (group, precision), found in shares.items()
    ]
    for row in rows:
        print(row)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    summary = {"machine": machine, "package": package.maker, "rows": rows}
    given.results.write_text(json.dumps(summary, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
