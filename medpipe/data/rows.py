"""Tables of text: rows by column name, with the line each stands on."""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
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

    def label(self, column: str) -> float:
        """Return a cell as a label: 1 for yes, 0 for no, or the probability of yes.

        Raises:
            SettingsError: It is no number from 0 to 1 (``E_DATASET``).
        """
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if not 0 <= value <= 1:
            raise SettingsError(
                Code.E_DATASET,
                f"{self.place}: the column {column!r} takes 1 (yes), 0 (no) or a probability",
                found=repr(self.cells[column][:100]),
                fix="Leave the cell empty where the answer is unknown; decimals follow a point.",
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
    return tuple(iterate_rows(path, needs=needs))


def iterate_rows(path: Path, *, needs: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of a table that is too long to be held; see :func:`read_rows`."""
    lines = _lines(path)
    _, columns = next(lines, (0, []))
    if not columns:
        raise SettingsError(Code.E_DATASET, f"The table {path.name} is empty", fix="Name its columns first.")
    _check_columns(path.name, columns, needs)
    for line, cells in lines:
        yield _row(f"{path.name}, line {line}", columns, cells)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not empty."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            delimiter = max(_DELIMITERS, key=stream.readline().count)
            stream.seek(0)
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            for cells in reader:
                if any(cells):
                    yield reader.line_num, [cell.strip() for cell in cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(
            Code.E_DATASET,
            f"The table {path.name} cannot be read",
            found=reason or type(error).__name__,
            fix="Save it as CSV in UTF-8.",
        ) from error


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
