"""Tables of results: the same rows for people, as CSV and as JSON."""

import pytest

from medpipe.core.errors import ShapeError
from medpipe.reports.result_table import Column, Kind, ResultTable, cell_text

NAN = float("nan")
COLUMNS = (
    Column("name", "group", Kind.TEXT),
    Column("count", "patients", Kind.COUNT),
    Column("found", "episodes found", Kind.SHARE, has_interval=True),
)
TABLE = ResultTable(
    "groups",
    "By group",
    COLUMNS,
    (
        {"name": 'a, "b"', "count": 12_345, "found": (0.558, 0.539, 0.577)},
        {"name": "c", "count": 3, "found": None},
        {"name": "d", "count": 4, "found": (0.5, NAN, NAN)},
    ),
)


def test_people_read_units_and_intervals() -> None:
    assert TABLE.texts() == [
        ['a, "b"', "12\u202f345", "55.8\u202f% (53.9 to 57.7)"],
        ["c", "3", "–"],
        ["d", "4", "50.0\u202f%"],
    ]
    assert TABLE.parts()[0][2] == ("55.8\u202f%", "53.9 to 57.7")


def test_csv_has_a_column_a_bound() -> None:
    assert TABLE.csv().splitlines() == [
        "name,count,found,found_low,found_high",
        '"a, ""b""",12345,0.558,0.539,0.577',
        "c,3,,,",
        "d,4,0.5,,",
    ]


def test_json_holds_nothing_for_what_is_not_known() -> None:
    assert TABLE.data()[2] == {"name": "d", "count": 4, "found": 0.5, "found_low": None, "found_high": None}


@pytest.mark.parametrize(
    ("cell", "kind", "text"),
    [
        (0.0424, Kind.FIGURE, "0.042"),
        (-0.03, Kind.RATE, "−0.03"),
        (39.0, Kind.HOURS, "39.0\u202fh"),
        (NAN, Kind.HOURS, "–"),
        ((NAN, 0.1, 0.2), Kind.FIGURE, "–"),
        ("too few", Kind.TEXT, "too few"),
    ],
)
def test_cells_are_written_by_their_kind(cell: object, kind: Kind, text: str) -> None:
    assert cell_text(cell, kind) == text  # type: ignore[arg-type]


def test_rows_with_other_keys_are_refused() -> None:
    with pytest.raises(ShapeError, match="found count, found, other"):
        ResultTable("groups", "By group", COLUMNS, ({"name": "a", "other": 1},))
