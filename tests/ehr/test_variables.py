"""Variables: names, units and limits that belong together."""

import re

import pytest

from medpipe.ehr.mapping import read_predicates
from medpipe.ehr.units import IDENTITY, conversion
from medpipe.ehr.variables import VARIABLES, Variable


@pytest.mark.parametrize("variable", VARIABLES.values(), ids=str)
def test_variable_is_named_in_snake_case_and_has_room_for_values(variable: Variable) -> None:
    assert re.fullmatch(r"[a-z][a-z_]+", variable.name)
    assert variable.is_event or variable.low < variable.high


@pytest.mark.parametrize(
    "variable", [item for item in VARIABLES.values() if not item.is_event], ids=lambda item: item.name
)
def test_own_unit_needs_no_conversion(variable: Variable) -> None:
    assert conversion(variable, variable.unit) == IDENTITY


def test_the_columns_of_yaib_weight_and_four_events_are_all_there_is() -> None:
    of_yaib = {meaning.variable.name for meaning in read_predicates("yaib").codes.values()}
    assert len(of_yaib) == 48
    assert set(VARIABLES) - of_yaib == {"weight", "dialysis", "admission", "discharge", "death"}


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("creatinine", "umol/L"),
        ("urea", "mmol/L"),
        ("sodium", "mmol/L"),
        ("potassium", "mmol/L"),
        ("chloride", "mmol/L"),
        ("calcium", "mmol/L"),
        ("phosphate", "mmol/L"),
        ("urine", "mL"),
        ("dialysis", ""),
    ],
)
def test_variables_of_the_kidney_have_the_units_that_the_rules_count_in(name: str, unit: str) -> None:
    assert VARIABLES[name].unit == unit


def test_urine_adds_up_and_creatinine_does_not() -> None:
    assert VARIABLES["urine"].is_additive
    assert not VARIABLES["creatinine"].is_additive
