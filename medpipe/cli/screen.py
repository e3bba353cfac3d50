"""The screen: data on standard output, words on standard error, bars only for a terminal."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from medpipe.core.errors import MedpipeError

Progress = Callable[[str, int, int], None]

_PAD = 2
"""Characters between two columns of a table."""
_SHORT = 15
"""Cells up to this length are never broken."""
_LONG = 60
"""Columns as wide as this are read as prose."""

_PHASES = {"index": "Indexing files", "read": "Reading patients", "run": "Studies or shards"}


def print_json(data: object) -> None:
    """Print data as JSON on standard output."""
    sys.stdout.write(json.dumps(data, indent=1, ensure_ascii=False, default=str) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print a table on standard output; as tab-separated lines where it is no terminal."""
    if not sys.stdout.isatty():
        for row in [columns, *rows]:
            sys.stdout.write("\t".join(_plain(cell) for cell in row) + "\n")
        return
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    cells = [[_plain(cell) for cell in row] for row in rows]
    console = Console()
    widths = _widths(list(zip(columns, *cells, strict=True)), console.width)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column, overflow="fold", width=width)
    for row in cells:
        table.add_row(*map(escape, row))
    console.print(table)


def say(text: str) -> None:
    """Print words for people on standard error."""
    Console(stderr=True, highlight=False).print(_plain(text), markup=False, soft_wrap=True)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 file`` or ``2 files``; ``plural`` for nouns that do not end so."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def say_error(error: MedpipeError) -> None:
    """Print an error with its three parts."""
    console = Console(stderr=True, highlight=False)
    console.print(
        f"error {error.code.value}: {_plain(error.what)}", style="bold red", markup=False, soft_wrap=True
    )
    if error.found:
        console.print(f"  found: {_plain(error.found)}", markup=False, soft_wrap=True)
    if error.fix:
        console.print(f"  to do: {error.fix}", markup=False, soft_wrap=True)


@contextmanager
def progress_bars(*, quiet: bool = False) -> Iterator[Progress | None]:
    """Yield a progress callback that draws bars on a terminal; None elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def update(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(_PHASES.get(phase, phase), total=total or None)
            bars.update(tasks[phase], completed=done, total=total or None)

        yield update


def _plain(cell: object) -> str:
    """Return a cell on one line; a file's name may hold what would steer the terminal."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in " ".join(str(cell).split())
    )


def _widths(columns: Sequence[Sequence[str]], screen: int) -> list[int | None]:
    """Share out a screen so that codes, ids and sizes stay whole; prose and paths take what is left."""
    longest = [max(map(len, column)) for column in columns]
    least = [
        length if length <= _SHORT else max(map(_unbroken, column))
        for length, column in zip(longest, columns, strict=True)
    ]
    more = [max(0, min(length, _LONG) - width) for length, width in zip(longest, least, strict=True)]
    spare = screen - sum(least) - _PAD * (len(columns) - 1)
    if spare < 0:
        return [None] * len(columns)
    share = min(1.0, spare / max(1, sum(more)))
    return [width + int(wish * share) for width, wish in zip(least, more, strict=True)]


def _unbroken(cell: str) -> int:
    """Return the length of the longest word; a path may be broken anywhere."""
    return max((min(len(word), _SHORT) if "/" in word else len(word) for word in cell.split()), default=0)
