"""The page of an evaluation: facts, tables of results and charts in one self-contained file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medpipe.core.case import Figure
from medpipe.io.atomic import write_text
from medpipe.reports.embedded import embed_chart
from medpipe.reports.page import render_page
from medpipe.reports.result_table import Kind, ResultTable


@dataclass(frozen=True)
class EvaluationSection:
    """A panel of the page.

    Attributes:
        id: Anchor, of letters and hyphens.
        title: Heading.
        text: What it shows, one or two sentences; may be empty.
        how_to_read: What a reader must know; may be empty.
        tables: Shown first.
        figures: Charts, shown below.
    """

    id: str
    title: str
    text: str = ""
    how_to_read: str = ""
    tables: tuple[ResultTable, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class EvaluationPage:
    """An evaluation.

    Attributes:
        kind: What was judged, such as ``"kidney injury"``.
        title: Name of what was judged.
        glance: Few facts at the top, by name.
        facts: More facts, by name.
        sections: Panels in order.
    """

    kind: str
    title: str
    glance: Mapping[str, str]
    sections: Sequence[EvaluationSection]
    facts: Mapping[str, str] = field(default_factory=dict)


def write_evaluation(page: EvaluationPage, path: Path) -> None:
    """Write the page of an evaluation; all of it is escaped, and it has no scripts.

    Args:
        page: What it shows.
        path: The HTML file.

    Raises:
        MachineError: Writing failed.
    """
    sections = [
        {
            "section": section,
            "tables": [
                (table, [_heading(table, i) for i in range(len(table.columns))], table.parts())
                for table in section.tables
            ],
            "pictures": [embed_chart(figure) for figure in section.figures],
        }
        for section in page.sections
    ]
    write_text(path, render_page("evaluation.html.j2", {"page": page, "panels": sections}))


def _heading(table: ResultTable, number: int) -> tuple[str, bool]:
    """Return the heading of a column and whether it holds numbers."""
    column = table.columns[number]
    return column.heading, column.kind != Kind.TEXT
