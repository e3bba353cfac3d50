"""How long does a scan take from its file to its label map, and in how much memory?

Writes results/segmentation_inference.json. A simulated CT is read from ``.nii.gz``, resampled to the
network's spacing, normalised, predicted in tiles, brought back to its own grid and written:

- by medpipe's engine, images resampled linearly, and by cubic splines;
- by MONAI's usual bundle steps (LoadImaged, Orientationd, Spacingd, ScaleIntensityRanged,
  SlidingWindowInferer, Invertd, AsDiscreted, SaveImaged), on a GPU with the transforms there too;
- by nnU-Net v2's predictor, images by cubic splines as it comes, where ``--nnunet-python`` names the Python
  of an environment that has it, made by::

    python -m venv nnunet
    nnunet/bin/pip install torch==2.14.1 torchvision==0.29.1
    nnunet/bin/pip install nnunetv2==2.8.1

All have the same network with the same weights at the same overlap, without mirroring. Each runs in a process
of its own, so that its peak of memory is its own; one volume goes first and is not counted; figures are
medians. nnU-Net keeps the axes of the file, so it sees the scan from another side than the others.

``random`` weights label noise: the worst case for medpipe, whose way back is fast where labels are smooth.
``bands`` adds logits that follow the intensities, so that labels have the borders of organs.

Run: ``python benchmarks/segmentation_inference.py [--nnunet-python PYTHON] [--shape 192 192 96]
[--classes 3 105] [--device cpu]``
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import torch
from segmentation.medpipe_system import medpipe_engine
from segmentation.monai_system import monai_bundle
from segmentation.nnunet_job import write_job
from segmentation.parts import Segment, print_medians
from segmentation.setting import NETWORK_MM, OVERLAP, PATCH, SPACING_MM, Labeller, write_scan

from medpipe.core.settings import environment_with

RESULTS = Path("benchmarks/results/segmentation_inference.json")
PEER = Path(__file__).parent / "segmentation" / "nnunet_peer.py"
MEDPIPE, NNUNET = "medpipe", "nnU-Net v2"

SYSTEMS: dict[str, Callable[[Labeller, str], Segment]] = {
    MEDPIPE: medpipe_engine,
    "medpipe, cubic images": lambda network, device: medpipe_engine(network, device, interpolation="cubic"),
    "MONAI bundle steps": monai_bundle,
    "MONAI bundle steps on the device": lambda network, device: monai_bundle(
        network, device, transforms_on=device
    ),
}


def main() -> None:
    given = arguments()
    if given.system:
        (classes,), (weights,) = given.classes, given.weights
        network = Labeller(classes, bands=weights == "bands").eval().to(given.device)
        print_medians(SYSTEMS[given.system](network, given.device), given.scan, repeats=given.repeats)
        return
    if given.nnunet_python is None:
        print("nnU-Net v2 is left out: --nnunet-python names no Python that has it", flush=True)
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "device": given.device,
        "shape": given.shape,
        "spacing_mm": SPACING_MM,
        "network_spacing_mm": NETWORK_MM,
        "patch": PATCH,
        "overlap": OVERLAP,
        "repeats": given.repeats,
        "rows": measure(given),
    }
    given.results.write_text(json.dumps(summary, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", type=int, nargs=3, default=[192, 192, 96])
    parser.add_argument("--classes", type=int, nargs="+", default=[3, 105])
    parser.add_argument("--weights", nargs="+", default=["bands", "random"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--nnunet-python", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--system", choices=list(SYSTEMS), help=argparse.SUPPRESS)
    parser.add_argument("--scan", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each number of classes, weights and system, with ratios to medpipe's own."""
    names = [name for name in SYSTEMS if given.device != "cpu" or not name.endswith("on the device")]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        scan = Path(folder) / "scan.nii.gz"
        write_scan(scan, tuple(given.shape))
        for classes, weights in product(given.classes, given.weights):
            group = [{"system": name, **run_ours(name, scan, given, classes, weights)} for name in names]
            if given.nnunet_python is not None:
                group.append({"system": NNUNET, **run_nnunet(scan, given, classes, weights)})
            for row in group:
                row |= {"classes": classes, "weights": weights}
                row["times_medpipe"] = row["whole_s"] / group[0]["whole_s"]
                print(row, flush=True)
            rows += group
    return rows


def run_ours(name: str, scan: Path, given: argparse.Namespace, classes: int, weights: str) -> dict[str, Any]:
    """Measure a system of this environment in a process of its own."""
    options = {
        "--system": name,
        "--scan": scan,
        "--classes": classes,
        "--weights": weights,
        "--repeats": given.repeats,
        "--device": given.device,
    }
    return last_line([sys.executable, __file__, *(str(word) for pair in options.items() for word in pair)])


def run_nnunet(scan: Path, given: argparse.Namespace, classes: int, weights: str) -> dict[str, Any]:
    """Measure nnU-Net's predictor, in its own environment, on the same weights under its names."""
    with tempfile.TemporaryDirectory() as folder:
        job = write_job(
            Path(folder),
            scan,
            classes=classes,
            bands=weights == "bands",
            repeats=given.repeats,
            device=given.device,
        )
        # nnU-Net prints what it lacks where its folders are not named; none is used.
        unused = {f"nnUNet_{name}": folder for name in ("raw", "preprocessed", "results")}
        environment = environment_with(PYTHONPATH=str(PEER.parents[1]), **unused)
        return last_line([str(given.nnunet_python), str(PEER), str(job)], environment)


def last_line(command: list[str], environment: dict[str, str] | None = None) -> dict[str, Any]:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
