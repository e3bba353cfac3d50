"""What may hurt the kidney, whether it does, and how the injury runs.

An exposure is what everybody can see: a drug, a fall of the blood pressure, an infection. Whether it hurts
the kidney is drawn, with odds that rise with the patient's illnesses and with other exposures; an injury
first hits the tubules, hours before filtration falls. Many an exposure disturbs the tubules and no more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from medpipe.simulate.ward.patient import Patient


class InsultKind(StrEnum):
    """Kinds of exposures."""

    SEPSIS = "sepsis"
    HYPOTENSION = "hypotension"
    CARDIAC_SURGERY = "cardiac_surgery"
    VANCOMYCIN = "vancomycin"
    AMINOGLYCOSIDE = "aminoglycoside"
    CONTRAST = "contrast"
    NSAID = "nsaid"
    UNSEEN = "unseen"
    """Obstruction, interstitial nephritis, emboli: nothing in the record announces it."""


@dataclass(frozen=True)
class Toxicity:
    """How a kind of exposure acts on the kidney; ranges are drawn from evenly.

    Attributes:
        logit: Log odds of an injury, in a patient of 65 without illnesses and at half severity.
        delay_h: From the start of the exposure to the first harm to the tubules.
        build_h: In which the harm grows to its greatest.
        loss: Share of the filtration lost at the worst.
        hold_h: At the worst.
        recovery_h: Time constant of recovery.
        needs_course: Whether a course that ends before the delay is harmless.
    """

    logit: float
    delay_h: tuple[float, float]
    build_h: tuple[float, float]
    loss: tuple[float, float]
    hold_h: tuple[float, float]
    recovery_h: tuple[float, float]
    needs_course: bool = False


TOXICITIES: Final = {
    InsultKind.SEPSIS: Toxicity(-2.1, (2, 18), (20, 96), (0.20, 0.85), (12, 48), (36, 120)),
    InsultKind.HYPOTENSION: Toxicity(-2.1, (1, 8), (12, 72), (0.20, 0.80), (10, 42), (24, 96)),
    InsultKind.CARDIAC_SURGERY: Toxicity(-1.6, (2, 10), (12, 64), (0.20, 0.80), (12, 48), (30, 96)),
    InsultKind.VANCOMYCIN: Toxicity(-1.4, (40, 150), (30, 110), (0.20, 0.75), (24, 60), (60, 160), True),
    InsultKind.AMINOGLYCOSIDE: Toxicity(-1.0, (72, 190), (40, 120), (0.20, 0.80), (24, 72), (72, 200), True),
    InsultKind.CONTRAST: Toxicity(-2.9, (6, 24), (30, 80), (0.20, 0.65), (12, 36), (48, 110)),
    InsultKind.NSAID: Toxicity(-2.4, (24, 80), (24, 80), (0.20, 0.65), (12, 36), (30, 90), True),
    InsultKind.UNSEEN: Toxicity(2.5, (0, 4), (12, 90), (0.20, 0.90), (24, 60), (36, 140)),
}
"""By kind.

