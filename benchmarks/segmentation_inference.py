"""How long does a scan take from its file to its label map, and in how much memory?

Writes results/segmentation_inference.json. A simulated CT is read from ``.nii.gz``, resampled to the
network's spacing, normalised, predicted in tiles, brought back to its own grid and written, by medpipe's
engine and by MONAI's usual bundle steps (LoadImaged, Orientationd, Spacingd, ScaleIntensityRanged,
SlidingWindowInferer, Invertd, AsDiscreted, SaveImaged) with the same network at the same overlap. Each system
runs in a process of its own, so that its peak of memory is its own; one volume goes first and is not counted.

``random`` weights label noise: the worst case for medpipe, whose way back is fast where labels are smooth.
``bands`` adds logits that follow the intensities, so that labels have the borders of organs; its tiles cost
the same.

Run: ``python benchmarks/segmentation_inference.py [--shape 256 256 160] [--classes 3 105] [--device cpu]``
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import nn

from medpipe import load
from medpipe.core.preprocessing import Channel, Preprocessing, WindowScale
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.models.registry import build_network
from medpipe.models.unet.heads import UNetOutput
from medpipe.simulate.small_ct import small_ct

RESULTS = Path("benchmarks/results/segmentation_inference.json")
SPACING_MM = (0.8, 0.8, 0.8)
NETWORK_MM = (1.5, 1.5, 1.5)
PATCH = (96, 96, 96)
OVERLAP = 0.5
WINDOW_HU = (-160.0, 240.0)
NOISE_HU = 10.0
CHANNELS = (16, 32, 64, 128)


class Labeller(nn.Module):
    """A U-Net with random weights, with bands of intensity added to its logits where they are wanted."""

    def __init__(self, num_classes: int, *, bands: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        arguments = {"in_channels": 1, "num_classes": num_classes, "channels": CHANNELS}
        self.unet = build_network("unet", arguments)
        self._centres = torch.linspace(0.0, 1.0, num_classes) if bands else None

    def forward(self, images: torch.Tensor) -> UNetOutput:
        """Return logits."""
        logits = self.unet(images).logits
        if self._centres is not None:
            smooth = nn.functional.avg_pool3d(images, 7, stride=1, padding=3)
            centres = self._centres.to(images).view(1, -1, 1, 1, 1)
            logits = 0.01 * logits - (smooth - centres).abs() * 50.0
        return UNetOutput(logits)


@dataclass
class Clock:
    """Seconds by part."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time inside to a part."""
        started = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - started


def write_scan(path: Path, shape: tuple[int, int, int]) -> None:
    from medpipe.io.nifti import write_volume

    hu = small_ct(num_slices=shape[2], size=shape[0]).array[0, :, : shape[1]].numpy()
    noisy = np.round(hu + np.random.default_rng(0).normal(0.0, NOISE_HU, hu.shape)).astype(np.float32)
    affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
    write_volume(path, Volume(torch.from_numpy(noisy)[None], affine, "CT", Source(kind=SourceKind.MEMORY)))


def medpipe_engine(network: nn.Module, device: str) -> Callable[[Path, Path, Clock], None]:
    from medpipe.inference.preprocess import prepare
    from medpipe.inference.slabs import slab_axis
    from medpipe.inference.tiling import TileForward, Tiling, slabs_of_logits
    from medpipe.io.nifti import write_label_map

    low, high = WINDOW_HU
    channel = Channel(name="image", modality="CT", intensity=WindowScale(low_hu=low, high_hu=high))
    spec = Preprocessing(channels=(channel,), spacing_mm=NETWORK_MM, patch_shape=PATCH, multiple_of=8)
    tiling = Tiling(PATCH, overlap=OVERLAP)

    def segment(scan: Path, mask: Path, clock: Clock) -> None:
        with clock.part("read"):
            volume = load(scan)
        with clock.part("preprocess"):
            prepared = prepare({"image": volume}, spec, device=device)
        shape = prepared.images.shape[1:]
        axis = slab_axis((shape[0], shape[1], shape[2]), PATCH)
        started = time.perf_counter()
        waiting = 0.0

        def timed() -> Iterator[object]:
            nonlocal waiting
            slabs = slabs_of_logits(TileForward(network, tiling), prepared.images, axis=axis)
            while True:
                begun = time.perf_counter()
                slab = next(slabs, None)
                waiting += time.perf_counter() - begun
                if slab is None:
                    return
                yield slab

        labels = prepared.restore_slabs(timed(), axis=axis).numpy()  # type: ignore[arg-type]
        clock.seconds["forward"] += waiting
        clock.seconds["resample and argmax"] += time.perf_counter() - started - waiting
        with clock.part("write"):
            write_label_map(mask, labels, volume.affine)

    return segment


