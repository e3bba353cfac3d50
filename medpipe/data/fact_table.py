"""Facts of cases from a table of their own, for data sets that have no columns."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.data.cases import CaseSet
from medpipe.data.members import listed
from medpipe.data.rows import read_rows

_ID: Final = "id"


def with_facts(case_set: CaseSet, table: Path) -> CaseSet:
    """Return a data set whose cases have the cells of a table as facts, beside those that they had.

    Args:
        case_set: The cases.
        table: CSV with a column ``id``; rows of other ids are left out.

    Raises:
        SettingsError: The table cannot be read, an id stands twice, or no row belongs to a case.
    """
    rows = {}
    for row in read_rows(table, needs=(_ID,)):
        case_id = row.text(_ID)
        if case_id in rows:
            raise SettingsError(
                Code.E_DATASET,
                f"{row.place}: a case stands twice",
                found=case_id,
                fix="Keep one row a case.",
            )
        rows[case_id] = {column: text for column, text in row.cells.items() if text and column != _ID}
    if not any(case.id in rows for case in case_set.cases):
        raise SettingsError(
            Code.E_DATASET,
            f"No row of {table.name} belongs to a case of {case_set.name}",
            found=f"ids {listed(rows)}",
            fix=f"Ids of the data set are {listed(case.id for case in case_set.cases)}.",
        )
    cases = tuple(replace(case, facts={**case.facts, **rows.get(case.id, {})}) for case in case_set.cases)
    return replace(case_set, cases=cases)
