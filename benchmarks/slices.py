"""How many head CTs a second go from DICOM to labels? medpipe against the loop that people write.

Writes results/slices.json. Studies of 40 slices of 512 x 512 pixels, one folder each, are read, brought to
2 mm, windowed three times and answered about by a CNN of slices (tf_efficientnet_lite0) and a GRU over them:

- by medpipe from Python: index, geometry, sha256, pixels, classifier;
- by a plain loop: pydicom for each file, torchvision transforms for each slice, the same network with the
  same weights as PyTorch makes it, a study at a time;
- by that loop tuned: convolutions channels last, on a GPU in half precision by autocast;
- by the tuned loop behind a DataLoader of two processes.

All take turns in one process on the same files, which are in the page cache; one pass goes first and is not
counted. Ratios are medians over passes, each against medpipe's pass of the same turn. ``cpu_s`` is processor
time of the process and of its children. What they answer is compared on every study.

A last row is a run of the stage ``classify`` with a worker a core or a GPU, over copies of the studies: the
seconds from one finished study to the next, with findings, curve and HTML page written. On a GPU the share of
time in which it computes is stated for medpipe and the plain loop.

Run: ``python benchmarks/slices.py [--studies 8] [--repeats 7] [--runs 3] [--device cpu]``
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import torch
from head_studies.medpipe_systems import answers, run_s
from head_studies.plain_loop import PlainLoop, by_data_loader, in_turn
from head_studies.setting import NUM_SLICES, SIZE, write_random_package, write_studies
from torch import Tensor

from medpipe.inference.classifier import load_classifier
from medpipe.models.slice_aggregator.model import SliceAggregator
from medpipe.zoo.package import Package

RESULTS = Path("benchmarks/results/slices.json")
MEDPIPE, RUN, PLAIN = "medpipe", "medpipe run", "plain loop"
TUNED, LOADER = "plain loop, tuned", "plain loop, tuned, DataLoader"
COPIES = 4

System = Callable[[list[Path]], Iterator[Tensor]]


def main() -> None:
    given = arguments()
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["XDG_CONFIG_HOME"] = str(folder / "config")  # runs keep the user's key there
        write_studies(folder / "scans", given.studies, copies=COPIES)
        package = write_random_package(folder)
        scans = sorted((folder / "scans" / "0").iterdir())
        systems = all_systems(package, scans, given.device)
        rows = measure(systems, scans, given.repeats)
        if given.runs:
            runs = [run_s(package.path, folder / "scans", given.device) for _ in range(given.runs)]
            rows[RUN] = run_figures(statistics.median(runs), rows[MEDPIPE])
        busy = {}
        if given.device.startswith("cuda"):
            busy = {name: busy_share(systems[name], scans) for name in (MEDPIPE, PLAIN)}
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "device": torch.cuda.get_device_name(given.device) if busy else "cpu",
        "studies": given.studies,
        "slices": NUM_SLICES,
        "size": SIZE,
        "repeats": given.repeats,
        "rows": rows,
        "gpu_busy_share": busy,
    }
    given.results.write_text(json.dumps(summary, indent=1) + "\n")
    show(summary)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def all_systems(package: Package, scans: list[Path], device: str) -> dict[str, System]:
    """Return the systems by name, all with the weights of the package."""
    classifier = load_classifier(package, device)
    network = package.load_network(device)
    assert isinstance(network, SliceAggregator)
    read_ahead = by_data_loader(scans)
    plain = PlainLoop(network, device, is_tuned=False)
    tuned = PlainLoop(network, device, is_tuned=True)
    return {
        MEDPIPE: lambda folders: answers(classifier, folders),
        PLAIN: lambda folders: plain.answers(in_turn(folders)),
        TUNED: lambda folders: tuned.answers(in_turn(folders)),
        LOADER: lambda folders: tuned.answers(read_ahead(folders)),
    }


def measure(systems: dict[str, System], scans: list[Path], repeats: int) -> dict[str, dict[str, float]]:
    """Return figures of each system, which take turns."""
    found = {name: list(system(scans)) for name, system in systems.items()}
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(repeats):
        for name, system in systems.items():
            cpu, started = cpu_s(), time.perf_counter()
            for _ in system(scans):
                pass
            seconds[name].append((time.perf_counter() - started) / len(scans))
            cpu_seconds[name].append((cpu_s() - cpu) / len(scans))
    return {
        name: {
            "study_s": statistics.median(seconds[name]),
            "studies_a_second": 1 / statistics.median(seconds[name]),
            "times_medpipe": median_ratio(seconds[name], seconds[MEDPIPE]),
            "cpu_s": statistics.median(cpu_seconds[name]),
            "cpu_times_medpipe": median_ratio(cpu_seconds[name], cpu_seconds[MEDPIPE]),
            "range_of_answers": float(torch.cat(found[name]).max() - torch.cat(found[name]).min()),
            "largest_difference": max(
                float((one - other).abs().max())
                for one, other in zip(found[name], found[MEDPIPE], strict=True)
            ),
        }
        for name in systems
    }


def run_figures(study_s: float, ours: dict[str, float]) -> dict[str, float]:
    return {
        "study_s": study_s,
        "studies_a_second": 1 / study_s,
        "times_medpipe": study_s / ours["study_s"],
    }


def median_ratio(times: list[float], ours: list[float]) -> float:
    return statistics.median(time_ / our for time_, our in zip(times, ours, strict=True))


def cpu_s() -> float:
    """Return the processor time of this process and of its children, those that have ended included."""
    total = sum(os.times()[:4])
    for child in psutil.Process().children(recursive=True):
        times = child.cpu_times()
        total += times.user + times.system
    return total


def busy_share(system: System, scans: list[Path]) -> float:
    """Return the share of a pass in which kernels and copies keep the GPU busy."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        started = time.perf_counter()
        for _ in system(scans):
            pass
        torch.cuda.synchronize()
        whole_s = time.perf_counter() - started
    return sum(event.self_device_time_total for event in profile.key_averages()) / 1e6 / whole_s


def show(summary: dict[str, Any]) -> None:
    columns = list(summary["rows"][MEDPIPE])
    print(f"{summary['machine']}, {summary['device']}\n{'':32}" + "".join(f"{name:>20}" for name in columns))
    for name, row in summary["rows"].items():
        print(f"{name:32}" + "".join(f"{row[key]:20.3g}" if key in row else " " * 20 for key in columns))
    for name, share in summary["gpu_busy_share"].items():
        print(f"the GPU is busy for {share:.0%} of the time: {name}")


if __name__ == "__main__":
    main()
