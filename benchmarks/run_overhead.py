"""Cost of the run machinery: 2,000 small studies through ``load``, against a plain loop of the same reads.

The machinery is what a run adds to indexing and reading: choice, ids, leases, states, messages between
processes, study folders and the cohort pages. Figures, masks and study pages are left out.

    python benchmarks/run_overhead.py [--studies 2000]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import nibabel
import numpy as np
import psutil

from medpipe.core.settings import parse_settings
from medpipe.runs.options import RunOptions
from medpipe.runs.pipeline import build_pipeline
from medpipe.runs.runner import run

RESULTS = Path(__file__).parent / "results" / "run_overhead.json"
PIPELINE = """
name: load-only
accepts: {image: {form: [volume]}}
stages: [{use: load}]
"""
SAMPLE_S = 0.2


def write_studies(folder: Path, count: int) -> None:
    """Write small NIfTI volumes of different content, a hundred a folder."""
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number // 100:03d}" / f"scan-{number:05d}.nii"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = rng.integers(0, 1000, (16, 18, 8)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(values, np.diag([2.0, 2.0, 3.0, 1.0])), path)


def plain_loop_s(folder: Path) -> float:
    """Time indexing and reading in a process of its own, imports apart."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from medpipe.io.load import read_series\n"
        "from medpipe.io.series import Form\n"
        "from medpipe.io.tree import index_tree\n"
        "started = time.perf_counter()\n"
        "for study in index_tree([Path(sys.argv[1])]).studies:\n"
        "    for series in study.series:\n"
        "        read_series(series, form=Form.VOLUME)\n"
        "print(time.perf_counter() - started)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


class MemoryWatch:
    """Samples the memory of this process and its workers while a run goes on."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(SAMPLE_S):
            total = me.memory_info().rss
            for child in me.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.samples.append(total / 1e6)

    def at(self, share: float) -> float:
        """Return MB at a share of the run's time."""
        return (
            self.samples[min(len(self.samples) - 1, int(share * len(self.samples)))] if self.samples else 0.0
        )


def timed_run(scans: Path, output: Path, *, durable: bool) -> tuple[float, MemoryWatch]:
    """Run the pipeline with one worker; return seconds and memory."""
    pipeline = build_pipeline(parse_settings(PIPELINE, name="benchmark"))
    with MemoryWatch() as watch:
        started = time.perf_counter()
        run(pipeline, [scans], output, options=RunOptions(device="cpu", workers=1, durable=durable))
        seconds = time.perf_counter() - started
    return seconds, watch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    count = parser.parse_args().studies
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
        write_studies(folder / "scans", count)
        write_studies(folder / "one", 1)
        start_s = timed_run(folder / "one", folder / "run-one", durable=False)[0]
        loop_s = plain_loop_s(folder / "scans")
        rows = {}
        for name, durable in (("without --durable", False), ("with --durable", True)):
            seconds, watch = timed_run(folder / "scans", folder / f"run-{durable}", durable=durable)
            again_s = timed_run(folder / "scans", folder / f"run-{durable}", durable=durable)[0]
            rows[name] = {
                "run_s": round(seconds, 2),
                "machinery_ms_a_study": round((seconds - start_s - loop_s) / count * 1000, 2),
                "again_nothing_to_do_s": round(again_s, 2),
                "memory_mb_at_25_percent": round(watch.at(0.25)),
                "memory_mb_at_95_percent": round(watch.at(0.95)),
            }
    result = {
        "studies": count,
        "start_s": round(start_s, 2),
        "index_and_read_s": round(loop_s, 2),
        "runs": rows,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{count} studies; start of a run {start_s:.1f} s; index and read alone {loop_s:.1f} s")
    print(f"{'':20} {'run':>8} {'machinery':>16} {'again':>8} {'memory 25 %':>12} {'95 %':>8}")
    for name, row in rows.items():
        print(
            f"{name:20} {row['run_s']:6.1f} s {row['machinery_ms_a_study']:8.2f} ms/study "
            f"{row['again_nothing_to_do_s']:6.1f} s {row['memory_mb_at_25_percent']:9.0f} MB "
            f"{row['memory_mb_at_95_percent']:5.0f} MB"
        )


if __name__ == "__main__":
    main()
