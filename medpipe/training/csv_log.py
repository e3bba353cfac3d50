"""The log of a training as CSV: one row a value, kept when a training goes on."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medpipe.io.atomic import write_text

_COLUMNS: Final = ("step", "metric", "value")


@dataclass(frozen=True)
class CsvLog:
    """``metrics.csv`` of a training: step (from 1), metric, value.

    Attributes:
        path: The file; made with its first row.
    """

    path: Path

    def append(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append the metrics of a step."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if is_new:
                writer.writerow(_COLUMNS)
            writer.writerows([step, name, repr(float(value))] for name, value in metrics.items())

    def drop_after(self, step: int) -> None:
        """Drop rows of later steps: a training that goes on from ``step`` writes them again."""
        if not self.path.exists():
            return
        lines = self.path.read_text().splitlines(keepends=True)
        kept = [line for line in lines[1:] if int(line.split(",")[0]) <= step]
        write_text(self.path, "".join([lines[0], *kept]))

    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """Return ``(step, value)`` of each metric."""
        curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
        with self.path.open(newline="") as file:
            for row in csv.DictReader(file):
                curves[row["metric"]].append((int(row["step"]), float(row["value"])))
        return dict(curves)
