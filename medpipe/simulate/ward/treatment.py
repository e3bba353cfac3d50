"""Drugs, procedures and diagnoses: events that bear a name and no number."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.simulate.ward.codes import DIAGNOSIS, DIALYSIS, DRUG, PROCEDURE
from medpipe.simulate.ward.exposures import Reason
from medpipe.simulate.ward.insult import Exposure, InsultKind
from medpipe.simulate.ward.plan import WardPlan
from medpipe.simulate.ward.stay_course import StayCourse

DOSE_EVERY_H: Final = {
    InsultKind.VANCOMYCIN: 12.0,
    InsultKind.AMINOGLYCOSIDE: 24.0,
    InsultKind.NSAID: 8.0,
    InsultKind.CONTRAST: 1000.0,
}
DRUG_NAMES: Final = {
    InsultKind.VANCOMYCIN: "vancomycin",
    InsultKind.AMINOGLYCOSIDE: "gentamicin",
    InsultKind.NSAID: "ibuprofen",
    InsultKind.CONTRAST: "iodinated_contrast",
}

HARMLESS_DRUGS: Final = {"paracetamol": (0.6, 8.0), "heparin": (0.6, 24.0), "pantoprazole": (0.4, 24.0)}
"""Share of stays, and hours between doses, of what has nothing to do with the kidney."""

BASELINE_DIAGNOSES: Final = 0.9
"""Probability that a chronic illness is coded on admission."""

SEPSIS_CODED: Final = 0.45
"""Severity from which an infection is called sepsis."""

INJURY_CODED: Final = 0.5
"""Probability that kidney injury of stage 2 or more is coded; at the end, where it foretells nothing.

Source:
    Codes find about a half of those with injury, fewer of the mild (medpipe's reading of validation studies).
"""


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        time_h: Hours since admission.
        code: Of the event.
        value: NaN where it has no number.
    """

    time_h: float
    code: str
    value: float = float("nan")


def draw_treatment(rng: np.random.Generator, plan: WardPlan, course: StayCourse) -> list[Event]:
    """Draw all events without a measurement, in no order; those after the end are the caller's to drop."""
    events = _diagnoses(rng, plan) + _background_drugs(rng, plan)
    for one in plan.insults:
        events += _of_exposure(rng, one.exposure)
    return events + [Event(start, DIALYSIS) for start in course.dialysis_h.tolist()]


def injury_code(rng: np.random.Generator, plan: WardPlan, peak_stage: int) -> list[Event]:
    """Draw whether the discharge letter names the injury."""
    is_coded = bool(rng.uniform() < INJURY_CODED) and peak_stage >= 2
    return [Event(plan.end_h, f"{DIAGNOSIS}//acute_kidney_injury")] if is_coded else []


def _diagnoses(rng: np.random.Generator, plan: WardPlan) -> list[Event]:
    patient = plan.patient
    chronic = {
        "chronic_kidney_disease": patient.has_ckd,
        "diabetes": patient.has_diabetes,
        "heart_failure": patient.has_heart_failure,
    }
    events = [
        Event(0.0, f"{DIAGNOSIS}//{name}")
        for name, is_present in chronic.items()
        if is_present and rng.uniform() < BASELINE_DIAGNOSES
    ]
    return [*events, Event(0.0, f"{DIAGNOSIS}//reason_{plan.reason.value}")]


def _background_drugs(rng: np.random.Generator, plan: WardPlan) -> list[Event]:
    drugs = {name: every for name, (share, every) in HARMLESS_DRUGS.items() if rng.uniform() < share}
    if plan.patient.has_diabetes and rng.uniform() < 0.6:
        drugs["insulin"] = 12.0
    if plan.patient.has_heart_failure or plan.reason is Reason.HEART_FAILURE:
        drugs |= {"furosemide": 12.0, "ramipril": 24.0}
    elif rng.uniform() < 0.25:
        drugs["ramipril"] = 24.0
    return [
        Event(time, f"{DRUG}//{name}")
        for name, every in drugs.items()
        for time in _doses(rng, float(rng.uniform(1.0, 12.0)), plan.end_h, every)
    ]


def _of_exposure(rng: np.random.Generator, exposure: Exposure) -> list[Event]:
    """Draw what the chart holds of an exposure, all of it at or after its start."""
    start, end, kind = exposure.start_h, exposure.end_h, exposure.kind
    if kind in DRUG_NAMES:
        doses = _doses(rng, start, end, DOSE_EVERY_H[kind])
        return [Event(time, f"{DRUG}//{DRUG_NAMES[kind]}") for time in doses]
    if kind is InsultKind.SEPSIS:
        known = max(start, 0.0) + float(rng.uniform(2.0, 12.0))
        name = "sepsis" if exposure.severity >= SEPSIS_CODED else "infection"
        doses = _doses(rng, known, end, 8.0)
        return [
            Event(known, f"{DIAGNOSIS}//{name}"),
            *(Event(time, f"{DRUG}//piperacillin_tazobactam") for time in doses),
        ]
    if kind is InsultKind.HYPOTENSION:
        events = [Event(start + float(rng.uniform(0.2, 2.0)), f"{DRUG}//crystalloid")]
        if exposure.severity > 0.6:
            events.append(Event(start + float(rng.uniform(0.5, 3.0)), f"{DRUG}//noradrenaline"))
        return events
    if kind is InsultKind.CARDIAC_SURGERY:
        return [Event(start, f"{PROCEDURE}//cardiac_surgery"), Event(start, f"{DRUG}//cefazolin")]
    return []


def _doses(rng: np.random.Generator, start_h: float, end_h: float, every_h: float) -> list[float]:
    due = np.arange(start_h, max(end_h, start_h + 0.1), every_h)
    late = rng.uniform(0.0, 0.08 * min(every_h, 24.0), size=len(due))
    late[0] = 0.0
    return [float(time) for time in due + late]
