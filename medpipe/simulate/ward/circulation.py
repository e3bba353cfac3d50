"""What infections and falls of the blood pressure do to vital signs, lactate and white cells."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.simulate.ward.insult import Exposure, InsultKind
from medpipe.simulate.ward.kinetics import lagged
from medpipe.simulate.ward.plan import WardPlan

SEPSIS_SHIFTS: Final = {
    "temperature": 2.0,
    "heart_rate": 32.0,
    "white_cells": 11.0,
    "lactate": 2.6,
    "mean_pressure": -16.0,
    "systolic_pressure": -22.0,
    "c_reactive_protein": 210.0,
}
"""By an infection of full severity."""

FALL_TO_MMHG: Final = (68.0, 42.0)
"""Mean pressure in a fall of no and of full severity; 65 mmHg is where treatment begins."""

SURGERY_SHIFTS: Final = {
    "c_reactive_protein": 110.0,
    "heart_rate": 12.0,
    "white_cells": 4.0,
    "temperature": 0.6,
}
"""After cardiac surgery, whatever happens to the kidney: inflammation is no proof of an infection."""

LAGS_H: Final = {
    "c_reactive_protein": 30.0,
    "white_cells": 12.0,
    "lactate": 4.0,
    "temperature": 3.0,
    "heart_rate": 2.0,
}
"""How slowly each follows."""


@dataclass(frozen=True, eq=False)
class Circulation:
    """Causes of shock in time, each ``(T,)``, and what they do to vitals and labs.

    Attributes:
        sepsis: 0 to 1.
        shock: Depth of the present fall of the pressure, 0 to 1.
        surgery: 1 at the end of an operation, fading over two days.
        values: True vitals and inflammatory labs by code.
    """

    sepsis: Array
    shock: Array
    surgery: Array
    values: dict[str, Array]

    @property
    def hypoperfusion(self) -> Array:
        """How much less blood the kidney gets, 0 to 1: urine falls and urea rises with it at once."""
        return np.minimum(0.6 * self.sepsis + 0.9 * self.shock, 1.0)


def circulation_of(plan: WardPlan, time_h: Array, wander: dict[str, Array]) -> Circulation:
    """Return the circulation of a stay; ``wander`` is the slow scatter of each code, a factor about 1."""
    exposures = [one.exposure for one in plan.insults]
    sepsis = _strongest(time_h, [one for one in exposures if one.kind is InsultKind.SEPSIS], 8.0, 24.0)
    falls = [one for one in exposures if one.kind is InsultKind.HYPOTENSION]
    shock = _strongest(time_h, falls, 0.5, 1.0)
    surgery = np.zeros(len(time_h))
    for one in exposures:
        if one.kind is InsultKind.CARDIAC_SURGERY:
            surgery += np.where(time_h >= one.end_h, np.exp(-(time_h - one.end_h) / 40.0), 0.0)
    values = _values(plan, time_h, wander, sepsis, surgery)
    low, high = FALL_TO_MMHG
    for code, factor in (("mean_pressure", 1.0), ("systolic_pressure", 1.4)):
        floor = factor * (low + (high - low) * shock)
        is_low = (shock > 0.02) & (values[code] > floor)
        values[code] = np.where(is_low, floor * wander[code], values[code])
    values["heart_rate"] = values["heart_rate"] + 22.0 * lagged(shock, LAGS_H["heart_rate"])
    values["lactate"] = values["lactate"] + 3.0 * lagged(shock, LAGS_H["lactate"])
    return Circulation(sepsis, shock, surgery, values)


def _values(
    plan: WardPlan, time_h: Array, wander: dict[str, Array], sepsis: Array, surgery: Array
) -> dict[str, Array]:
    codes = (*SEPSIS_SHIFTS, "haemoglobin")
    values = {}
    for code in codes:
        shift = SEPSIS_SHIFTS.get(code, 0.0) * sepsis + SURGERY_SHIFTS.get(code, 0.0) * surgery
        if code == "haemoglobin":
            shift = -18.0 * np.minimum(surgery, 1.0)
        values[code] = plan.patient.normal[code] * wander[code] + lagged(shift, LAGS_H.get(code, 2.0))
    clock = (plan.admission_clock_h + time_h) % 24.0
    evening = np.cos((clock - 18.0) * 2.0 * np.pi / 24.0)
    values["temperature"] = values["temperature"] + 0.25 * evening
    values["heart_rate"] = values["heart_rate"] + 3.0 * evening
    return values


def _strongest(time_h: Array, exposures: list[Exposure], rise_h: float, fall_h: float) -> Array:
    """Return the strongest of the exposures at each time, each with a ramp up and an exponential end."""
    strongest = np.zeros(len(time_h))
    for one in exposures:
        # Treatment works before the course ends: half of it is at full strength.
        turn = one.start_h + 0.5 * (one.end_h - one.start_h)
        if one.kind is InsultKind.HYPOTENSION:
            turn = one.end_h
        level = np.clip((time_h - one.start_h) / rise_h, 0.0, 1.0)
        level = level * np.exp(-np.maximum(time_h - turn, 0.0) / fall_h) * one.severity
        strongest = np.maximum(strongest, level)
    return strongest
