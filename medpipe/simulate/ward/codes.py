"""The codes of the ward's events: unit, decimals, and how far what is measured scatters."""

from dataclasses import dataclass
from typing import Final

DRUG, DIAGNOSIS, PROCEDURE = "drug", "diagnosis", "procedure"
"""Kinds of the codes that bear a name, such as ``drug//vancomycin``, and no number."""

ADMISSION, DISCHARGE, DEATH = "admission", "discharge", "death"
"""Plain events, like :data:`DIALYSIS`: no number either."""

DIALYSIS: Final = "dialysis"
"""Begins a session."""


@dataclass(frozen=True)
class Quantity:
    """Something measured.

    Attributes:
        kind: ``LAB``, ``VITAL`` or ``OUTPUT``, as MEDS codes begin.
        unit: Of the values.
        decimals: To which it is reported.
        analytical_cv: Scatter of the measurement, a share of the value.
        within_cv: Slow scatter within a steady patient, a share of the value.
        lowest: Below which nothing is reported.
    """

    kind: str
    unit: str
    decimals: int
    analytical_cv: float
    within_cv: float
    lowest: float = 0.0


QUANTITIES: Final[dict[str, Quantity]] = {
    "creatinine": Quantity("LAB", "umol/L", 0, 0.018, 0.0, 18.0),
    "urea": Quantity("LAB", "mmol/L", 1, 0.030, 0.100, 0.7),
    "sodium": Quantity("LAB", "mmol/L", 0, 0.007, 0.012, 105.0),
    "potassium": Quantity("LAB", "mmol/L", 1, 0.025, 0.060, 1.8),
    "chloride": Quantity("LAB", "mmol/L", 0, 0.008, 0.010, 70.0),
    "bicarbonate": Quantity("LAB", "mmol/L", 0, 0.020, 0.040, 4.0),
    "calcium": Quantity("LAB", "mmol/L", 2, 0.009, 0.020, 1.2),
    "phosphate": Quantity("LAB", "mmol/L", 2, 0.030, 0.070, 0.2),
    "lactate": Quantity("LAB", "mmol/L", 1, 0.050, 0.150, 0.3),
    "white_cells": Quantity("LAB", "10^9/L", 1, 0.030, 0.110, 0.1),
    "haemoglobin": Quantity("LAB", "g/L", 0, 0.012, 0.028, 30.0),
    "c_reactive_protein": Quantity("LAB", "mg/L", 0, 0.040, 0.200, 1.0),
    "heart_rate": Quantity("VITAL", "/min", 0, 0.030, 0.090, 25.0),
    "systolic_pressure": Quantity("VITAL", "mmHg", 0, 0.040, 0.060, 40.0),
    "mean_pressure": Quantity("VITAL", "mmHg", 0, 0.040, 0.060, 25.0),
    "temperature": Quantity("VITAL", "degC", 1, 0.004, 0.006, 33.0),
    "weight": Quantity("VITAL", "kg", 1, 0.005, 0.0, 30.0),
    "urine": Quantity("OUTPUT", "mL", 0, 0.080, 0.250, 0.0),
}
"""What is measured, by code.

The ``analytical_cv`` of creatinine is greater than the 1.1 % of the source, for what changes from hour to
hour: meals, posture, the way the sample is taken. Its slow scatter is that of filtration.

Source:
    Creatinine 5.2 % within persons, 1.1 % analytical: "Biological variation and reference change value of the
    estimated glomerular filtration rate in humans", Frontiers in Medicine 2022. The other salts, urea:
    less than 2 % (sodium, chloride, calcium), 3-4 % (bicarbonate), 5-7 % (potassium, phosphate), 9-12 %
    (urea) in "Biological and analytic components of variation in long-term studies of serum constituents in
    normal subjects"; analytical scatter about half of these (Lacher et al. 2005, "Estimate of biological
    variation of laboratory analytes based on NHANES III"), less where automated methods do better. The rest:
    medpipe's.
"""

MEDS_NAMES: Final = {
    ADMISSION: "HOSPITAL_ADMISSION",
    DISCHARGE: "HOSPITAL_DISCHARGE",
    DEATH: "MEDS_DEATH",
    DIALYSIS: "PROCEDURE//dialysis",
}
MEDS_UNITS: Final = {"/min": "bpm"}
"""A slash would run into those that part a MEDS code."""

LABS: Final = tuple(code for code, quantity in QUANTITIES.items() if quantity.kind == "LAB")
VITALS: Final = ("heart_rate", "systolic_pressure", "mean_pressure", "temperature")


def unit_of(code: str) -> str:
    """Return the unit of a code's values, empty where it has none."""
    quantity = QUANTITIES.get(code)
    return quantity.unit if quantity else ""


def meds_code_of(code: str) -> str:
    """Return the code as MEDS data sets write it, such as ``LAB//creatinine//umol/L``."""
    if code in MEDS_NAMES:
        return MEDS_NAMES[code]
    if code in QUANTITIES:
        quantity = QUANTITIES[code]
        return f"{quantity.kind}//{code}//{MEDS_UNITS.get(quantity.unit, quantity.unit)}"
    kind, _, name = code.partition("//")
    return f"{kind.upper()}//{name}"
