"""How long does the shipped hippocampus network take for a crop, once that is loaded?

Writes results/hippocampus_crop.json. From the volume in memory to its label map: preprocessing, network, way
back. One crop goes first and is not counted.

Run: ``python benchmarks/hippocampus_crop.py DATA``
"""

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import torch

from medpipe.data.reading import read_case
from medpipe.inference.segmenter import load_segmenter
from medpipe.training.segmentation.workflow import read_cases
from medpipe.zoo.finder import find_package

RESULTS = Path("benchmarks/results/hippocampus_crop.json")
NUM_CROPS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="Task04 of the Decathlon, or images/ and labels/")
    cases = read_cases(parser.parse_args().data).cases[: NUM_CROPS + 1]
    package = find_package("hippocampus")
    segmenter = load_segmenter(package)
    seconds = []
    for case in cases:
        volumes = read_case(case).volumes
        started = time.perf_counter()
        segmenter.segment(volumes)
        seconds.append(time.perf_counter() - started)
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "package": f"{package.manifest.name} {package.manifest.version}",
        "crops": NUM_CROPS,
        "median_s": round(statistics.median(seconds[1:]), 3),
        "slowest_s": round(max(seconds[1:]), 3),
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
