"""True blood chemistry and urine, hour by hour: salts and urea that foretell creatinine.

Creatinine and urea are what a compartment holds; salts follow targets that tubules, filtration, circulation
and other salts set. Tubules suffer before filtration falls, so potassium, phosphate, bicarbonate and urine
move first.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.simulate.ward.circulation import Circulation
from medpipe.simulate.ward.kinetics import ML_MIN_TO_L_H, lagged, one_compartment
from medpipe.simulate.ward.patient import Patient

UREA_SHARE: Final = 0.55
"""Of the filtered urea that is excreted; tubules take the rest back, more of it where blood flow is low."""

CREATININE_DIALYSIS_L_H, UREA_DIALYSIS_L_H = 9.6, 12.0
"""Clearance by haemodialysis: about 160 and 200 mL/min."""

POTASSIUM_BY_TUBULES, POTASSIUM_BY_FILTRATION = 1.1, 1.3
PHOSPHATE_BY_TUBULES, PHOSPHATE_BY_FILTRATION = 0.50, 1.10
ACID_BY_TUBULES, ACID_BY_FILTRATION, ACID_BY_LACTATE = 5.0, 4.0, 0.9
SODIUM_BY_TUBULES, CALCIUM_BY_PHOSPHATE, CHLORIDE_BY_BICARBONATE = -4.0, -0.22, -0.45
POTASSIUM_BY_ACID: Final = 0.05
"""Shifts in mmol/L where function is lost wholly; the last four for each mmol/L of what they name.

Source:
    Signs: hyperkalaemia, hyperphosphataemia, acidosis, low sodium and low calcium in acute kidney injury, in
    every textbook; chloride falls and rises against bicarbonate to keep the charge. Sizes: medpipe's.
"""

LAG_H: Final = 9.0
"""Time constant of the salts."""

URINE_ML_KG_H: Final = 1.05
URINE_BY_FLOW: Final = 0.55
"""Of a healthy adult; share lost where the kidney's blood flow fails."""


@dataclass(frozen=True, eq=False)
class Kidney:
    """How the kidney works in time, each ``(T,)``.

    Attributes:
        gfr_ml_min: Filtration.
        filtration: As a share of that before the stay.
        tubules: What tubules can do, 0 to 1.
        dialysis: Share of each hour in dialysis.
    """

    gfr_ml_min: Array
    filtration: Array
    tubules: Array
    dialysis: Array


def creatinine_umol_l(patient: Patient, kidney: Kidney) -> Array:
    """Return ``(T,)`` the true creatinine; what is made balances what is cleared before the stay."""
    normal = patient.normal["creatinine"]
    made = normal * patient.gfr_ml_min * ML_MIN_TO_L_H
    clearance = kidney.gfr_ml_min * ML_MIN_TO_L_H + CREATININE_DIALYSIS_L_H * kidney.dialysis
    hours = np.full(len(clearance), made)
    return one_compartment(normal, generation_per_h=hours, clearance_l_h=clearance, volume_l=patient.water_l)


def urea_mmol_l(patient: Patient, kidney: Kidney, circulation: Circulation) -> Array:
    """Return ``(T,)`` the true urea: more is made in infection, more taken back where blood flow is low."""
    normal = patient.normal["urea"]
    made = normal * UREA_SHARE * patient.gfr_ml_min * ML_MIN_TO_L_H
    excreted = UREA_SHARE * (1.0 - 0.5 * circulation.hypoperfusion) * (0.5 + 0.5 * kidney.tubules)
    clearance = excreted * kidney.gfr_ml_min * ML_MIN_TO_L_H + UREA_DIALYSIS_L_H * kidney.dialysis
    return one_compartment(
        normal,
        generation_per_h=made * (1.0 + 0.4 * circulation.sepsis + 0.25 * circulation.surgery),
        clearance_l_h=clearance,
        volume_l=patient.water_l,
    )


def salts_mmol_l(
    patient: Patient, kidney: Kidney, circulation: Circulation, wander: dict[str, Array]
) -> dict[str, Array]:
    """Return the true salts by code, each ``(T,)``; ``wander`` is their slow scatter, a factor about 1."""
    normal = patient.normal
    harm, lost = 1.0 - kidney.tubules, np.clip(1.0 - kidney.filtration, 0.0, 1.0)
    cleaned = 1.0 - np.minimum(lagged(kidney.dialysis, 6.0) * 2.0, 0.8)
    lactic = circulation.values["lactate"] - normal["lactate"]
    acid = lagged(
        (ACID_BY_TUBULES * harm + ACID_BY_FILTRATION * lost) * cleaned + ACID_BY_LACTATE * lactic, LAG_H
    )
    potassium = (POTASSIUM_BY_TUBULES * harm + POTASSIUM_BY_FILTRATION * lost) * cleaned
    phosphate = lagged((PHOSPHATE_BY_TUBULES * harm + PHOSPHATE_BY_FILTRATION * lost) * cleaned, LAG_H)
    sodium = lagged(SODIUM_BY_TUBULES * harm * cleaned, 2.5 * LAG_H)
    bicarbonate = normal["bicarbonate"] * wander["bicarbonate"] - acid
    shift = bicarbonate - normal["bicarbonate"]
    return {
        "bicarbonate": bicarbonate,
        "potassium": normal["potassium"] * wander["potassium"]
        + lagged(potassium, LAG_H)
        + POTASSIUM_BY_ACID * acid,
        "phosphate": normal["phosphate"] * wander["phosphate"] + phosphate,
        "sodium": normal["sodium"] * wander["sodium"] + sodium,
        "chloride": normal["chloride"] * wander["chloride"] + 0.7 * sodium + CHLORIDE_BY_BICARBONATE * shift,
        "calcium": normal["calcium"] * wander["calcium"] + CALCIUM_BY_PHOSPHATE * phosphate,
    }


def urine_ml_h(patient: Patient, kidney: Kidney, circulation: Circulation, wander: Array) -> Array:
    """Return ``(T,)`` the true flow of urine: the first to fall, though in many injuries it hardly does."""
    harm = 1.0 - kidney.tubules * np.clip(kidney.filtration, 0.0, 1.0)
    kept = 1.0 - patient.oliguria * np.minimum(1.25 * harm, 1.0)
    flow: Array = URINE_ML_KG_H * patient.weight_kg * kept * wander
    return flow * (1.0 - URINE_BY_FLOW * circulation.hypoperfusion)
