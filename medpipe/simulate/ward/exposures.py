"""What happens to a patient in the ward, before anybody knows what it does to the kidney."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from medpipe.simulate.ward.insult import Exposure, InsultKind
from medpipe.simulate.ward.patient import Patient


class Reason(StrEnum):
    """Why the patient came."""

    MEDICAL = "medical"
    INFECTION = "infection"
    SURGERY = "surgery"
    CARDIAC_SURGERY = "cardiac_surgery"
    HEART_FAILURE = "heart_failure"


@dataclass(frozen=True)
class Profile:
    """What stays of a reason are like.

    Attributes:
        share: Of all stays.
        median_days: Of the length, before complications.
        falls_a_day: Rate of falls of the blood pressure.
        contrast: Probability of contrast in the first days.
        nsaid: Of a course of a non-steroidal antirheumatic.
        antibiotic_infection: Of an infection that begins in hospital, a day.
    """

    share: float
    median_days: float
    falls_a_day: float
    contrast: float
    nsaid: float
    antibiotic_infection: float


PROFILES: Final = {
    Reason.MEDICAL: Profile(0.44, 4.5, 0.035, 0.25, 0.18, 0.014),
    Reason.INFECTION: Profile(0.18, 6.0, 0.030, 0.20, 0.10, 0.008),
    Reason.SURGERY: Profile(0.19, 5.0, 0.060, 0.20, 0.35, 0.020),
    Reason.CARDIAC_SURGERY: Profile(0.07, 8.5, 0.080, 0.35, 0.10, 0.020),
    Reason.HEART_FAILURE: Profile(0.12, 6.5, 0.070, 0.15, 0.05, 0.012),
}
LENGTH_SCATTER: Final = 0.55
LENGTH_DAYS: Final = (2.0, 22.0)
"""Of the logarithm of the length; and its range before complications prolong it."""

INFECTION_SEVERITY: Final = (1.3, 2.2)
"""Shape of the beta distribution: most infections are mild."""

VANCOMYCIN_SHARE, AMINOGLYCOSIDE_SHARE = 0.40, 0.18
"""Of infections."""

FALLS_IN_SEPSIS: Final = 0.30
"""Falls of the pressure a day in an infection of full severity."""


def draw_reason(rng: np.random.Generator, patient: Patient) -> Reason:
    """Draw why a patient comes; heart failure needs a failing heart more often than not."""
    shares = np.array([profile.share for profile in PROFILES.values()])
    shares[list(PROFILES).index(Reason.HEART_FAILURE)] *= 4.0 if patient.has_heart_failure else 0.4
    return list(PROFILES)[int(rng.choice(len(shares), p=shares / shares.sum()))]


def draw_length_h(rng: np.random.Generator, reason: Reason) -> float:
    """Draw the length of a stay without complications."""
    days = PROFILES[reason].median_days * np.exp(rng.normal(0.0, LENGTH_SCATTER))
    return float(24.0 * np.clip(days, *LENGTH_DAYS))


def draw_exposures(rng: np.random.Generator, reason: Reason, length_h: float) -> list[Exposure]:
    """Draw all that happens within the length of a stay, in no order."""
    profile, days = PROFILES[reason], length_h / 24.0
    starts = list(rng.uniform(24.0, length_h, size=rng.poisson(profile.antibiotic_infection * days)))
    if reason is Reason.INFECTION:
        starts.append(rng.uniform(-36.0, 10.0))
    found = [one for start in starts for one in _draw_infection(rng, float(start), length_h)]
    found += _draw_falls(rng, profile.falls_a_day, 0.0, length_h)
    if reason is Reason.CARDIAC_SURGERY:
        start = float(rng.uniform(12.0, 72.0))
        if start < length_h - 24.0:
            severity = float(rng.beta(2.0, 2.0))
            found.append(Exposure(InsultKind.CARDIAC_SURGERY, start, start + 5.0, severity))
    if rng.uniform() < profile.contrast:
        start = float(rng.uniform(1.0, min(length_h, 120.0)))
        found.append(Exposure(InsultKind.CONTRAST, start, start + 0.5, float(rng.uniform(0.2, 0.8))))
    if rng.uniform() < profile.nsaid:
        start = float(rng.uniform(2.0, length_h))
        end = min(start + rng.uniform(24.0, 144.0), length_h)
        found.append(Exposure(InsultKind.NSAID, start, float(end)))
    if rng.uniform() < UNSEEN_A_DAY * days:
        start = float(rng.uniform(0.0, length_h))
        found.append(Exposure(InsultKind.UNSEEN, start, start))
    return found


UNSEEN_A_DAY: Final = 0.007
"""Probability a day of an injury that nothing announces."""


def _draw_infection(rng: np.random.Generator, start_h: float, length_h: float) -> list[Exposure]:
    severity = float(rng.beta(*INFECTION_SEVERITY))
    end = min(start_h + rng.uniform(60.0, 168.0), length_h)
    found = [Exposure(InsultKind.SEPSIS, start_h, float(end), severity)]
    found += _draw_falls(rng, FALLS_IN_SEPSIS * severity, max(start_h, 0.0), min(end, start_h + 72.0))
    treated = max(start_h + rng.uniform(2.0, 12.0), 0.5)
    for kind, share in (
        (InsultKind.VANCOMYCIN, VANCOMYCIN_SHARE),
        (InsultKind.AMINOGLYCOSIDE, AMINOGLYCOSIDE_SHARE),
    ):
        end = min(treated + rng.uniform(60.0, 260.0), length_h)
        if rng.uniform() < share * (0.5 + severity) and treated < length_h:
            found.append(Exposure(kind, float(treated), float(end)))
    return found


def _draw_falls(rng: np.random.Generator, a_day: float, from_h: float, until_h: float) -> list[Exposure]:
    """Draw falls of the blood pressure: each of hours, and of a depth."""
    if until_h <= from_h:
        return []
    count = int(rng.poisson(a_day * (until_h - from_h) / 24.0))
    return [
        Exposure(
            InsultKind.HYPOTENSION, start, start + float(rng.uniform(1.0, 14.0)), float(rng.beta(1.6, 1.6))
        )
        for start in rng.uniform(from_h, until_h, size=count).tolist()
    ]
