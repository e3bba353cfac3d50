"""Does a batch of volumes take as long as its slowest part? 100 crops through the pipeline ``hippocampus``.

Writes results/batch_of_volumes.json. The parts of a volume - read, compute, write - are measured one after
the other in one process; then the same pipeline runs with one worker, which reads the next volume and writes
the last one while it computes. Its time for a volume is the slope over the moments at which studies were
finished, the first fifth left out: starting and loading are in none of the figures.

Run: ``python benchmarks/batch_of_volumes.py DATA``
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medpipe.runs.options import RunOptions
from medpipe.runs.runner import run
from medpipe.runs.workers.processor import Processor
from medpipe.training.segmentation.workflow import read_cases

RESULTS = Path("benchmarks/results/batch_of_volumes.json")
PIPELINE, PARTS = "hippocampus", ("read", "compute", "publish")


def seconds_of_parts(scans: list[Path], folder: Path) -> dict[str, float]:
    """Return the median seconds of each part of a volume, one after the other."""
    seconds: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = method(*arguments)
            seconds[name].append(time.perf_counter() - started)
            return result

        return call

    originals = {name: getattr(Processor, name) for name in PARTS}
    try:
        for name, method in originals.items():
            setattr(Processor, name, timed(name, method))
        run(PIPELINE, scans, folder, options=RunOptions("cpu", workers=0))
    finally:
        for name, method in originals.items():
            setattr(Processor, name, method)
    return {name: statistics.median(values[len(values) // 5 :]) for name, values in seconds.items()}


def seconds_in_a_batch(scans: list[Path], folder: Path) -> float:
    """Return the seconds from one finished study to the next in a run with one worker."""
    run(PIPELINE, scans, folder, options=RunOptions("cpu", workers=1))
    ends = sorted(path.stat().st_mtime for path in folder.glob("studies/*/findings.json"))
    assert len(ends) == len(scans), "not every study was finished"
    late = ends[len(ends) // 5 :]
    return float(np.polyfit(np.arange(len(late)), late, 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="Task04 of the Decathlon, or images/ and labels/")
    parser.add_argument("--count", type=int, default=100)
    given = parser.parse_args()
    scans = [next(iter(case.images.values())) for case in read_cases(given.data).cases[: given.count]]
    with tempfile.TemporaryDirectory() as scratch:
        parts = seconds_of_parts(scans, Path(scratch) / "parts")
        batch = seconds_in_a_batch(scans, Path(scratch) / "batch")
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "pipeline": PIPELINE,
        "volumes": len(scans),
        "parts_s": {name: round(value, 4) for name, value in parts.items()},
        "sum_of_parts_s": round(sum(parts.values()), 4),
        "batch_s_a_volume": round(batch, 4),
        "batch_over_slowest_part": round(batch / max(parts.values()), 3),
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
