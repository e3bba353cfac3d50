"""Simulated stays in hospital with their truth, in memory."""

from dataclasses import dataclass

from medpipe.core.patient_record import PatientRecord
from medpipe.simulate.ward.charting import chart_of
from medpipe.simulate.ward.plan import WardPlan, draw_plan
from medpipe.simulate.ward.stay_course import run_stay
from medpipe.simulate.ward.truth import WardTruth, truth_of


@dataclass(frozen=True, eq=False)
class WardStay:
    """A simulated stay and the truth about it.

    Attributes:
        record: What the chart holds; hours since admission.
        truth: What it does not.
        plan: What was drawn.
    """

    record: PatientRecord
    truth: WardTruth
    plan: WardPlan


def simulated_stay(seed: int) -> WardStay:
    """Return a simulated stay; ``seed``, not negative, is of everything."""
    return stay_of(draw_plan(seed))


def stay_of(plan: WardPlan) -> WardStay:
    """Return the simulated stay of a plan."""
    course = run_stay(plan)
    truth = truth_of(plan, course)
    return WardStay(chart_of(plan, course, truth), truth, plan)
