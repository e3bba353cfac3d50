"""How fast are .nii.gz files written, against nibabel? Writes results/write_nifti.json.

The large images are a simulated CT with the noise of a scanner: empty air or smooth values would compress
faster than any scan does. Every time ends with a closed file; all writers run in turn, round after round.

    python benchmarks/write_nifti.py
"""

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
import torch
from nibabel.openers import Opener

from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.io.nifti import write_label_map, write_volume
from medpipe.simulate.small_ct import small_ct

RESULTS = Path(__file__).parent / "results" / "write_nifti.json"
SHAPE = (512, 512, 128)
NOISE_HU = 10.0
NIBABEL = f"nibabel, level {Opener.default_compresslevel}"
"""Level 1 is its default; at level 9 it was seen to take 131 s for the float32 CT."""

AFFINE = np.diag([0.5, 0.5, 1.0, 1.0])
Voxels = npt.NDArray[Any]


class Image(NamedTuple):
    """What is written, and our writer of it, which takes a path and a number of threads."""

    name: str
    voxels: Voxels
    write: Callable[[Path, int], None]
    rounds: int


def images() -> list[Image]:
    size_i, _, size_k = SHAPE
    noise = np.random.default_rng(0).normal(0.0, NOISE_HU, SHAPE)
    hu = np.asfortranarray(
        np.round(small_ct(num_slices=size_k, size=size_i).array[0].numpy() + noise), np.float32
    )
    volume = Volume(torch.from_numpy(hu)[None], AFFINE, "CT", Source(kind=SourceKind.MEMORY))
    stored = (hu - hu.min()).astype(np.uint16)
    mask = (small_ct(num_slices=64, size=96).array[0].numpy() > 500).astype(np.uint8)
    return [
        Image("float32 CT", hu, lambda path, threads: write_volume(path, volume, threads=threads), 5),
        Image(
            "uint16 CT",
            stored,
            lambda path, threads: write_label_map(path, stored, AFFINE, threads=threads),
            3,
        ),
        Image(
            "uint8 mask", mask, lambda path, threads: write_label_map(path, mask, AFFINE, threads=threads), 31
        ),
    ]


def measure(image: Image, folder: Path) -> list[dict[str, object]]:
    writers: dict[str, Callable[[Path], None]] = {}
    for threads in sorted({1, len(os.sched_getaffinity(0))}):
        writers[f"medpipe, {threads} thread(s)"] = lambda path, threads=threads: image.write(path, threads)
    writers[NIBABEL] = lambda path: nib.save(nib.Nifti1Image(image.voxels, AFFINE), path)
    times: dict[str, list[float]] = {name: [] for name in writers}
    sizes = {}
    for _ in range(image.rounds):
        for name, write in writers.items():
            path = folder / "image.nii.gz"
            path.unlink(missing_ok=True)
            start = time.perf_counter()
            write(path)
            times[name].append(time.perf_counter() - start)
            sizes[name] = path.stat().st_size
    reference = statistics.median(times[NIBABEL])
    return [
        {
            "image": f"{image.name}, {image.voxels.nbytes / 1e6:.1f} MB",
            "writer": name,
            "seconds": round(statistics.median(times[name]), 5),
            "times_nibabel": round(reference / statistics.median(times[name]), 2),
            "megabytes": round(sizes[name] / 1e6, 3),
        }
        for name in writers
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for image in images() for row in measure(image, Path(folder))]
    print(f"{'image':24} {'writer':22} {'seconds':>9} {'speed':>7} {'MB':>9}")
    for row in rows:
        print("{image:24} {writer:22} {seconds:9.4f} {times_nibabel:6.1f}x {megabytes:9.3f}".format(**row))
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} processors"
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
