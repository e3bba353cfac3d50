"""Simulated stays as a data set: a MEDS folder, a long table of events, and a table of what is true."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow.parquet as pq

from medpipe.core.errors import ShapeError
from medpipe.io.atomic import atomic_folder, atomic_write
from medpipe.simulate.ward.codes import unit_of
from medpipe.simulate.ward.meds_tables import (
    MEDS_VERSION,
    codes_table,
    events_table,
    split_of,
    splits_table,
)
from medpipe.simulate.ward.stays import WardStay, simulated_stay

MEDS_FOLDER, EVENTS_TABLE, STAYS_TABLE = "meds", "events.csv", "stays.csv"
SHARD_SIZE: Final = 1000

EVENT_COLUMNS: Final = ("patient", "time", "code", "value", "unit")
"""Of ``events.csv``; ``time`` is hours since admission, ``value`` is empty where an event has no number."""

STAY_COLUMNS: Final = (
    *("patient", "subject_id", "split", "sex", "age", "weight_kg", "end_h", "dies"),
    *("onset_h", "peak_stage", "baseline_umol_l", "dialysis", "seed"),
)
"""Of ``stays.csv``; what follows the weight is the truth, for analysis and not for learning."""


def write_ward(folder: Path, seeds: Iterable[int], *, shard_size: int = SHARD_SIZE) -> Path:
    """Write simulated stays: a folder ``meds``, ``events.csv`` and ``stays.csv``.

    No more than a shard of stays is held in memory.

    Args:
        folder: Made if absent.
        seeds: One stay for each; the same seeds give the same bytes.
        shard_size: Patients a shard.

    Returns:
        The table of the stays.

    Raises:
        ShapeError: A shard would hold nobody, or a seed is given twice.
        MachineError: As :func:`medpipe.io.atomic.atomic_write`.
    """
    chosen = list(seeds)
    if shard_size < 1 or len(set(chosen)) < len(chosen):
        raise ShapeError(
            "Each stay has a seed of its own, each shard a stay",
            found=f"{len(chosen) - len(set(chosen))} seeds twice, {shard_size} a shard",
        )
    folder.mkdir(parents=True, exist_ok=True)
    codes: set[str] = set()
    with (
        atomic_folder(folder / MEDS_FOLDER) as meds,
        atomic_write(folder / EVENTS_TABLE) as events,
        atomic_write(folder / STAYS_TABLE) as stays,
    ):
        (meds / "data").mkdir()
        _write_rows(events, [EVENT_COLUMNS])
        _write_rows(stays, [STAY_COLUMNS])
        for number, shard in enumerate(_shards(chosen, shard_size)):
            table = events_table(shard)
            codes.update(table.column("code").unique().to_pylist())
            pq.write_table(table, meds / "data" / f"{number:05d}.parquet")
            for stay in shard:
                _write_rows(events, _event_rows(stay))
            _write_rows(stays, [_stay_row(stay) for stay in shard])
        _write_metadata(meds / "metadata", codes, chosen)
    return folder / STAYS_TABLE


def _shards(seeds: Sequence[int], size: int) -> Iterator[list[WardStay]]:
    left = iter(sorted(seeds))
    while shard := [simulated_stay(seed) for seed in islice(left, size)]:
        yield shard


def _write_metadata(folder: Path, codes: set[str], seeds: Sequence[int]) -> None:
    """Write what the folder says of itself, save when it was made: the bytes follow from the seeds."""
    folder.mkdir()
    about = {
        "dataset_name": "medpipe simulated ward",
        "dataset_version": "1",
        "etl_name": "medpipe.simulate.ward",
        "etl_version": "1",
        "meds_version": MEDS_VERSION,
        "license": "Apache-2.0",
        "code_modifier_columns": [],
    }
    (folder / "dataset.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    pq.write_table(codes_table(codes), folder / "codes.parquet")
    pq.write_table(splits_table(seeds), folder / "subject_splits.parquet")


def _event_rows(stay: WardStay) -> Iterator[Sequence[object]]:
    record = stay.record
    for time_h, code, value in zip(
        record.time_h.tolist(), record.codes.tolist(), record.values.tolist(), strict=True
    ):
        yield record.patient_id, f"{time_h:.4f}", code, "" if value != value else f"{value:g}", unit_of(code)


def _stay_row(stay: WardStay) -> Sequence[object]:
    record, truth, plan = stay.record, stay.truth, stay.plan
    onset = truth.onset_h
    return (
        *(record.patient_id, plan.seed, split_of(plan.seed)),
        *(record.statics[name] for name in ("sex", "age", "weight_kg")),
        *(f"{truth.end_h:.4f}", int(plan.dies), "" if onset != onset else f"{onset:g}", truth.peak_stage),
        *(f"{plan.patient.normal['creatinine']:.1f}", int(len(truth.dialysis_h) > 0), plan.seed),
    )


def _write_rows(stream: BinaryIO, rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    stream.write(text.getvalue().encode())
