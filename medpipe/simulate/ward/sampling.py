"""When things are measured: in panels, in rounds, less at night, and more often in those who look ill.

That something was measured thus tells of the patient, as in a real ward.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.simulate.ward.codes import VITALS

PANELS: Final = {
    "renal": ("creatinine", "urea", "sodium", "potassium", "chloride", "bicarbonate"),
    "bone": ("calcium", "phosphate"),
    "count": ("white_cells", "haemoglobin"),
    "inflammation": ("c_reactive_protein",),
    "gas": ("lactate",),
}
"""Labs that come from one order."""

ORDERED: Final = {
    "renal": (0.94, 0.05),
    "bone": (0.30, 0.50),
    "count": (0.65, 0.30),
    "inflammation": (0.35, 0.45),
    "gas": (0.04, 0.80),
}
"""Probability that a draw of blood includes each panel, and what full illness adds."""

ROUND_HOUR: Final = 6
ROUND_SHARE: Final = (0.80, 0.19)
"""Hour of the morning round, the probability of a draw on it, and what full illness adds."""

EXTRA_AN_HOUR: Final = (0.006, 0.13)
NIGHT_SHARE: Final = 0.25
NIGHT_HOURS: Final = (22, 6)
"""Further draws an hour, what full illness adds; how many of them there are at night."""

VITAL_ROUNDS: Final = (8, 14, 20)
OFTEN, HOURLY = 0.25, 0.60
"""Illness above which vitals are taken every four hours, nights too, and every hour."""

VITAL_MISSED: Final = 0.08
SHIFT_HOURS: Final = (6, 14, 22)
SHIFT_RECORDED: Final = 0.35
"""Urine without a catheter is written down at the end of a shift, or not at all."""

CATHETER_H: Final = 36
"""A catheter stays for so long after the patient looked ill."""

Hours = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


def draw_blood_times(rng: np.random.Generator, clock_h: Hours, illness: Array) -> Array:
    """Return the ascending times of draws, hours since admission.

    Args:
        rng: Owned by the caller.
        clock_h: ``(T,)`` hour of the day at each hour of the stay, from admission.
        illness: ``(T,)`` 0 to 1.
    """
    hours = len(clock_h)
    night = (clock_h >= NIGHT_HOURS[0]) | (clock_h < NIGHT_HOURS[1])
    extra = EXTRA_AN_HOUR[0] + EXTRA_AN_HOUR[1] * illness
    extra = extra * np.where(night & (illness < HOURLY), NIGHT_SHARE, 1.0)
    chance = np.where(clock_h == ROUND_HOUR, ROUND_SHARE[0] + ROUND_SHARE[1] * illness, extra)
    drawn = rng.uniform(size=hours) < chance
    drawn[0] = True  # on admission
    times = np.flatnonzero(drawn) + rng.uniform(0.0, 1.0, size=int(drawn.sum()))
    return np.asarray(times)


def draw_panels(rng: np.random.Generator, illness: Array) -> dict[str, Flags]:
    """Return for each panel which of the draws include it; ``illness`` is ``(N,)`` at each draw."""
    chosen = {
        panel: rng.uniform(size=len(illness)) < base + more * illness
        for panel, (base, more) in ORDERED.items()
    }
    if len(illness):
        chosen["renal"][0] = chosen["count"][0] = True
    return chosen


def draw_vital_times(rng: np.random.Generator, clock_h: Hours, illness: Array) -> dict[str, Array]:
    """Return the times at which each vital sign is taken; all in one round, save for those missed."""
    due = np.isin(clock_h, VITAL_ROUNDS)
    due |= (illness > OFTEN) & (clock_h % 4 == 0)
    due |= illness > HOURLY
    due[0] = True
    times = np.flatnonzero(due) + rng.uniform(0.0, 0.8, size=int(due.sum()))
    return {code: times[rng.uniform(size=len(times)) >= VITAL_MISSED] for code in VITALS}


def has_catheter(illness: Array, was_operated: Flags) -> Flags:
    """Return ``(T,)`` whether the urine runs into a bag: while and after the patient looks ill."""
    last = np.maximum.accumulate(
        np.where((illness > OFTEN) | was_operated, np.arange(len(illness)), -(10**6))
    )
    catheter: Flags = np.arange(len(illness)) - last <= CATHETER_H
    return catheter


def urine_volumes(
    rng: np.random.Generator, clock_h: Hours, illness: Array, catheter: Flags, flow_ml_h: Array
) -> tuple[Array, Array]:
    """Return times and volumes in mL: of what ran since urine was, or should have been, noted last.

    All of ``clock_h``, ``illness``, ``catheter`` and ``flow_ml_h`` are ``(T,)`` by hours from admission.
    """
    shift = np.isin(clock_h, SHIFT_HOURS)
    due = np.where(catheter, (illness > HOURLY) | (clock_h % 4 == 2), shift)
    due[0] = False
    hours = np.flatnonzero(due)
    kept = catheter[hours] | (rng.uniform(size=len(hours)) < SHIFT_RECORDED)
    run = np.concatenate([[0.0], np.cumsum(flow_ml_h)])[hours]
    volumes = np.diff(np.concatenate([[0.0], run]))
    return hours[kept].astype(np.float64), volumes[kept]
