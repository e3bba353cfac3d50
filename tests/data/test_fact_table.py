"""Facts from a table of their own."""

from pathlib import Path

import pytest

from medpipe.core.errors import SettingsError
from medpipe.data.cases import CaseSet, SegmentationCase
from medpipe.data.fact_table import with_facts


@pytest.fixture
def case_set() -> CaseSet:
    images = {name: {"image": Path(f"/{name}.nii")} for name in ("a", "b")}
    return CaseSet(
        "set", tuple(SegmentationCase(name, image, facts={"age": 70.0}) for name, image in images.items())
    )


def test_cells_become_facts_of_their_case(case_set: CaseSet, tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    table.write_text("id,mmse,site\na,28,x\nother,3,y\nb,,z\n")
    first, second = with_facts(case_set, table).cases
    assert first.facts == {"age": 70.0, "mmse": "28", "site": "x"}
    assert second.facts == {"age": 70.0, "site": "z"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,mmse\na,1\na,2\n", "scores.csv, line 3: a case stands twice"),
        ("id,mmse\nA1,1\n", "No row of scores.csv belongs to a case of set.*Ids of the data set are a, b"),
        ("case,mmse\na,1\n", "the column 'id' is missing"),
    ],
)
def test_tables_that_do_not_fit_are_refused(case_set: CaseSet, tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "scores.csv"
    table.write_text(text)
    with pytest.raises(SettingsError, match=words):
        with_facts(case_set, table)
