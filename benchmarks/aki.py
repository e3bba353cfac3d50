"""How fast are records imported, and networks of kidney injury trained and asked? A plain LSTM beside them.

Writes results/aki.json. Two tables:

- imports of a simulated ward, each in a process of its own: a MEDS folder of 1, 3 and 10 million events, no
  patient twice, and a long CSV of a million, to stays that a network can be trained on (harmonised, labelled,
  in steps of six hours). Memory should not grow with the events.
- passes of training and of prediction over stays of that ward: medpipe's loader, network and losses by the
  recipe that ships, as it is (SRU) and with an LSTM; and the loop that people write, torch's LSTM of as many
  layers and numbers on values carried on beside masks of what was measured, padded to the longest stay of a
  batch of as many stays, from a DataLoader, with the same optimiser and the same targets; and this loop on
  stays sorted by length.

The systems take turns in one process; one pass of each goes first and is not counted. In training all of them
keep in memory what they have read, in prediction all read the store. Figures are medians over passes, ratios
medians of the ratios to the plain loop of the same turn. A patient-step is a real step of a stay; steps of
padding are stated apart. Processor time is stated beside seconds: other work on the machine moves it less.
Lightning's own share of a training is not in it.

Run: ``python benchmarks/aki.py [FOLDER] [--millions 1 3 10] [--stays 2000] [--repeats 3]``; the folder keeps
the ward, 450 MB, and the stays, 1.3 GB, for the next time.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from ward_records.systems import Pass, all_systems
from ward_records.wards import import_rows

from medpipe.data.ragged_store import RaggedStore

RESULTS = Path("benchmarks/results/aki.json")
PLAIN = "plain LSTM"


def main() -> None:
    given = arguments()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        imports = import_rows(folder, given.millions)
        systems = all_systems(RaggedStore(folder / f"stays-{min(given.millions)}"), given.stays)
        passes = {
            "training": turns({name: system.train for name, system in systems.items()}, given.repeats),
            "prediction": turns({name: system.predict for name, system in systems.items()}, given.repeats),
        }
    summary = {
        "machine": machine(),
        "stays": given.stays,
        "repeats": given.repeats,
        "parameters": {name: system.parameters for name, system in systems.items()},
        "imports": imports,
        **{name: rows(found) for name, found in passes.items()},
    }
    given.results.write_text(json.dumps(summary, indent=1) + "\n")
    show(summary)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="by default one that is removed")
    parser.add_argument("--millions", type=int, nargs="+", default=[1, 3, 10])
    parser.add_argument("--stays", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def turns(systems: dict[str, Callable[[], Pass]], repeats: int) -> dict[str, list[Pass]]:
    """Return the passes of each system, which take turns; the first of each is left out."""
    found: dict[str, list[Pass]] = {name: [] for name in systems}
    for _ in range(repeats + 1):
        for name, system in systems.items():
            found[name].append(system())
    return {name: passes[1:] for name, passes in found.items()}


def rows(found: dict[str, list[Pass]]) -> dict[str, dict[str, float]]:
    """Return the figures of each system."""
    return {
        name: {
            "steps_a_second": median(item.steps / item.wall_s for item in passes),
            "padded_steps_a_second": median(item.padded_steps / item.wall_s for item in passes),
            "steps_a_cpu_second": median(item.steps / item.cpu_s for item in passes),
            "padded_steps_a_cpu_second": median(item.padded_steps / item.cpu_s for item in passes),
            "real_share": median(item.steps / item.padded_steps for item in passes),
            "times_plain": ratio(passes, found[PLAIN], lambda item: item.wall_s / item.steps),
            "cpu_times_plain": ratio(passes, found[PLAIN], lambda item: item.cpu_s / item.steps),
        }
        for name, passes in found.items()
    }


def median(values: Any) -> float:
    return statistics.median(values)


def ratio(passes: Sequence[Pass], plain: Sequence[Pass], cost: Callable[[Pass], float]) -> float:
    """Return how many times as many steps a second as the plain loop a system does."""
    return median(cost(other) / cost(one) for one, other in zip(passes, plain, strict=True))


def machine() -> dict[str, object]:
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "pyarrow": pa.__version__,
        "numpy": np.__version__,
    }


def show(summary: dict[str, Any]) -> None:
    print(", ".join(f"{name} {value}" for name, value in summary["machine"].items()))
    for table in ("imports", "training", "prediction"):
        columns = list(next(iter(summary[table].values())))
        print(f"\n{table:30}" + "".join(f"{name:>27}" for name in columns))
        for name, row in summary[table].items():
            print(f"{name:30}" + "".join(f"{row[key]:27,.6g}" for key in columns))


if __name__ == "__main__":
    main()