Source:
    Sepsis: one in five where it is not severe (Critical Care 2018, the ICON audit), 48 % of all with sepsis
    in hospital (Beijing 2005-2017, Int J Gen Med 2021). Cardiac surgery: 18.2 % (Pickering et al. 2015).
    Vancomycin: 11 % (BMC Nephrology 2020, Hong Kong). Aminoglycosides of five days or more: 12 % after 11
    days (interquartile range 8 to 15), half recovered within 21 days (Nephron 2015); here earlier, for stays
    are short. Contrast: 6.5 % with a rise by a quarter ("Incidence and outcomes of contrast-induced AKI
    following computed tomography", 2008), peak after 3 to 5 days, gone after 7 to 10. The ward's patients are
    exposed to several things at once, so that their shares are greater. Other figures: medpipe's.
"""

CKD_ODDS, DIABETES_ODDS, FAILURE_ODDS, DECADE_ODDS = 0.9, 0.35, 0.5, 0.2
SEVERITY_ODDS: Final = 3.0
COMPANY_ODDS, COMPANY_H = 0.7, 96.0
"""Added log odds: of illnesses, of ten years of age, of severity from 0 to 1, and of each other exposure that
is under way or ended within these hours.

Source:
    Signs of all: Cartin-Ceba et al. 2012, "Risk factors for development of acute kidney injury in critically
    ill patients" (age, diabetes, baseline creatinine, heart failure, sepsis, nephrotoxic drugs, hypotension).
"""

LEAD_H: Final = (3.0, 22.0)
"""By which the harm to the tubules comes before the loss of filtration: what makes labs foretell.

Source:
    Oliguria of four hours foretells a doubled creatinine on the next day with a specificity of 86 %
    (Prowle et al. 2011); tubular markers rise a day before creatinine.
"""

HARM: Final = (1.2, 2.1)
"""Shape of the beta distribution of how bad an injury gets: mild ones are the most frequent."""

SUBCLINICAL_SHARE: Final = 0.35
SUBCLINICAL_HARM: Final = (0.10, 0.60)
"""Share of harmless exposures that disturb the tubules all the same, and how far: the false alarms."""

FULL_RECOVERY_SHARE: Final = 0.55
LASTING_SHARE: Final = (0.1, 0.7)
"""Share of injuries that heal wholly; of the others this part of the loss stays."""


@dataclass(frozen=True)
class Injury:
    """The course of harm to the kidney.

    Attributes:
        tubular_from_h: When tubules begin to suffer, hours since admission.
        lead_h: Later, filtration begins to fall.
        tubular_harm: Greatest, 0 to 1.
        loss: Share of filtration lost at the worst; 0 where it is not touched.
        build_h: From the beginning to the worst, of either.
        hold_h: At the worst.
        recovery_h: Time constant after that.
        lasting: Share of the loss that stays.
    """

    tubular_from_h: float
    lead_h: float
    tubular_harm: float
    loss: float
    build_h: float
    hold_h: float
    recovery_h: float
    lasting: float

    @property
    def filtration_from_h(self) -> float:
        """When filtration begins to fall."""
        return self.tubular_from_h + self.lead_h


@dataclass(frozen=True)
class Exposure:
    """Something that may hurt the kidney.

    Attributes:
        kind: What.
        start_h: Hours since admission; negative before it.
        end_h: Of a course of drugs, an infection, a fall of the pressure.
        severity: 0 to 1.
    """

    kind: InsultKind
    start_h: float
    end_h: float
    severity: float = 0.5


@dataclass(frozen=True)
class Insult:
    """An exposure and what it does.

    Attributes:
        exposure: What is seen.
        injury: What it does to the kidney, if anything.
    """

    exposure: Exposure
    injury: Injury | None

    @property
    def is_harmful(self) -> bool:
        """Whether filtration falls."""
        return self.injury is not None and self.injury.loss > 0


def draw_insults(
    rng: np.random.Generator, exposures: Sequence[Exposure], patient: Patient
) -> tuple[Insult, ...]:
    """Draw what each exposure does, in the order of time."""
    ordered = sorted(exposures, key=lambda one: (one.start_h, one.kind))
    return tuple(
        Insult(one, _draw_injury(rng, one, harm_probability(one, patient, exposures))) for one in ordered
    )


def harm_probability(exposure: Exposure, patient: Patient, exposures: Sequence[Exposure]) -> float:
    """Return how likely an exposure hurts the kidney, besides the others of the stay."""
    company = sum(
        other is not exposure
        and other.start_h <= exposure.end_h
        and other.end_h >= exposure.start_h - COMPANY_H
        for other in exposures
    )
    logit = (
        TOXICITIES[exposure.kind].logit
        + CKD_ODDS * patient.has_ckd
        + DIABETES_ODDS * patient.has_diabetes
        + FAILURE_ODDS * patient.has_heart_failure
        + DECADE_ODDS * (patient.age_years - 65.0) / 10.0
        + SEVERITY_ODDS * (exposure.severity - 0.5)
        + COMPANY_ODDS * min(company, 3)
    )
    return 1.0 / (1.0 + math.exp(-logit))


def _draw_injury(rng: np.random.Generator, exposure: Exposure, probability: float) -> Injury | None:
    how = TOXICITIES[exposure.kind]
    chance, mild, delay_h = rng.uniform(), rng.uniform(), rng.uniform(*how.delay_h)
    harm, heals = rng.beta(*HARM), rng.uniform() < FULL_RECOVERY_SHARE
    lasting = 0.0 if heals else float(rng.uniform(*LASTING_SHARE))
    low, high = how.loss
    loss = low + (high - low) * harm * (0.6 + 0.8 * exposure.severity)
    begin_h = exposure.start_h + delay_h
    if how.needs_course and exposure.end_h < begin_h:
        return None
    is_harmful = chance < probability
    if not is_harmful and mild >= SUBCLINICAL_SHARE:
        return None
    tubular = 0.25 + 0.75 * harm if is_harmful else rng.uniform(*SUBCLINICAL_HARM)
    return Injury(
        tubular_from_h=float(begin_h),
        lead_h=float(rng.uniform(*LEAD_H)),
        tubular_harm=float(tubular),
        loss=float(min(loss, 0.95)) if is_harmful else 0.0,
        build_h=float(rng.uniform(*how.build_h)),
        hold_h=float(rng.uniform(*how.hold_h)),
        recovery_h=float(rng.uniform(*how.recovery_h)),
        lasting=lasting,
    )
