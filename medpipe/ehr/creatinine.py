"""Serum creatinine: its units and what counts as a value."""

from typing import Final

import numpy as np

from medpipe.core.errors import ShapeError
from medpipe.ehr.series import Series

UMOL_L_PER_MG_DL: Final = 88.4
"""Molar mass of creatinine 113.12 g/mol, rounded as KDIGO 2012 rounds it."""

SEVERE_UMOL_L: Final = 353.6
"""4.0 mg/dL: stage 3 of an injury, and as a baseline a kidney that had failed before."""


def check_creatinine(creatinine_umol_l: Series) -> None:
    """Refuse values that are no creatinine.

    Raises:
        ShapeError: A value is NaN, infinite, zero or less.
    """
    values = creatinine_umol_l.values
    wrong = ~(np.isfinite(values) & (values > 0))
    if wrong.any():
        raise ShapeError(
            "Creatinine is a finite number above zero",
            found=f"{values[wrong][0]:g} umol/L, {int(wrong.sum())} of {len(values)} such values",
            fix="Leave out what was not measured.",
        )
