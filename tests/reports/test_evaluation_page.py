"""Pages of evaluations: everything is on them, and nothing of it is markup."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from medpipe.core.case import Figure
from medpipe.core.findings import NOT_FOR_DIAGNOSIS
from medpipe.reports.evaluation import EvaluationPage, EvaluationSection, write_evaluation
from medpipe.reports.result_table import Column, Kind, ResultTable

EVIL = "<script>alert(1)</script>"
TABLE = ResultTable(
    "groups",
    "By unit",
    (Column("unit", "unit", Kind.TEXT), Column("found", "found", Kind.SHARE, has_interval=True)),
    ({"unit": EVIL, "found": (0.5, 0.4, 0.6)}, {"unit": "CCU", "found": None}),
    note="Too few: fewer than 10.",
)
CHART = Figure("roc", "ROC curves", "Sensitivity.", b"RIFF", "ROC curves of <b>one</b>")


def test_page_shows_tables_charts_and_facts_escaped(tmp_path: Path, read_page: Callable[[Path], Any]) -> None:
    section = EvaluationSection("alerts", "Alerts", "What it gives.", "How.", (TABLE,), (CHART,))
    page = EvaluationPage("kidney injury", EVIL, {"Patients": "3"}, [section], {"seed": "0"})
    write_evaluation(page, tmp_path / "e.html")
    found = read_page(tmp_path / "e.html")
    found.assert_safe()
    assert not found.all("script")
    assert found.text.count(EVIL) == 3  # in the title, as heading, in the table
    for words in ("50.0\u202f%", "0.4", "Too few", "What it gives.", "How.", "seed", NOT_FOR_DIAGNOSIS):
        assert words.replace("0.4", "40.0 to 60.0") in found.text
    assert [tag["alt"] for tag in found.all("img")] == [CHART.alt]
    assert "#alerts" in [tag["href"] for tag in found.all("a")]


def test_page_without_rows_says_so(tmp_path: Path, read_page: Callable[[Path], Any]) -> None:
    empty = ResultTable("groups", "By unit", TABLE.columns, ())
    page = EvaluationPage("kidney injury", "p", {}, [EvaluationSection("s", "S", tables=(empty,))])
    write_evaluation(page, tmp_path / "e.html")
    assert "Nothing to show." in read_page(tmp_path / "e.html").text
