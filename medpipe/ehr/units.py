"""Units of health records: their spellings, and the way from each to a variable's own unit."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.ehr.variables import Variable


class Conversion(NamedTuple):
    """``value * factor + offset`` is the value in the variable's own unit."""

    factor: float
    offset: float = 0.0

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return self == IDENTITY


IDENTITY: Final = Conversion(1.0)

_SPELLINGS: Final[Mapping[str, str]] = {
    "10*3/ul": "10^9/l",
    "10^3/ul": "10^9/l",
    "10e3/ul": "10^9/l",
    "10*9/l": "10^9/l",
    "10e9/l": "10^9/l",
    "k/ul": "10^9/l",
    "k/mcl": "10^9/l",
    "thou/ul": "10^9/l",
    "iu/l": "u/l",
    "cc": "ml",
    "kgs": "kg",
    "lbs": "lb",
    "sec": "s",
    "secs": "s",
    "seconds": "s",
    "mm[hg]": "mmhg",
    "torr": "mmhg",
    "c": "degc",
    "cel": "degc",
    "celsius": "degc",
    "f": "degf",
    "[degf]": "degf",
    "fahrenheit": "degf",
    "bpm": "/min",
    "beats/min": "/min",
    "breaths/min": "/min",
    "insp/min": "/min",
    "1/min": "/min",
    "percent": "%",
    "units": "1",
    "{ratio}": "1",
    "ratio": "1",
    "[ph]": "1",
}
"""Spellings in lower case without blanks. ``units`` is what MIMIC says of pH; ``K/uL`` are thousands."""

_MISSING: Final = frozenset({"", "unk", "unknown", "none", "null", "nan", "n/a"})

_MILLIGRAMS_PER_DL: Final[Mapping[str, float]] = {
    # One mg/dL in the unit of the variable: 10 / molar mass, and 1,000 times that for umol/L.
    "creatinine": 88.4,  # 113.12 g/mol (KDIGO 2012, appendix of conversions)
    "urea": 0.357,  # of urea nitrogen, as laboratories that print mg/dL do: two N of 14.007 g/mol
    "calcium": 0.2495,  # 40.078 g/mol
    "ionised_calcium": 0.2495,
    "phosphate": 0.3229,  # of phosphorus, 30.974 g/mol
    "magnesium": 0.4114,  # 24.305 g/mol
    "glucose": 0.05551,  # 180.16 g/mol
    "lactate": 0.111,  # 90.08 g/mol
    "bilirubin": 17.104,  # 584.67 g/mol
    "direct_bilirubin": 17.104,
}

_OTHER: Final[Mapping[str, Mapping[str, Conversion]]] = {
    "creatinine": {"mmol/l": Conversion(1000)},
    "urea": {"mg/dlurea": Conversion(0.1665)},  # of the whole molecule, 60.06 g/mol: said so, never guessed
    "calcium": {"meq/l": Conversion(0.5)},  # two charges
    "ionised_calcium": {"meq/l": Conversion(0.5)},
    "magnesium": {"meq/l": Conversion(0.5)},
    "haemoglobin": {"mmol/l": Conversion(16.114)},  # of the monomer with its haem, 16,114 g/mol
    "mean_cell_haemoglobin_concentration": {"%": Conversion(10)},  # MIMIC prints grams per dL as per cent
    "inspired_oxygen": {"fraction": Conversion(100)},
    "troponin_t": {"ng/ml": Conversion(1000), "ug/l": Conversion(1000), "pg/ml": IDENTITY},
    "temperature": {"degf": Conversion(5 / 9, -32 * 5 / 9)},
}

_GENERAL: Final[Mapping[str, Mapping[str, Conversion]]] = {
    # By the variable's own unit, in lower case.
    "g/l": {"g/dl": Conversion(10), "mg/dl": Conversion(0.01)},
    "mg/l": {"mg/dl": Conversion(10)},
    "ug/l": {"ng/ml": IDENTITY},
    "mmhg": {"kpa": Conversion(7.50062)},
    "ml": {"l": Conversion(1000)},
    "kg": {"g": Conversion(0.001), "lb": Conversion(0.45359237)},
}

_MONOVALENT: Final = frozenset({"sodium", "potassium", "chloride", "bicarbonate", "base_excess"})
"""Ions of one charge: 1 mEq/L is 1 mmol/L."""


def normalise_unit(unit: str) -> str:
    """Return a unit in one spelling: lower case, no blanks, ``u`` for micro; empty where it says nothing."""
    plain = re.sub(r"\s+", "", unit).lower().replace("µ", "u").replace("μ", "u").replace("²", "2")
    plain = plain.replace("mcg", "ug").replace("mcmol", "umol").replace("deg.", "deg").replace("°", "deg")
    return "" if plain in _MISSING else _SPELLINGS.get(plain, plain)


def conversions_to(variable: Variable) -> dict[str, Conversion]:
    """Return how each known unit of a variable becomes its own, by normalised unit; its own comes first."""
    own = normalise_unit(variable.unit)
    conversions = {own: IDENTITY, **_GENERAL.get(own, {}), **_OTHER.get(variable.name, {})}
    if variable.name in _MILLIGRAMS_PER_DL:
        conversions["mg/dl"] = Conversion(_MILLIGRAMS_PER_DL[variable.name])
    if variable.name in _MONOVALENT:
        conversions["meq/l"] = IDENTITY
    return conversions


def conversion(variable: Variable, unit: str) -> Conversion:
    """Return how a unit becomes the variable's own.

    Raises:
        RefusedError: The unit is not known for the variable (``E_UNIT``).
    """
    known = conversions_to(variable)
    found = known.get(normalise_unit(unit))
    if found is None:
        raise RefusedError(
            Code.E_UNIT,
            f"The unit of {variable.name} is not known",
            found=repr(unit[:40]),
            fix=f"Known are {', '.join(sorted(known))}.",
        )
    return found
