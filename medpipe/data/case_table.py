"""Data sets as a plain table: one row a case."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from medpipe.data.cases import SINGLE_CHANNEL, CaseSet, SegmentationCase
from medpipe.data.members import Fact
from medpipe.data.paths import file_inside
from medpipe.data.rows import Row, read_rows

_FIELD: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class TableColumns:
    """Where a table holds what; each a column, or a pattern such as ``"image/{patient}_{number}.nii.gz"``.

    Attributes:
        id: Case ids.
        images: Paths by channel name.
        mask: Paths of label maps, empty cells for cases without; None where the table has no masks.
        patient: Whose case it is; None states that this is unknown, so that splits go by case.
        numbers: Columns whose cells are numbers or empty.
    """

    id: str = "id"
    images: Mapping[str, str] = field(default_factory=lambda: {SINGLE_CHANNEL: "image"})
    mask: str | None = "mask"
    patient: str | None = "patient"
    numbers: tuple[str, ...] = ()

    def names(self) -> Iterator[str]:
        """Yield the columns that the table must have."""
        patterns = (self.id, *self.images.values(), self.mask, self.patient)
        for pattern in filter(None, patterns):
            yield from _FIELD.findall(pattern) or [pattern]
        yield from self.numbers


DEFAULT_COLUMNS: Final = TableColumns()


def read_table(
    path: Path,
    *,
    columns: TableColumns = DEFAULT_COLUMNS,
    folder: Path | None = None,
    allow_outside: bool = False,
) -> CaseSet:
    """Read a CSV file of cases; columns that are not asked for become their facts.

    Args:
        path: The table.
        columns: Where it holds what.
        folder: Where relative paths start; the table's own folder where None.
        allow_outside: Accept absolute paths and paths that lead out of the folder.

    Raises:
        NoInputError: It has no row (``E_NO_INPUT``).
        SettingsError: A column is missing, a cell is empty, no number or a formula, a path leads out of the
            folder or to nothing, an id stands twice (``E_DATASET``).
    """
    rows = read_rows(path, needs=columns.names())
    return CaseSet(
        name=path.stem,
        cases=tuple(_case(row, columns, folder or path.parent, allow_outside) for row in rows),
    )


def _case(row: Row, columns: TableColumns, folder: Path, allow_outside: bool) -> SegmentationCase:
    def path_of(pattern: str) -> Path:
        return file_inside(folder, _filled(pattern, row), where=row.place, allow_outside=allow_outside)

    return SegmentationCase(
        id=_filled(columns.id, row),
        images={channel: path_of(pattern) for channel, pattern in columns.images.items()},
        mask=path_of(columns.mask) if columns.mask and _is_filled(columns.mask, row) else None,
        patient=_filled(columns.patient, row) if columns.patient else "",
        facts=dict(_facts(row, columns.numbers)),
    )


def _is_filled(pattern: str, row: Row) -> bool:
    """Whether a column's cell is filled; patterns have none of their own."""
    return pattern not in row.cells or bool(row.cells[pattern])


def _filled(pattern: str, row: Row) -> str:
    if _FIELD.search(pattern):
        return _FIELD.sub(lambda match: row.text(match[1]), pattern)
    return row.text(pattern)


def _facts(row: Row, numbers: Iterable[str]) -> Iterator[tuple[str, Fact]]:
    for column, text in row.cells.items():
        if text:
            yield column, row.number(column) if column in numbers else text
