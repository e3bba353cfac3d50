"""From what truly happens to what stands in the record: samples, noise, rounding, order."""

from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.patient_record import PatientRecord
from medpipe.simulate.ward import sampling
from medpipe.simulate.ward.codes import ADMISSION, DEATH, DISCHARGE, QUANTITIES
from medpipe.simulate.ward.exposures import Reason
from medpipe.simulate.ward.plan import MEASURED, WardPlan
from medpipe.simulate.ward.stay_course import BEFORE_H, StayCourse
from medpipe.simulate.ward.treatment import Event, draw_treatment, injury_code
from medpipe.simulate.ward.truth import WardTruth

HISTORY_SHARE: Final = 0.6
HISTORY_DAYS: Final = (8.0, 360.0)
HISTORY_CV: Final = 0.052
"""Share of patients with creatinine from before, when that was, and its scatter (see codes.py)."""

HAEMOLYSIS_SHARE, HAEMOLYSIS_MMOL_L = 0.015, (0.5, 1.8)
"""Share of samples whose red cells broke, and the potassium that they lost."""

OPERATED_H: Final = 0.3
"""Of the fading trace of an operation: a catheter lies above that."""


def chart_of(plan: WardPlan, course: StayCourse, truth: WardTruth) -> PatientRecord:
    """Return the record of a stay; nothing in it lies after discharge or death."""
    rng = np.random.default_rng((plan.seed, MEASURED))
    times, codes, values = [], [], []
    for code, (when, what) in _measured(rng, plan, course).items():
        times.append(when)
        codes.append(np.full(len(when), code, dtype="U48"))
        values.append(what)
    events = [*draw_treatment(rng, plan, course), *injury_code(rng, plan, truth.peak_stage)]
    times.append(np.array([one.time_h for one in events]))
    codes.append(np.array([one.code for one in events], dtype="U48"))
    values.append(np.array([one.value for one in events]))
    return _record(plan, np.concatenate(times), np.concatenate(codes), np.concatenate(values))


def _record(plan: WardPlan, times: Array, codes: np.ndarray, values: Array) -> PatientRecord:
    """Return the events in order between admission and end, each of which is an event as well."""
    kept = times <= plan.end_h
    kept &= (times >= 0.0) | (codes == "creatinine")
    order = np.flatnonzero(kept)[np.lexsort((codes[kept], times[kept]))]
    first = int(np.searchsorted(times[order], 0.0))
    last = Event(plan.end_h, DEATH if plan.dies else DISCHARGE)
    begin = Event(0.0, ADMISSION)

    def framed(column: np.ndarray, opening: object, closing: object) -> np.ndarray:
        return np.concatenate([column[order[:first]], [opening], column[order[first:]], [closing]])

    patient = plan.patient
    return PatientRecord(
        patient_id=f"ward-{plan.seed:06d}",
        time_h=framed(times, begin.time_h, last.time_h),
        codes=framed(codes, begin.code, last.code),
        values=framed(values, begin.value, last.value),
        statics={
            "sex": "F" if patient.is_female else "M",
            "age": round(patient.age_years, 2),
            "weight_kg": round(patient.weight_kg, 1),
        },
    )


def _measured(rng: np.random.Generator, plan: WardPlan, course: StayCourse) -> dict[str, tuple[Array, Array]]:
    """Return times and reported values of each measured code."""
    illness = course.illness[BEFORE_H:]
    hours = np.arange(len(illness))
    clock = (np.floor(plan.admission_clock_h).astype(int) + hours) % 24
    blood = sampling.draw_blood_times(rng, clock, illness)
    panels = sampling.draw_panels(rng, illness[blood.astype(int)])
    times = {code: blood[panels[name]] for name, codes in sampling.PANELS.items() for code in codes}
    times |= sampling.draw_vital_times(rng, clock, illness)
    measured = {}
    for code, when in times.items():
        true: Array = np.interp(when, course.time_h, course.values[code])
        if code == "potassium":
            true += _haemolysis(rng, len(when))
        measured[code] = (when, reported(rng, code, true))
    operated = course.circulation.surgery[BEFORE_H:] > OPERATED_H
    catheter = sampling.has_catheter(illness, operated | (plan.reason is Reason.HEART_FAILURE))
    flow = course.values["urine"][BEFORE_H:]
    noted, volumes = sampling.urine_volumes(rng, clock, illness, catheter, flow)
    measured["urine"] = (noted, reported(rng, "urine", volumes))
    measured["weight"] = (np.array([0.2]), reported(rng, "weight", np.array([plan.patient.weight_kg])))
    before, values = _history(rng, plan)
    when, now = measured["creatinine"]
    measured["creatinine"] = (np.concatenate([before, when]), np.concatenate([values, now]))
    return measured


def reported(rng: np.random.Generator, code: str, true: Array) -> Array:
    """Return values as a chart states them: with the scatter of the measurement, rounded."""
    quantity = QUANTITIES[code]
    noisy = true * (1.0 + quantity.analytical_cv * rng.standard_normal(len(true)))
    return np.asarray(np.round(np.maximum(noisy, quantity.lowest), quantity.decimals), dtype=np.float64)


def _haemolysis(rng: np.random.Generator, count: int) -> Array:
    is_broken = rng.uniform(size=count) < HAEMOLYSIS_SHARE
    added: Array = is_broken * rng.uniform(*HAEMOLYSIS_MMOL_L, size=count)
    return added


def _history(rng: np.random.Generator, plan: WardPlan) -> tuple[Array, Array]:
    """Return creatinine of some weeks or months before, at negative times; of some patients none."""
    count = int(rng.integers(1, 5)) if rng.uniform() < HISTORY_SHARE else 0
    when = np.sort(-24.0 * rng.uniform(*HISTORY_DAYS, size=count))
    normal = plan.patient.normal["creatinine"] * (1.0 + HISTORY_CV * rng.standard_normal(count))
    return when, reported(rng, "creatinine", normal)
