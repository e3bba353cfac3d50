"""Totals of a run over health records, from the counts and stays of its finished shards."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet

from medpipe.io.study_folder import TABLES
from medpipe.runs.kidney_shards.counts import COUNTS, LEFT_OUT
from medpipe.runs.kidney_shards.tables import STAYS

_NUMBERS = ("patients", "records", "stays", "steps", "alerted_stays", "alerts", "stays_with_onset")


@dataclass(frozen=True)
class KidneyTotals:
    """Sums over the finished shards of a run.

    Attributes:
        shards: How many they are.
        model: Name and version of the package.
        alert_horizon_h: Horizon of the alerts.
        threshold: Least risk of an alert.
        policy: Threshold, refractory hours and limit, in words.
        numbers: Patients, records, stays, steps, stays with an alert, alerts and stays with a known injury.
        rows: Rows read, kept, of refused patients.
        left_out: Rows left out, by reason.
        unknown_codes: Rows of codes that are not known, by code.
        refused: Patient, code and message of each record that is refused.
    """

    shards: int
    model: str
    alert_horizon_h: float
    threshold: float
    policy: str
    numbers: dict[str, int]
    rows: dict[str, int]
    left_out: dict[str, int]
    unknown_codes: dict[str, int]
    refused: tuple[tuple[str, str, str], ...]

    def data(self) -> dict[str, Any]:
        """Return the totals as plain data; of refused patients their number."""
        return {
            "model": self.model,
            "alerts_of": {"horizon_h": self.alert_horizon_h, "threshold": self.threshold},
            **self.numbers,
            "refused_records": len(self.refused),
            "rows": {**self.rows, "left_out": self.left_out},
            "unknown_codes": self.unknown_codes,
        }

    def rows_for_people(self) -> tuple[tuple[str, int], ...]:
        """Return what is worth a line, in words, with its number."""
        return (
            *((name.replace("_", " "), count) for name, count in self.numbers.items()),
            ("refused records", len(self.refused)),
            ("rows read", self.rows["read"]),
            ("rows kept", self.rows["kept"]),
            *((f"rows left out: {LEFT_OUT[name]}", count) for name, count in self.left_out.items() if count),
        )


def read_totals(studies: Path) -> KidneyTotals | None:
    """Return the totals of the finished shards of a run; None where there is none.

    Args:
        studies: The folder of their folders.
    """
    counts = [json.loads(path.read_bytes()) for path in sorted(studies.glob(f"shard-*/{COUNTS}"))]
    if not counts:
        return None
    first = counts[-1]["alerts_of"]
    left_out: Counter[str] = Counter()
    unknown_codes: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for one in counts:
        left_out.update(one["rows"]["left_out"])
        unknown_codes.update(one["unknown_codes"])
        rows.update({name: one["rows"][name] for name in ("read", "kept", "of_refused_patients")})
    return KidneyTotals(
        shards=len(counts),
        model=counts[-1]["model"],
        alert_horizon_h=first["horizon_h"],
        threshold=first["threshold"],
        policy=_policy(first),
        numbers={name: sum(one[name] for one in counts) for name in _NUMBERS},
        rows=dict(rows),
        left_out=dict(left_out),
        unknown_codes=dict(sorted(unknown_codes.items(), key=lambda item: (-item[1], item[0]))),
        refused=tuple(
            (item["patient"], item["code"], item["message"]) for one in counts for item in one["refused"]
        ),
    )


def read_stays(studies: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folder of its shard and the row of each stay of the finished shards."""
    for path in sorted(studies.glob(f"shard-*/{TABLES}/{STAYS}.parquet")):
        for row in pyarrow.parquet.read_table(path).to_pylist():
            yield path.parents[1], row


def _policy(alerts_of: dict[str, Any]) -> str:
    limit = alerts_of["max_per_day"]
    return (
        f"risk of {alerts_of['threshold']:.3g} or more within {alerts_of['horizon_h']:g} h, "
        f"none for {alerts_of['refractory_h']:g} h after one"
        + (f", at most {limit} in 24 h" if limit is not None else "")
    )
