"""Predicates of the simulated ward: they know every code that it writes but drugs and diagnoses."""

from medpipe.ehr.mapping import read_predicates
from medpipe.ehr.units import conversion
from medpipe.simulate.ward.codes import MEDS_NAMES, QUANTITIES, meds_code_of


def test_every_quantity_is_a_variable_of_its_name_and_unit() -> None:
    predicates = read_predicates("ward")
    for name, quantity in QUANTITIES.items():
        meaning = predicates.meaning(meds_code_of(name))
        assert meaning is not None
        assert meaning.variable.name == name
        assert conversion(meaning.variable, meaning.stated_unit).is_identity
        assert conversion(meaning.variable, quantity.unit).is_identity


def test_every_event_is_known() -> None:
    predicates = read_predicates("ward")
    for name, code in MEDS_NAMES.items():
        meaning = predicates.meaning(code)
        assert meaning is not None
        assert meaning.variable.name == name
