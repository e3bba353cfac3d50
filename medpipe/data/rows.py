"""Tables of text: rows by column name, with the line each stands on."""

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import nearest

_FORMULA: Final = re.compile(r"\s*(?:[=@]|[+-]\S*[(!|])")
"""What a spreadsheet would run: ``=1+1``, ``@SUM(A1)``, ``-2+cmd|'/C calc'!A0``; not ``-2.5`` or ``-``."""

_DELIMITERS: Final = ",;\t"


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        place: File name and line, for messages.
        cells: Text by column name, without blanks around it.
    """

    place: str
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return a cell that must not be empty.

        Raises:
            SettingsError: It is empty (``E_DATASET``).
        """
        if not self.cells[column]:
            raise SettingsError(
                Code.E_DATASET, f"{self.place}: the column {column!r} is empty", fix="Fill in the cell."
            )
        return self.cells[column]

    def number(self, column: str) -> float:
        """Return a cell as a finite number.

        Raises:
            SettingsError: It is no number (``E_DATASET``).
        """
        text = self.cells[column]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise SettingsError(
                Code.E_DATASET,
                f"{self.place}: the column {column!r} takes a number",
                found=repr(text[:100]),
                fix="Leave the cell empty where the value is unknown; decimals follow a point.",
            )
        return value


def read_rows(path: Path, *, needs: Iterable[str]) -> tuple[Row, ...]:
    """Read a table of text: UTF-8, separated by commas, semicolons or tabs, the first line names columns.

    Args:
        path: The file.
        needs: Columns that must be there.

    Raises:
        SettingsError: It cannot be read, a column is missing (with the nearest name) or stands twice, a row
            has more or fewer cells than columns, or a cell holds a formula (``E_DATASET``).
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            delimiter = max(_DELIMITERS, key=stream.readline().count)
            stream.seek(0)
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(
            Code.E_DATASET,
            f"The table {path.name} cannot be read",
            found=reason or type(error).__name__,
            fix="Save it as CSV in UTF-8.",
        ) from error
    if not lines:
        raise SettingsError(Code.E_DATASET, f"The table {path.name} is empty", fix="Name its columns first.")
    _, columns = lines[0]
    _check_columns(path.name, columns, needs)
    return tuple(_row(f"{path.name}, line {line}", columns, cells) for line, cells in lines[1:])


def _check_columns(table: str, columns: list[str], needs: Iterable[str]) -> None:
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise SettingsError(
            Code.E_DATASET,
            f"{table}: a column stands twice",
            found=repr(twice[0]),
            fix="Keep one of the two.",
        )
    for column in needs:
        if column not in columns:
            raise SettingsError(
                Code.E_DATASET, f"{table}: the column {column!r} is missing", fix=nearest(column, columns)
            )


def _row(place: str, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        raise SettingsError(
            Code.E_DATASET,
            f"{place}: expected {len(columns)} cells",
            found=str(len(cells)),
            fix="Put cells that hold the separator in quotes.",
        )
    for column, cell in zip(columns, cells, strict=True):
        if _FORMULA.match(cell):
            raise SettingsError(
                Code.E_DATASET,
                f"{place}: the column {column!r} holds a formula",
                found=repr(cell[:100]),
                fix="Save the table with values instead.",
            )
    return Row(place, dict(zip(columns, cells, strict=True)))
