"""One import in a process of its own, so that its memory is its own: records to prepared stays.

Prints a line of JSON. The peak is the kernel's mark for this process alone (VmHWM): what getrusage states
begins with the peak of the process that started this one.

Run: ``python import_job.py RECORDS STORE PREDICATES``
"""

import json
import sys
import time
from pathlib import Path

from medpipe.training.kidney.preparation import prepare_stays
from medpipe.training.kidney.recipe import read_kidney_recipe

RECIPE = Path(__file__).resolve().parents[2] / "pipelines" / "train" / "aki.yaml"


def peak_mib() -> float:
    """Return the most memory that this process has had, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    """Import and say what it took."""
    records, store, predicates = sys.argv[1:]
    recipe = read_kidney_recipe(RECIPE)
    before_mib, cpu, started = peak_mib(), time.process_time(), time.perf_counter()
    stays = prepare_stays(recipe, Path(records), Path(store), predicates=predicates)
    figures = {
        "wall_s": time.perf_counter() - started,
        "cpu_s": time.process_time() - cpu,
        "before_mib": before_mib,
        "peak_mib": peak_mib(),
        "stays": len(stays),
        "steps": int(stays.lengths("end_h").sum()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
