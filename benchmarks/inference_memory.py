"""How does the engine's memory grow with the depth of a scan and the number of classes?

Writes results/inference_memory.json and docs/images/inference_memory.webp. Scans of 192 x 192 voxels and 100
to 800 slices at 0.8 mm go through a small network with random weights (time is no matter here) on a grid of
1.5 mm in patches of 64 voxels, with 3 to 117 classes. Each runs in a process of its own. Counted is the peak
less what the process held before it had the scan (torch, the network): so the scan itself, in float32, and
its label map are in it. Beside it stands the size of the interpolated logits in float32, which a system that
makes them at full size has to hold, once at least.

Run: ``python benchmarks/inference_memory.py [--depths 100 200 400 800] [--classes 3 30 117] [--device cpu]``
"""

import argparse
import io
import json
import platform
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from segmentation.parts import peak_mib
from segmentation.setting import NETWORK_MM, SPACING_MM, Labeller, preprocessing

from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.inference.segmenter import Segmenter
from medpipe.inference.tiling import Tiling

RESULTS = Path("benchmarks/results/inference_memory.json")
CHART = Path("docs/images/inference_memory.webp")
SIZE = 192
PATCH = (64, 64, 64)
OVERLAP = 0.25
CHANNELS = (4, 8, 16)
_MIB = 2**20


def segment(depth: int, classes: int, device: str) -> dict[str, float]:
    """Segment one scan in this process and return MiB: its peak, what it held before, and the scan."""
    spec = preprocessing(patch=PATCH)
    network = Labeller(classes, bands=True, channels=CHANNELS).eval().to(device)
    segmenter = Segmenter(network, spec, Tiling(PATCH, overlap=OVERLAP), device)
    with torch.inference_mode():
        network(torch.zeros(1, 1, 8, 8, 8, device=device))  # kernels and threads are there from now on
    before = psutil.Process().memory_info().rss / _MIB
    volume = scan_of(SIZE, depth)
    segmenter.segment({"image": volume})
    measured = {"before_mib": before, "peak_mib": peak_mib(), "scan_mib": volume.array.nbytes / _MIB}
    if device != "cpu":
        measured["gpu_peak_mib"] = torch.cuda.max_memory_allocated() / _MIB
    return measured


def scan_of(size: int, depth: int) -> Volume:
    """Return smooth HU between the ends of the window."""
    coarse = torch.rand(1, 1, 8, 8, max(2, depth // 16), generator=torch.Generator().manual_seed(0))
    hu = torch.nn.functional.interpolate(coarse, size=(size, size, depth), mode="trilinear")[0]
    affine = np.diag([*SPACING_MM, 1.0])
    return Volume(hu.mul_(400.0).sub_(160.0), affine, "CT", Source(kind=SourceKind.MEMORY))


def draw(rows: list[dict[str, Any]]) -> bytes:
    """Return the chart as WebP."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for number, classes in enumerate(sorted({row["classes"] for row in rows})):
        chosen = [row for row in rows if row["classes"] == classes]
        depths = [row["depth"] for row in chosen]
        colour = f"C{number}"
        axes.plot(depths, [row["used_mib"] for row in chosen], "o-", color=colour, label=f"{classes} classes")
        axes.plot(depths, [row["logits_mib"] for row in chosen], ":", color=colour)
    axes.plot([], [], ":", color="0.5", label="their logits at full size")
    axes.set(xlabel="slices", ylabel="MiB for one scan", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="webp")
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depths", type=int, nargs="+", default=[100, 200, 400, 800])
    parser.add_argument("--classes", type=int, nargs="+", default=[3, 30, 117])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--chart", type=Path, default=CHART)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(segment(given.depths[0], given.classes[0], given.device)))
        return
    rows = []
    for classes, depth in product(given.classes, given.depths):
        words = ["--alone", "--depths", depth, "--classes", classes, "--device", given.device]
        command = [sys.executable, __file__, *(str(word) for word in words)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        measured = json.loads(done.stdout.splitlines()[-1])
        used = measured["peak_mib"] - measured["before_mib"]
        logits = SIZE * SIZE * depth * classes * 4 / _MIB
        rows.append({"depth": depth, "classes": classes, "used_mib": used, "logits_mib": logits, **measured})
        print(rows[-1], flush=True)
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "device": given.device,
        "slice_shape": [SIZE, SIZE],
        "spacing_mm": SPACING_MM,
        "network_spacing_mm": NETWORK_MM,
        "patch": PATCH,
        "overlap": OVERLAP,
        "rows": rows,
    }
    given.results.write_text(json.dumps(summary, indent=1) + "\n")
    given.chart.write_bytes(draw(rows))


if __name__ == "__main__":
    main()
