"""What a stay will be, drawn from a seed before anything is simulated.

How hard the ward is was settled before any model was trained on it, and is measured by
``benchmarks/ward_difficulty.py``: constants of this folder are not changed to suit a model.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.simulate.ward.exposures import Reason, draw_exposures, draw_length_h, draw_reason
from medpipe.simulate.ward.insult import Insult, draw_insults
from medpipe.simulate.ward.patient import Patient, draw_patient

PROLONGED_H: Final = (48.0, 200.0)
"""Hours that a stay lasts at least after filtration began to fall, grown with the loss."""

LONGEST_H: Final = 30 * 24.0
DEATH_SHARE, DEATH_BY_LOSS = 0.012, 0.30
"""Probability to die in hospital without an injury, and what the worst loss adds, times its square.

Source:
    After cardiopulmonary bypass 1.5 % without and 4.6 % with kidney injury (Pickering et al. 2015); in
    intensive care half of those with stage 3 by urine and creatinine (Kellum et al. 2015).
"""

_PATIENT, _STAY, COURSE, MEASURED = range(4)
"""Random streams of a seed: what is drawn in one does not move another."""


@dataclass(frozen=True)
class WardPlan:
    """A stay, as drawn.

    Attributes:
        seed: Of all that is drawn later.
        patient: Who.
        reason: Why.
        insults: In the order of time; those that lie after the end of a stay cut short do nothing.
        end_h: Hours from admission to discharge or death.
        dies: How it ends.
        admission_clock_h: Hour of the day at admission, 0 to 24.
    """

    seed: int
    patient: Patient
    reason: Reason
    insults: tuple[Insult, ...]
    end_h: float
    dies: bool
    admission_clock_h: float


def draw_plan(seed: int) -> WardPlan:
    """Draw a stay; ``seed`` is not negative."""
    patient = draw_patient(np.random.default_rng((seed, _PATIENT)))
    rng = np.random.default_rng((seed, _STAY))
    reason = draw_reason(rng, patient)
    length_h = draw_length_h(rng, reason)
    insults = draw_insults(rng, draw_exposures(rng, reason, length_h), patient)
    end_h, dies = _draw_end(rng, length_h, insults)
    clock = float(rng.normal(15.0, 4.5) % 24.0)
    return WardPlan(seed, patient, reason, insults, end_h, dies, clock)


def _draw_end(rng: np.random.Generator, length_h: float, insults: tuple[Insult, ...]) -> tuple[float, bool]:
    worst, end_h = 0.0, length_h
    for one in insults:
        if one.is_harmful and one.injury is not None and one.injury.filtration_from_h < end_h:
            worst = max(worst, one.injury.loss)
            stay = rng.uniform(*PROLONGED_H) * (0.5 + one.injury.loss)
            end_h = max(end_h, one.injury.filtration_from_h + stay)
    dies = bool(rng.uniform() < DEATH_SHARE + DEATH_BY_LOSS * worst**2)
    cut = float(rng.uniform(0.4, 1.0))  # the dying leave before their stay would have ended
    end_h = min(end_h * cut if dies else end_h, LONGEST_H)
    return max(float(end_h), 48.0), dies
