"""Units: spellings, conversions by variable, and those that are not known."""

import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.ehr.units import conversion, normalise_unit
from medpipe.ehr.variables import VARIABLES


@pytest.mark.parametrize(
    ("variable", "value", "unit", "expected"),
    [
        ("creatinine", 1.0, "mg/dL", 88.4),  # 10,000 / 113.12
        ("creatinine", 0.08, "mmol/L", 80.0),
        ("creatinine", 80.0, "µmol/L", 80.0),
        ("urea", 10.0, "mg/dL", 3.57),  # of nitrogen: 10 / 28.01
        ("urea", 60.06, "mg/dL urea", 10.0),  # of the molecule
        ("calcium", 10.0, "mg/dL", 2.495),  # 10 / 40.08
        ("calcium", 5.0, "mEq/L", 2.5),  # two charges
        ("phosphate", 3.0, "mg/dL", 0.9687),  # 3 * 10 / 30.974
        ("magnesium", 2.0, "mEq/L", 1.0),
        ("glucose", 180.16, "mg/dL", 10.0),
        ("sodium", 140.0, "mEq/L", 140.0),  # one charge
        ("base_excess", -3.0, "mEq/L", -3.0),
        ("temperature", 98.6, "F", 37.0),
        ("temperature", 37.0, "°C", 37.0),
        ("inspired_oxygen", 0.21, "fraction", 21.0),
        ("haemoglobin", 10.0, "g/dL", 100.0),
        ("oxygen_pressure", 10.0, "kPa", 75.0062),
        ("bilirubin", 1.0, "mg/dL", 17.1),
        ("troponin_t", 0.05, "ng/mL", 50.0),
        ("c_reactive_protein", 2.0, "mg/dL", 20.0),
        ("fibrinogen", 300.0, "mg/dL", 3.0),
        ("urine", 1.5, "L", 1500.0),
        ("weight", 100.0, "lbs", 45.359),
        ("white_cells", 8.0, "K/uL", 8.0),
        ("partial_thromboplastin_time", 30.0, "SECONDS", 30.0),
        ("ph", 7.4, "units", 7.4),
    ],
)
def test_value_in_a_unit_becomes_that_of_the_variable(
    variable: str, value: float, unit: str, expected: float
) -> None:
    factor, offset = conversion(VARIABLES[variable], unit)
    assert value * factor + offset == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("unit", ["mEq/L", "MEQ/L", " meq / l "])
def test_case_and_blanks_do_not_matter(unit: str) -> None:
    assert normalise_unit(unit) == "meq/l"


@pytest.mark.parametrize("unit", ["μmol/L", "µmol/L", "umol/l", "mcmol/L"])
def test_every_micro_is_one(unit: str) -> None:
    assert normalise_unit(unit) == "umol/l"


@pytest.mark.parametrize("unit", ["", "UNK", " none ", "null"])
def test_words_for_no_unit_are_none(unit: str) -> None:
    assert normalise_unit(unit) == ""


def test_unknown_unit_is_refused_by_variable_and_unit() -> None:
    with pytest.raises(
        RefusedError, match=r"unit of creatinine is not known: found 'mg/L/h'.*mg/dl"
    ) as caught:
        conversion(VARIABLES["creatinine"], "mg/L/h")
    assert caught.value.code is Code.E_UNIT


def test_milliequivalents_of_creatinine_are_none() -> None:
    with pytest.raises(RefusedError, match="creatinine"):
        conversion(VARIABLES["creatinine"], "mEq/L")
