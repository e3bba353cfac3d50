"""Filtration and creatinine of a steady patient: CKD-EPI 2021, solved both ways.

Source:
    Inker et al. 2021, "New creatinine- and cystatin C-based equations to estimate GFR without race".
"""

from typing import Final, NamedTuple

UMOL_L_PER_MG_DL: Final = 88.4
_SCALE, _YEARLY, _FEMALE, _ABOVE = 142.0, 0.9938, 1.012, -1.200


class _Hinge(NamedTuple):
    """Where the curve bends, in mg/dL, and its exponent below that."""

    kappa: float
    alpha: float


_WOMEN, _MEN = _Hinge(0.7, -0.241), _Hinge(0.9, -0.302)


def egfr_of(creatinine_umol_l: float, *, age_years: float, is_female: bool) -> float:
    """Return the estimated filtration, mL/min/1.73 m2."""
    hinge = _WOMEN if is_female else _MEN
    ratio = creatinine_umol_l / UMOL_L_PER_MG_DL / hinge.kappa
    return float(_at_hinge(age_years, is_female) * min(ratio, 1.0) ** hinge.alpha * max(ratio, 1.0) ** _ABOVE)


def creatinine_of(egfr: float, *, age_years: float, is_female: bool) -> float:
    """Return the creatinine in umol/L at which :func:`egfr_of` gives ``egfr``."""
    hinge = _WOMEN if is_female else _MEN
    share = egfr / _at_hinge(age_years, is_female)
    ratio = share ** (1.0 / (hinge.alpha if share > 1.0 else _ABOVE))
    return float(ratio * hinge.kappa * UMOL_L_PER_MG_DL)


def _at_hinge(age_years: float, is_female: bool) -> float:
    return float(_SCALE * _YEARLY**age_years * (_FEMALE if is_female else 1.0))