def monai_bundle(network: nn.Module, device: str) -> Callable[[Path, Path, Clock], None]:
    from monai.inferers import SlidingWindowInferer
    from monai.transforms import (
        AsDiscreted,
        Compose,
        EnsureChannelFirstd,
        Invertd,
        LoadImaged,
        Orientationd,
        SaveImaged,
        ScaleIntensityRanged,
        Spacingd,
    )

    low, high = WINDOW_HU
    load = Compose([LoadImaged("image"), EnsureChannelFirstd("image")])
    before = Compose(
        [
            Orientationd("image", axcodes="RAS"),
            Spacingd("image", pixdim=NETWORK_MM, mode="bilinear"),
            ScaleIntensityRanged("image", a_min=low, a_max=high, b_min=0.0, b_max=1.0, clip=True),
        ]
    )
    inferer = SlidingWindowInferer(PATCH, overlap=OVERLAP, mode="gaussian", sw_batch_size=1)
    back = Compose(
        [
            Invertd("pred", transform=before, orig_keys="image", nearest_interp=False, to_tensor=True),
            AsDiscreted("pred", argmax=True),
        ]
    )

    def segment(scan: Path, mask: Path, clock: Clock) -> None:
        save = SaveImaged(
            "pred", output_dir=mask.parent, output_postfix="monai", separate_folder=False, print_log=False
        )
        with clock.part("read"):
            item = load({"image": str(scan)})
        with clock.part("preprocess"):
            item = before(item)
        with clock.part("forward"), torch.inference_mode():
            image = item["image"][None].to(device)
            item["pred"] = inferer(image, lambda patches: network(patches).logits)[0]
        with clock.part("resample and argmax"):
            item = back(item)
        with clock.part("write"):
            save(item)

    return segment


SYSTEMS = {"medpipe": medpipe_engine, "MONAI bundle steps": monai_bundle}


def run_system(name: str, scan: Path, *, classes: int, bands: bool, repeats: int, device: str) -> None:
    """Print medians by part and the peak of memory as one line of JSON."""
    network = Labeller(classes, bands=bands).eval().to(device)
    segment = SYSTEMS[name](network, device)
    clocks = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats + 1):
            clock = Clock()
            segment(scan, Path(folder) / "mask.nii.gz", clock)
            clocks.append(clock)
    parts = {
        part: statistics.median(clock.seconds[part] for clock in clocks[1:]) for part in clocks[0].seconds
    }
    whole = statistics.median(sum(clock.seconds.values()) for clock in clocks[1:])
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"whole_s": whole, "parts_s": parts, "peak_mib": peak_mib}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=[256, 256, 160])
    parser.add_argument("--classes", type=int, nargs="+", default=[3, 105])
    parser.add_argument("--weights", nargs="+", default=["random", "bands"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--system", choices=list(SYSTEMS), help=argparse.SUPPRESS)
    parser.add_argument("--scan", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.system:
        (classes,), (weights,) = given.classes, given.weights
        run_system(
            given.system, given.scan, classes=classes, bands=weights == "bands",
            repeats=given.repeats, device=given.device,
        )  # fmt: skip
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        scan = Path(folder) / "scan.nii.gz"
        write_scan(scan, tuple(given.shape))
        for classes, weights, system in product(given.classes, given.weights, SYSTEMS):
            options = {
                "--system": system,
                "--scan": scan,
                "--classes": classes,
                "--weights": weights,
                "--repeats": given.repeats,
                "--device": given.device,
            }
            words = [str(word) for pair in options.items() for word in pair]
            command = [sys.executable, __file__, *words]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            measured = json.loads(done.stdout.splitlines()[-1])
            rows.append({"system": system, "classes": classes, "weights": weights, **measured})
            print(rows[-1], flush=True)
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "device": given.device,
        "shape": given.shape,
        "spacing_mm": SPACING_MM,
        "network_spacing_mm": NETWORK_MM,
        "patch": PATCH,
        "overlap": OVERLAP,
        "repeats": given.repeats,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
