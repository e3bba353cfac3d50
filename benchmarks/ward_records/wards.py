"""Simulated wards of some millions of events, as MEDS and as one long table, and their import."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from medpipe.simulate.ward.writing import EVENTS_TABLE, MEDS_FOLDER, write_ward

STAYS_A_MILLION = 3700
"""A simulated stay has 272 events."""
_JOB = Path(__file__).with_name("import_job.py")


def write_largest(folder: Path, millions: int) -> None:
    """Simulate stays of some millions of events, each another patient; what is there already is kept."""
    if not (folder / MEDS_FOLDER).exists():
        write_ward(folder, range(millions * STAYS_A_MILLION))


def meds_of(ward: Path, folder: Path, millions: int) -> int:
    """Link as many shards of a ward as hold some millions of events into a MEDS folder; return the events."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    events = 0
    for shard in sorted((ward / MEDS_FOLDER / "data").iterdir()):
        if events >= millions * 1_000_000:
            break
        os.link(shard, folder / "data" / shard.name)
        events += pq.read_metadata(shard).num_rows
    return events


def table_of(ward: Path, path: Path, millions: int) -> int:
    """Copy as many whole patients of a ward's long table as hold some millions of events."""
    wanted, events, last = millions * 1_000_000, 0, b""
    with (ward / EVENTS_TABLE).open("rb") as lines, path.open("wb") as table:
        table.write(next(lines))
        for line in lines:
            patient = line.partition(b",")[0]
            if events >= wanted and patient != last:
                break
            table.write(line)
            events, last = events + 1, patient
    return events


def imported(records: Path, store: Path, *, predicates: str, events: int) -> dict[str, Any]:
    """Import records in a process of their own and return what it took."""
    shutil.rmtree(store, ignore_errors=True)
    words = [sys.executable, str(_JOB), str(records), str(store), predicates]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    figures = json.loads(done.stdout)
    return {
        "events": events,
        "events_a_second": events / figures["wall_s"],
        "events_a_cpu_second": events / figures["cpu_s"],
        **figures,
    }


def import_rows(folder: Path, millions: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Return a row an import, by name; stores stay in the folder as ``stays-N`` for N million events."""
    ward = folder / "ward"
    write_largest(ward, max(millions))
    first = min(millions)
    table = folder / "events.csv"
    csv_events = table_of(ward, table, first)
    csv_row = imported(table, folder / "stays-csv", predicates="plain", events=csv_events)
    meds_rows = {}
    for number in millions:
        records = folder / f"meds-{number}"
        events = meds_of(ward, records, number)
        meds_rows[f"MEDS, {number} million"] = imported(
            records, folder / f"stays-{number}", predicates="ward", events=events
        )
    return dict(chain([(f"CSV, {first} million", csv_row)], meds_rows.items()))
