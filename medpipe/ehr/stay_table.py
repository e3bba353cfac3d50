"""Steps of a stay as rows of a table, for models that have no memory, such as trees."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from medpipe.ehr.bucketing import Floats, StaySteps
from medpipe.ehr.kidney_state import KIDNEY_STATE
from medpipe.ehr.stay_statics import STATICS

PARTS: Final = ("last", "least", "greatest", "count", "hours_since")
"""What a row says of each variable, since admission."""


def table_columns(variables: Sequence[str]) -> list[str]:
    """Return the names of the F columns."""
    return [*(f"{name}_{part}" for part in PARTS for name in variables), *STATICS, "hours", *KIDNEY_STATE]


def table_rows(steps: StaySteps, statics: Floats, *, start_h: float) -> Floats:
    """Return ``(T, F)`` float32; NaN where not known. A row knows its step and those before.

    Args:
        steps: Of V variables.
        statics: ``(D,)`` NaN where not known.
        start_h: When the stay began.
    """
    since_h = np.where(np.isinf(steps.since_h), np.nan, steps.since_h)
    hours = (steps.end_h - start_h)[:, None]
    fixed = np.broadcast_to(statics, (len(hours), len(statics)))
    parts = (steps.carried, steps.least, steps.greatest, steps.counts, since_h, fixed, hours, steps.state)
    return np.concatenate(parts, axis=1, dtype=np.float32)
