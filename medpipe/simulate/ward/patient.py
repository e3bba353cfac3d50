"""Who comes to the ward: age, sex, weight, illnesses, and what is normal for that person."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from medpipe.simulate.ward.egfr import creatinine_of

AGE_MEAN, AGE_SCATTER, AGE_RANGE = 66.0, 16.0, (18.0, 96.0)
FEMALE_SHARE: Final = 0.48
WEIGHT_KG, WEIGHT_SCATTER_KG, WEIGHT_RANGE_KG = (84.0, 71.0), 15.0, (42.0, 150.0)
"""Of men and of women."""

YOUNG_EGFR, YEARLY_LOSS, EGFR_SCATTER = 112.0, 0.75, 12.0
EGFR_RANGE, CKD_EGFR_RANGE = (62.0, 130.0), (24.0, 59.0)
"""mL/min/1.73 m2: at 25 years, lost a year, scatter; of healthy kidneys and of chronic kidney disease.

Source:
    KDIGO 2012, "Clinical practice guideline for chronic kidney disease": stages 3 and 4 lie below 60.
"""

CKD_LOGIT, DIABETES_LOGIT, FAILURE_LOGIT = -1.9, -1.2, -2.0
"""Log odds of each illness at 65 years: 13 %, 23 % and 12 % of patients."""


@dataclass(frozen=True)
class Patient:
    """A person in good balance.

    Attributes:
        age_years: 18 to 96.
        is_female: Sex.
        weight_kg: At admission.
        egfr: Filtration before the stay, mL/min/1.73 m2.
        has_ckd: Chronic kidney disease.
        has_diabetes: Diabetes.
        has_heart_failure: Chronic heart failure.
        oliguria: How far urine falls when tubules suffer, 0.1 (hardly) to 1 (to nothing).
        normal: What each code of the ward's labs and vitals is in balance.
    """

    age_years: float
    is_female: bool
    weight_kg: float
    egfr: float
    has_ckd: bool
    has_diabetes: bool
    has_heart_failure: bool
    oliguria: float
    normal: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "normal", MappingProxyType(dict(self.normal)))

    @property
    def gfr_ml_min(self) -> float:
        """Filtration of the whole body, mL/min.

        Source:
            Surface 0.1173 W^0.6466: Livingston & Lee 2001, "Body surface area prediction in normal-weight
            and obese patients".
        """
        return float(self.egfr * 0.1173 * self.weight_kg**0.6466 / 1.73)

    @property
    def water_l(self) -> float:
        """Body water, in which creatinine and urea dissolve: 0.6 of the weight (Waikar & Bonventre 2009)."""
        return 0.6 * self.weight_kg


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient."""
    age = float(np.clip(rng.normal(AGE_MEAN, AGE_SCATTER), *AGE_RANGE))
    is_female = bool(rng.uniform() < FEMALE_SHARE)
    weight = float(np.clip(rng.normal(WEIGHT_KG[is_female], WEIGHT_SCATTER_KG), *WEIGHT_RANGE_KG))
    decades = (age - 65.0) / 10.0
    diabetes = bool(rng.uniform() < _share(DIABETES_LOGIT + 0.15 * decades + 0.02 * (weight - 78.0)))
    failure = bool(rng.uniform() < _share(FAILURE_LOGIT + 0.5 * decades + 0.5 * diabetes))
    ckd = bool(rng.uniform() < _share(CKD_LOGIT + 0.5 * decades + 0.5 * diabetes + 0.4 * failure))
    healthy = YOUNG_EGFR - YEARLY_LOSS * (age - 25.0) + rng.normal(0.0, EGFR_SCATTER)
    egfr = float(rng.uniform(*CKD_EGFR_RANGE) if ckd else np.clip(healthy, *EGFR_RANGE))
    return Patient(
        age_years=age,
        is_female=is_female,
        weight_kg=weight,
        egfr=egfr,
        has_ckd=ckd,
        has_diabetes=diabetes,
        has_heart_failure=failure,
        oliguria=float(rng.uniform(0.1, 1.0)),
        normal=_draw_normal(rng, egfr, age, is_female, failure),
    )


def _draw_normal(
    rng: np.random.Generator, egfr: float, age_years: float, is_female: bool, has_failure: bool
) -> dict[str, float]:
    """Draw what is normal; chronic kidney disease shifts salts, heart failure lowers pressure and sodium.

    Source:
        Middle and scatter from the reference intervals of adults that laboratories state, as mean and a
        quarter of their width, somewhat wider for patients.
    """
    lack = max(0.0, (60.0 - egfr) / 60.0)
    systolic = rng.normal(131.0 - 8.0 * has_failure, 14.0)
    drawn = {
        "urea": 5.3 * math.exp(rng.normal(0.0, 0.18)) * (90.0 / egfr) ** 0.75,
        "sodium": rng.normal(139.5 - 1.5 * has_failure, 2.3),
        "potassium": rng.normal(4.1 + 0.6 * lack, 0.28),
        "chloride": rng.normal(103.0 + 2.0 * lack, 2.3),
        "bicarbonate": rng.normal(25.0 - 4.0 * lack, 1.7),
        "calcium": rng.normal(2.32 - 0.1 * lack, 0.08),
        "phosphate": rng.normal(1.12 + 0.4 * lack, 0.14),
        "lactate": rng.uniform(0.7, 1.6),
        "white_cells": 7.5 * math.exp(rng.normal(0.0, 0.25)),
        "haemoglobin": rng.normal(127.0 - 25.0 * lack - 8.0 * is_female, 14.0),
        "c_reactive_protein": 6.0 * math.exp(rng.normal(0.0, 0.8)),
        "heart_rate": rng.normal(77.0 + 4.0 * has_failure, 9.0),
        "systolic_pressure": systolic,
        "mean_pressure": 0.5 * systolic + rng.normal(26.0, 5.0),
        "temperature": rng.normal(36.7, 0.2),
    }
    creatinine = creatinine_of(egfr, age_years=age_years, is_female=is_female)
    return {"creatinine": creatinine, **{code: float(value) for code, value in drawn.items()}}


def _share(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
