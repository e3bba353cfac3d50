"""The cohort pages: every study of a run with its state and reason, 50 a page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, isfinite
from pathlib import Path
from typing import Final

from medpipe.core.errors import ShapeError
from medpipe.io.atomic import write_text
from medpipe.reports.embedded import safe_link
from medpipe.reports.label_strips import LabelPoint, LabelStrip, LabelValue, make_label_strips
from medpipe.reports.numbers import display_unit, format_number
from medpipe.reports.page import render_page
from medpipe.reports.strips import HEIGHT, WIDTH, Point, Strip, common_names, make_strips

PAGE_SIZE: Final = 50
INDEX: Final = "index.html"
STATES: Final = ("failed", "refused", "running", "pending", "flagged", "done")
"""Every state a study can be in, those that need attention first."""

_VALUE_COLUMNS: Final = 4


@dataclass(frozen=True)
class KeyValue:
    """A measured value that the page compares; ``unit`` is a UCUM code."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class CohortRow:
    """A study on the page.

    Attributes:
        study: Study id.
        state: One of ``STATES``.
        reasons: Code and message of each flag, or of why it was refused or failed.
        modality: Of its first image; empty where not known.
        form: ``"volume"``, ``"slices"`` or ``"planar"``; empty where not known.
        num_images: Images in its roles.
        values: Measured values.
        labels: Labels with their probabilities; no name twice.
        report: Path of its report relative to the page; empty for none.
        label: Where it lay in the input, for people; may be empty.
    """

    study: str
    state: str
    reasons: tuple[tuple[str, str], ...] = ()
    modality: str = ""
    form: str = ""
    num_images: int = 0
    values: tuple[KeyValue, ...] = ()
    labels: tuple[LabelValue, ...] = ()
    report: str = ""
    label: str = ""


@dataclass(frozen=True)
class CohortPage:
    """What stands above the studies.

    Attributes:
        run: Name of the run.
        pipeline: Name of the pipeline.
        skipped: Number of files that are no images, by reason.
        facts: More facts such as versions and the device, by name.
        units: What a row is, one and many of them.
        inside: Page of what the rows hold, as the words of its link and its file; None where a row is all.
    """

    run: str
    pipeline: str
    skipped: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    units: tuple[str, str] = ("study", "studies")
    inside: tuple[str, str] | None = None


@dataclass(frozen=True)
class PlacedRow:
    """A row and where it stands: ``anchor`` is its id on ``page``; ``cells`` are its key values."""

    row: CohortRow
    page: str
    anchor: str
    href: str
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class StateCount:
    """How many studies are in a state, their share, and a link to the first of them."""

    state: str
    count: int
    start: float
    share: float
    href: str


def write_cohort(rows: Sequence[CohortRow], page: CohortPage, folder: Path) -> tuple[Path, ...]:
    """Write ``index.html`` and, above 50 studies, ``index-2.html`` and so on; older pages beyond go.

    Args:
        rows: Every study of the run, in any order.
        page: What stands above them.
        folder: The run folder; report paths are relative to it.

    Returns:
        The pages, first one first.

    Raises:
        ShapeError: A state is not known, or two rows share a study id.
        MachineError: Writing failed.
    """
    _check(rows)
    columns = common_names([(v.name, v.unit) for row in rows for v in row.values], at_most=_VALUE_COLUMNS)
    placed = _place(rows, columns)
    names = [_page_name(number) for number in range(max(1, ceil(len(rows) / PAGE_SIZE)))]
    shared = {
        "cohort": page,
        "pages": names,
        "num_studies": len(rows),
        "states": _state_counts(placed),
        "columns": [(name, display_unit(unit)) for name, unit in columns],
        "strip_size": (WIDTH, HEIGHT),
        "has_images": page.inside is None,
        "has_labels": any(row.labels for row in rows),
        "num_skipped": sum(page.skipped.values()),
        "skipped": sorted(page.skipped.items()),
    }
    paths = []
    for number, name in enumerate(names):
        context = {
            **shared,
            "number": number,
            "rows": placed[number * PAGE_SIZE : (number + 1) * PAGE_SIZE],
            "strips": _strips(placed, columns) if number == 0 else (),
            "label_strips": _label_strips(placed) if number == 0 else (),
        }
        write_text(folder / name, render_page("cohort.html.j2", context, script="sort.js"))
        paths.append(folder / name)
    for stale in folder.glob("index-*.html"):
        if stale.name not in names:
            stale.unlink(missing_ok=True)
    return tuple(paths)


def _check(rows: Sequence[CohortRow]) -> None:
    for row in rows:
        if row.state not in STATES:
            raise ShapeError("The state of a study is not known", found=repr(row.state))
    twice = [study for study, count in Counter(row.study for row in rows).items() if count > 1]
    if twice:
        raise ShapeError("Each study stands on the cohort page once", found=f"{twice[0]!r} twice")


def _page_name(number: int) -> str:
    return INDEX if number == 0 else f"index-{number + 1}.html"


def _place(rows: Sequence[CohortRow], columns: Sequence[tuple[str, str]]) -> tuple[PlacedRow, ...]:
    ordered = sorted(rows, key=lambda row: (STATES.index(row.state), row.study))
    return tuple(
        PlacedRow(
            row=row,
            page=_page_name(number // PAGE_SIZE),
            anchor=f"study-{number + 1}",
            href=safe_link(row.report),
            cells=_cells(row, columns),
        )
        for number, row in enumerate(ordered)
    )


def _cells(row: CohortRow, columns: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return text and sort key of each key value; both empty where the study has none."""
    values = {(value.name, value.unit): value.value for value in row.values}
    return tuple(
        (format_number(values[column]), f"{values[column]:.9g}") if column in values else ("", "")
        for column in columns
    )


def _state_counts(placed: Sequence[PlacedRow]) -> tuple[StateCount, ...]:
    counts = Counter(item.row.state for item in placed)
    first = {item.row.state: f"{item.page}#{item.anchor}" for item in reversed(placed)}
    result, start = [], 0.0
    for state in STATES:
        share = 100 * counts[state] / max(1, len(placed))
        result.append(
            StateCount(state, counts[state], round(start, 3), round(share, 3), first.get(state, ""))
        )
        start += share
    return tuple(result)


def _strips(placed: Sequence[PlacedRow], columns: Sequence[tuple[str, str]]) -> tuple[Strip, ...]:
    points: dict[tuple[str, str], list[Point]] = {column: [] for column in columns}
    for item in placed:
        for value in item.row.values:
            column = (value.name, value.unit)
            if column in points and isfinite(value.value):
                points[column].append(Point(item.row.study, value.value, f"{item.page}#{item.anchor}"))
    return make_strips(points)


def _label_strips(placed: Sequence[PlacedRow]) -> tuple[LabelStrip, ...]:
    # In the order of the labels in the first study that has them.
    points: dict[str, list[LabelPoint]] = {}
    for item in placed:
        for label in item.row.labels:
            href = f"{item.page}#{item.anchor}"
            points.setdefault(label.name, []).append(LabelPoint(item.row.study, label, href))
    return make_label_strips(points)
