"""Tables of results: one set of rows as text for people, as CSV and as JSON."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isnan
from typing import Any

from medpipe.core.errors import ShapeError
from medpipe.reports.numbers import MINUS, NARROW_SPACE, format_number

Bounded = tuple[float, float, float]
"""A value with the lower and the upper bound of its interval; NaN where not known."""

Cell = str | int | float | Bounded | None
"""None and NaN stand for what is not known."""

NOT_KNOWN = "–"


class Kind(StrEnum):
    """How a column is written for people."""

    TEXT = "text"
    COUNT = "count"
    SHARE = "share"
    """In percent, with one decimal."""
    FIGURE = "figure"
    """With three decimals."""
    HOURS = "hours"
    """With one decimal."""
    RATE = "rate"
    """With two decimals."""


_DECIMALS = {Kind.SHARE: 1, Kind.FIGURE: 3, Kind.HOURS: 1, Kind.RATE: 2}


@dataclass(frozen=True)
class Column:
    """A column: its key in files, its heading for people, how it is written, whether cells have intervals."""

    key: str
    heading: str
    kind: Kind = Kind.FIGURE
    has_interval: bool = False


@dataclass(frozen=True)
class ResultTable:
    """A table of results.

    Attributes:
        name: Of its CSV file and its JSON key.
        title: Heading for people.
        columns: In order.
        rows: Cells by column key; every row has every key.
        note: What a reader must know to read it; may be empty.

    Raises:
        ShapeError: A row has other keys than the columns.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Cell], ...]
    note: str = ""

    def __post_init__(self) -> None:
        keys = {column.key for column in self.columns}
        for row in self.rows:
            if row.keys() != keys:
                odd = sorted(keys ^ row.keys())
                raise ShapeError(f"Rows of {self.name} have the keys of its columns", found=", ".join(odd))

    def parts(self) -> list[list[tuple[str, str]]]:
        """Return value and interval of each cell for people; the latter is empty where there is none."""
        return [[cell_parts(row[column.key], column.kind) for column in self.columns] for row in self.rows]

    def texts(self) -> list[list[str]]:
        """Return the cells of each row for people."""
        return [[cell_text(row[column.key], column.kind) for column in self.columns] for row in self.rows]

    def csv(self) -> str:
        """Return the rows as CSV; an interval takes two more columns, what is not known is empty."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([key for column in self.columns for key in _keys(column)])
        for row in self.rows:
            writer.writerow([item for column in self.columns for item in _parts(row[column.key], column)])
        return stream.getvalue()

    def data(self) -> list[dict[str, Any]]:
        """Return the rows as JSON would hold them, keys as in the CSV."""
        return [
            {
                key: None if item == "" else item
                for column in self.columns
                for key, item in zip(_keys(column), _parts(row[column.key], column), strict=True)
            }
            for row in self.rows
        ]


def cell_text(cell: Cell, kind: Kind) -> str:
    """Return a cell for people on one line, such as ``"55.8 % (53.9 to 57.7)"``."""
    value, interval = cell_parts(cell, kind)
    return f"{value} ({interval})" if interval else value


def cell_parts(cell: Cell, kind: Kind) -> tuple[str, str]:
    """Return the value of a cell for people, and its interval; the latter is empty where there is none."""
    if cell is None or (isinstance(cell, float) and isnan(cell)):
        return NOT_KNOWN, ""
    if isinstance(cell, str):
        return cell, ""
    if isinstance(cell, tuple):
        value, low, high = cell
        is_bounded = not (isnan(value) or isnan(low))
        interval = f"{_number(low, kind)} to {_number(high, kind)}" if is_bounded else ""
        return cell_parts(value, kind)[0], interval
    return (format_number(cell) if kind in (Kind.COUNT, Kind.TEXT) else _number(cell, kind) + _unit(kind)), ""


def _number(value: float, kind: Kind) -> str:
    scaled = 100 * value if kind == Kind.SHARE else value
    return f"{scaled:.{_DECIMALS[kind]}f}".replace("-", MINUS)


def _unit(kind: Kind) -> str:
    return {Kind.SHARE: f"{NARROW_SPACE}%", Kind.HOURS: f"{NARROW_SPACE}h"}.get(kind, "")


def _keys(column: Column) -> Sequence[str]:
    return (column.key, f"{column.key}_low", f"{column.key}_high") if column.has_interval else (column.key,)


def _parts(cell: Cell, column: Column) -> list[Any]:
    """Return a cell's numbers, one a key; empty text for what is not known."""
    cells: list[Cell] = list(cell) if isinstance(cell, tuple) else [cell]
    cells += [None] * (len(_keys(column)) - len(cells))
    return ["" if item is None or (isinstance(item, float) and isnan(item)) else item for item in cells]
