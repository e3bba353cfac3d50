"""The variables that health records are read into, each in one unit and within limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class VariableKind(StrEnum):
    """How several entries of one time go together."""

    LEVEL = "level"
    """A measured level, such as a laboratory value: the median stands for several."""
    AMOUNT = "amount"
    """An amount since the entry before, such as urine: amounts of several sources add up."""
    EVENT = "event"
    """Something that happened, such as dialysis: no number, and once is enough."""


@dataclass(frozen=True)
class Variable:
    """What a code of a source may mean.

    Attributes:
        name: Plain English in snake case.
        unit: The unit of every value in a record; empty for events, ``"1"`` for ratios.
        low: Smallest value that is believed, in that unit.
        high: Largest value that is believed, in that unit.
        kind: How several entries of one time go together.
        is_lab: Whether a laboratory measures it in blood.
    """

    name: str
    unit: str
    low: float = 0.0
    high: float = 0.0
    kind: VariableKind = VariableKind.LEVEL
    is_lab: bool = False

    @property
    def is_additive(self) -> bool:
        """Whether values of one time add up."""
        return self.kind is VariableKind.AMOUNT

    @property
    def is_event(self) -> bool:
        """Whether it has no number."""
        return self.kind is VariableKind.EVENT


# Limits part artefacts from illness: they follow those of ricu 0.6 (the dictionary behind YAIB), widened to
# what survivors are reported with where ricu cuts real patients off. They are no normal ranges.
_RENAL: Final = (
    # Creatinine of 0 is an empty cell, 0.1 mg/dL (8.8 umol/L) the least that laboratories print; above
    # 2,500 umol/L (28 mg/dL) stand other units and typing errors.
    Variable("creatinine", "umol/L", 8, 2500, is_lab=True),
    Variable("urea", "mmol/L", 0.3, 120, is_lab=True),  # ricu: BUN 0-200 mg/dL; 242 occurs in MIMIC-III
    Variable("sodium", "mmol/L", 90, 200, is_lab=True),  # ricu: 110-165
    Variable("potassium", "mmol/L", 1, 15, is_lab=True),  # ricu: 0-10
    Variable("chloride", "mmol/L", 50, 160, is_lab=True),  # ricu: 80-130; 73 and 140 occur in MIMIC-III
    Variable("calcium", "mmol/L", 0.5, 5, is_lab=True),  # ricu: 4-20 mg/dL
    Variable("phosphate", "mmol/L", 0.05, 10, is_lab=True),  # ricu: 0-40 mg/dL
)

_CHEMISTRY: Final = (
    Variable("albumin", "g/L", 3, 80, is_lab=True),  # ricu: 0-6 g/dL
    Variable("alkaline_phosphatase", "U/L", 1, 10_000, is_lab=True),
    Variable("alanine_aminotransferase", "U/L", 0, 50_000, is_lab=True),
    Variable("aspartate_aminotransferase", "U/L", 0, 50_000, is_lab=True),
    Variable("base_excess", "mmol/L", -40, 40, is_lab=True),  # ricu: -25 to 25; -29 occurs in MIMIC-III
    Variable("bicarbonate", "mmol/L", 1, 65, is_lab=True),  # ricu: 5-50
    Variable("bilirubin", "umol/L", 0, 1710, is_lab=True),  # ricu: 0-100 mg/dL
    Variable("direct_bilirubin", "umol/L", 0, 855, is_lab=True),  # ricu: 0-50 mg/dL
    Variable("ionised_calcium", "mmol/L", 0.2, 3, is_lab=True),  # ricu: 0.5-2
    Variable("creatine_kinase", "U/L", 0, 500_000, is_lab=True),
    Variable("creatine_kinase_mb", "ug/L", 0, 5_000, is_lab=True),
    Variable("c_reactive_protein", "mg/L", 0, 1_000, is_lab=True),
    Variable("glucose", "mmol/L", 0.3, 80, is_lab=True),  # ricu: 0-1,000 mg/dL; 1,350 occurs in MIMIC-III
    Variable("lactate", "mmol/L", 0.05, 50, is_lab=True),  # ricu: 0-50
    Variable("magnesium", "mmol/L", 0.1, 8, is_lab=True),  # ricu: 0.5-5 mg/dL; infusions reach far more
    Variable("troponin_t", "ng/L", 0, 100_000, is_lab=True),
)

_BLOOD_COUNT: Final = (
    Variable("band_neutrophils", "%", 0, 100, is_lab=True),
    Variable("fibrinogen", "g/L", 0.05, 15, is_lab=True),  # ricu: 0-1,500 mg/dL
    Variable("haemoglobin", "g/L", 10, 250, is_lab=True),  # ricu: 4-18 g/dL
    Variable("inr", "1", 0.3, 50, is_lab=True),
    Variable("lymphocytes", "%", 0, 100, is_lab=True),
    Variable("mean_cell_haemoglobin", "pg", 5, 60, is_lab=True),
    Variable("mean_cell_haemoglobin_concentration", "g/L", 150, 500, is_lab=True),  # ricu: 20-50 %
    Variable("mean_cell_volume", "fL", 40, 160, is_lab=True),  # ricu: 50-150
    Variable("neutrophils", "%", 0, 100, is_lab=True),
    Variable("platelets", "10^9/L", 0, 3_000, is_lab=True),  # ricu: 5-1,200
    Variable("partial_thromboplastin_time", "s", 5, 400, is_lab=True),
    Variable("white_cells", "10^9/L", 0, 1_000, is_lab=True),  # leukaemia: 470 occurs in eICU
)

_BLOOD_GAS: Final = (
    Variable("methaemoglobin", "%", 0, 100, is_lab=True),
    Variable("carbon_dioxide_pressure", "mmHg", 5, 250, is_lab=True),  # ricu: 10-150
    Variable("ph", "1", 6.3, 8.0, is_lab=True),  # ricu: 6.8-8; 6.8 is survived
    Variable("oxygen_pressure", "mmHg", 10, 800, is_lab=True),  # ricu: 40-600
)

_BEDSIDE: Final = (
    Variable("diastolic_pressure", "mmHg", 1, 250),  # ricu: 0-200; 0 is a disconnected line
    Variable("mean_pressure", "mmHg", 1, 300),  # ricu: 0-250
    Variable("systolic_pressure", "mmHg", 1, 350),  # ricu: 0-300
    Variable("heart_rate", "/min", 0, 350),  # ricu: 0-300; 0 is asystole
    Variable("respiratory_rate", "/min", 0, 120),  # ricu: 0-120
    Variable("inspired_oxygen", "%", 21, 100),  # ricu: 21-100
    Variable("oxygen_saturation", "%", 20, 100),  # ricu: 50-100; 41 occurs in MIMIC-III
    Variable("temperature", "degC", 20, 45),  # ricu: 32-42; deep hypothermia is survived
    Variable("urine", "mL", 0, 7_000, VariableKind.AMOUNT),  # ricu: 0-7,000
    Variable("weight", "kg", 20, 400),  # adults; ricu: 1-500
)

_EVENTS: Final = tuple(
    Variable(name, "", kind=VariableKind.EVENT) for name in ("dialysis", "admission", "discharge", "death")
)

VARIABLES: Final[Mapping[str, Variable]] = MappingProxyType(
    {
        variable.name: variable
        for variable in (*_RENAL, *_CHEMISTRY, *_BLOOD_COUNT, *_BLOOD_GAS, *_BEDSIDE, *_EVENTS)
    }
)
"""Every variable by name."""
