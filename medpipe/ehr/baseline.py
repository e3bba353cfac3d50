"""The baseline creatinine against which a rise is judged: the largest free choice in labels of kidney injury.

No rule looks ahead: the baseline at a measurement rests on it and on earlier ones.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError, ShapeError
from medpipe.ehr.creatinine import UMOL_L_PER_MG_DL, check_creatinine
from medpipe.ehr.series import TIME_SLACK_H, Series
from medpipe.ehr.windows import trailing_minimum

ROLLING_WINDOW_H: Final = 168.0
HISTORY_FROM_H: Final = 365 * 24.0
HISTORY_UNTIL_H: Final = 7 * 24.0
ASSUMED_EGFR: Final = 75.0
"""mL/min/1.73 m2, where the function before admission is not known (KDIGO 2012, estimated baseline)."""

_ADULT_YEARS: Final = 18.0


class BaselineRule(StrEnum):
    """Where the baseline comes from.

    On the same patients an assumed eGFR of 75 can find nearly twice as many injuries as the value at
    admission: the rule is chosen and printed, never assumed.
    """

    HISTORY = "history"
    ADMISSION = "admission"
    EGFR75 = "egfr75"
    ROLLING_MINIMUM = "rolling-minimum"


class EgfrEquation(StrEnum):
    """From creatinine, age and sex to glomerular filtration; neither takes race."""

    CKD_EPI_2021 = "ckd-epi-2021"
    MDRD = "mdrd"


@dataclass(frozen=True, eq=False)
class Admission:
    """What a baseline needs besides the creatinine.

    Attributes:
        admission_h: Time of admission on the clock of the series.
        age_years: NaN where not known.
        is_female: None where not known.
        is_outpatient: ``(N,)`` which creatinine was taken outside hospital; None lets all earlier ones count
            as history.
        equation: Of the assumed eGFR.
    """

    admission_h: float = 0.0
    age_years: float = float("nan")
    is_female: bool | None = None
    is_outpatient: npt.NDArray[np.bool_] | None = None
    equation: EgfrEquation = EgfrEquation.CKD_EPI_2021


@dataclass(frozen=True, eq=False)
class Baseline:
    """A baseline at each creatinine, and whose rule gave it.

    Attributes:
        umol_l: ``(N,)``; NaN where neither rule gives one.
        is_fallback: ``(N,)`` where the second rule had to serve.
        rule: That was asked for.
        fallback: The second rule, if any.
    """

    umol_l: Array
    is_fallback: npt.NDArray[np.bool_]
    rule: BaselineRule
    fallback: BaselineRule | None

    @property
    def num_unknown(self) -> int:
        """Number of measurements without a baseline."""
        return int(np.isnan(self.umol_l).sum())


def baseline_at(
    creatinine_umol_l: Series,
    rule: BaselineRule,
    *,
    fallback: BaselineRule | None,
    admission: Admission,
    padding_h: float = 0.0,
) -> Baseline:
    """Return the baseline at each measurement by a rule and, where it gives none, by a second one.

    Args:
        creatinine_umol_l: ``(N,)`` measurements, history included.
        rule: To try first.
        fallback: For measurements where the rule gives NaN; None leaves them NaN.
        admission: Of the stay, and what is known of the patient.
        padding_h: See :func:`rolling_minimum_baseline`.

    Raises:
        ShapeError: A value is no creatinine, or a mask has another length.
        SettingsError: The fallback is the rule itself.
    """
    check_creatinine(creatinine_umol_l)
    if fallback == rule:
        raise SettingsError(
            Code.E_SETTINGS,
            "The fallback of a baseline is another rule than the first",
            found=f"{rule} twice",
            fix="Name another rule, or none.",
        )
    first = _by_rule(creatinine_umol_l, rule, admission, padding_h)
    if fallback is None:
        return Baseline(first, np.zeros(len(first), dtype=bool), rule, None)
    second = _by_rule(creatinine_umol_l, fallback, admission, padding_h)
    is_fallback = np.isnan(first) & ~np.isnan(second)
    return Baseline(np.where(is_fallback, second, first), is_fallback, rule, fallback)


def history_baseline(
    creatinine_umol_l: Series, *, admission_h: float, is_outpatient: npt.NDArray[np.bool_] | None = None
) -> Array:
    """Return ``(N,)`` the median of the measurements of 7 to 365 days before admission, both ends in it.

    It holds for every measurement after those 7 days begin, however long the stay: a rise above it counts as
    one of the last 7 days, as KDIGO lets one presume. NaN at earlier measurements, and without a history.

    Args:
        creatinine_umol_l: ``(N,)`` measurements.
        admission_h: Time of admission.
        is_outpatient: ``(N,)`` which of them may count; None: all.

    Raises:
        ShapeError: The mask has another length than the series.
    """
    time_h = creatinine_umol_l.time_h
    eligible = np.ones(len(time_h), dtype=bool) if is_outpatient is None else np.asarray(is_outpatient)
    if eligible.shape != time_h.shape:
        raise ShapeError(
            "The mask of outpatient measurements has one entry for each",
            found=f"shape {eligible.shape} for {len(time_h)} measurements",
        )
    opens, closes = admission_h - HISTORY_FROM_H, admission_h - HISTORY_UNTIL_H
    counts = eligible & (time_h >= opens - TIME_SLACK_H) & (time_h <= closes + TIME_SLACK_H)
    if not counts.any():
        return np.full(len(time_h), np.nan)
    median = np.median(creatinine_umol_l.values[counts])
    return np.where(time_h > closes + TIME_SLACK_H, median, np.nan)


def admission_baseline(creatinine_umol_l: Series, *, admission_h: float) -> Array:
    """Return ``(N,)`` the first value at or after admission; NaN at measurements before it."""
    inside = creatinine_umol_l.time_h >= admission_h - TIME_SLACK_H
    if not inside.any():
        return np.full(len(inside), np.nan)
    return np.where(inside, creatinine_umol_l.values[np.argmax(inside)], np.nan)


def rolling_minimum_baseline(creatinine_umol_l: Series, *, padding_h: float = 0.0) -> Array:
    """Return ``(N,)`` the least value of the last 7 days, the measurement itself included.

    Args:
        creatinine_umol_l: ``(N,)`` measurements.
        padding_h: Added to the 7 days, for samples that are entered late.
    """
    return trailing_minimum(creatinine_umol_l, ROLLING_WINDOW_H + padding_h)


def creatinine_at_egfr(
    egfr: float, *, age_years: float, is_female: bool | None, equation: EgfrEquation
) -> float:
    """Return the creatinine in umol/L at which an equation gives this filtration.

    Args:
        egfr: mL/min/1.73 m2, above zero.
        age_years: The result is NaN under 18 years, for which neither equation was made, and where NaN.
        is_female: The result is NaN where None.
        equation: To solve.

    Source:
        CKD-EPI without race: Inker et al. 2021, NEJM 385:1737. MDRD of four variables for standardised
        creatinine, its factor for race left out: Levey et al. 2006, Ann Intern Med 145:247.
    """
    if is_female is None or not age_years >= _ADULT_YEARS:
        return float("nan")
    if equation == EgfrEquation.MDRD:
        at_one_mg_dl = 175.0 * age_years**-0.203 * (0.742 if is_female else 1.0)
        return float((egfr / at_one_mg_dl) ** (-1 / 1.154) * UMOL_L_PER_MG_DL)
    kappa, alpha = (0.7, -0.241) if is_female else (0.9, -0.302)
    share = egfr / (142.0 * 0.9938**age_years * (1.012 if is_female else 1.0))
    # Filtration falls as creatinine rises: below the share at kappa, creatinine lies above kappa.
    power = -1 / 1.2 if share < 1 else 1 / alpha
    return float(kappa * share**power * UMOL_L_PER_MG_DL)


def _by_rule(creatinine_umol_l: Series, rule: BaselineRule, admission: Admission, padding_h: float) -> Array:
    match rule:
        case BaselineRule.HISTORY:
            return history_baseline(
                creatinine_umol_l,
                admission_h=admission.admission_h,
                is_outpatient=admission.is_outpatient,
            )
        case BaselineRule.ADMISSION:
            return admission_baseline(creatinine_umol_l, admission_h=admission.admission_h)
        case BaselineRule.EGFR75:
            assumed = creatinine_at_egfr(
                ASSUMED_EGFR,
                age_years=admission.age_years,
                is_female=admission.is_female,
                equation=admission.equation,
            )
            return np.full(len(creatinine_umol_l), assumed)
        case BaselineRule.ROLLING_MINIMUM:
            return rolling_minimum_baseline(creatinine_umol_l, padding_h=padding_h)
