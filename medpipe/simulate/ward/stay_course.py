"""A stay as it truly runs, hour by hour."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.simulate.ward import chemistry, dialysis
from medpipe.simulate.ward.chemistry import Kidney
from medpipe.simulate.ward.circulation import Circulation, circulation_of
from medpipe.simulate.ward.codes import QUANTITIES
from medpipe.simulate.ward.injury import filtration_share, tubular_function
from medpipe.simulate.ward.kinetics import wander
from medpipe.simulate.ward.plan import COURSE, WardPlan

BEFORE_H: Final = 72
"""Hours before admission that are simulated too: some come with an infection under way."""

WANDER_H: Final = 20.0
FILTRATION_CV, FILTRATION_H = 0.020, 48.0
"""How slowly values scatter in a steady patient; scatter of the filtration itself."""

URINE_H: Final = 5.0


@dataclass(frozen=True, eq=False)
class StayCourse:
    """What truly happens.

    Attributes:
        time_h: ``(T,)`` hours since admission, from ``-BEFORE_H``, one apart.
        kidney: How the kidney works.
        circulation: Infection, shock, operation.
        values: True value of each code, ``(T,)``; urine in mL/h.
        dialysis_h: Times at which sessions begin.
        illness: ``(T,)`` how ill the patient looks to the staff, 0 to 1: it decides what is measured.
    """

    time_h: Array
    kidney: Kidney
    circulation: Circulation
    values: dict[str, Array]
    dialysis_h: Array
    illness: Array


def run_stay(plan: WardPlan) -> StayCourse:
    """Return how a stay runs: twice where dialysis is needed, for only the first run tells when."""
    time_h = np.arange(-BEFORE_H, int(np.ceil(plan.end_h)) + 1, dtype=np.float64)
    rng = np.random.default_rng((plan.seed, COURSE))
    slow = _slow_scatter(rng, len(time_h))
    around = circulation_of(plan, time_h, slow)
    injuries = [one.injury for one in plan.insults if one.injury is not None]
    filtration = filtration_share(time_h, injuries)
    scatter = 1.0 + FILTRATION_CV * (wander(rng, 1, len(time_h), FILTRATION_H)[0])
    scatter[0] = 1.0  # balance at the start
    tubules = tubular_function(time_h, injuries)
    gfr = plan.patient.gfr_ml_min * filtration * scatter
    kidney = Kidney(gfr, filtration, tubules, np.zeros(len(time_h)))
    values = _chemistry(plan, kidney, around, slow)
    need = dialysis.first_need(values["creatinine"], values["urea"], values["potassium"], filtration)
    starts: list[int] = []
    if need is not None:
        starts = dialysis.session_starts(max(need, BEFORE_H), filtration)
        kidney = Kidney(gfr, filtration, tubules, dialysis.in_session(starts, len(time_h)))
        values = _chemistry(plan, kidney, around, slow)
    illness = _illness(plan, around, kidney, values)
    return StayCourse(time_h, kidney, around, values, time_h[starts], illness)


def _slow_scatter(rng: np.random.Generator, hours: int) -> dict[str, Array]:
    codes = [code for code in QUANTITIES if code not in ("creatinine", "urea", "weight", "urine")]
    rows = wander(rng, len(codes), hours, WANDER_H)
    factors = {code: 1.0 + QUANTITIES[code].within_cv * row for code, row in zip(codes, rows, strict=True)}
    # Systolic and mean pressure go together.
    factors["systolic_pressure"] = 0.8 * factors["mean_pressure"] + 0.2 * factors["systolic_pressure"]
    factors["urine"] = np.exp(QUANTITIES["urine"].within_cv * wander(rng, 1, hours, URINE_H)[0])
    factors["urea"] = np.exp(0.5 * QUANTITIES["urea"].within_cv * wander(rng, 1, hours, 2 * WANDER_H)[0])
    return factors


def _chemistry(
    plan: WardPlan, kidney: Kidney, around: Circulation, slow: dict[str, Array]
) -> dict[str, Array]:
    patient = plan.patient
    return {
        "creatinine": chemistry.creatinine_umol_l(patient, kidney),
        "urea": chemistry.urea_mmol_l(patient, kidney, around) * slow["urea"],
        **chemistry.salts_mmol_l(patient, kidney, around, slow),
        **around.values,
        "urine": chemistry.urine_ml_h(patient, kidney, around, slow["urine"]),
    }


def _illness(plan: WardPlan, around: Circulation, kidney: Kidney, values: dict[str, Array]) -> Array:
    """Return how ill the patient looks: infection, pressure, operation, little urine, a high creatinine."""
    recent = np.maximum(around.shock, _fading(around.shock, 18.0))
    oliguria = np.clip(1.0 - values["urine"] / (0.6 * plan.patient.weight_kg), 0.0, 1.0)
    known = np.clip(values["creatinine"] / plan.patient.normal["creatinine"] - 1.4, 0.0, 1.0)
    late = np.concatenate([np.zeros(12), 0.7 * oliguria[:-12] + 0.5 * known[:-12]])
    ill = 0.9 * around.sepsis + recent + 0.8 * np.minimum(around.surgery, 1.0) + late
    illness: Array = np.clip(ill + 0.4 * (_fading(kidney.dialysis, 48.0) > 0.05), 0.0, 1.0)
    return illness


def _fading(values: Array, lag_h: float) -> Array:
    """Return what is left of a peak that fades from hour to hour."""
    keep, level, faded = float(np.exp(-1.0 / lag_h)), 0.0, []
    for value in values.tolist():
        level = max(value, level * keep)
        faded.append(level)
    return np.array(faded)
