"""The predictions of the test part, in the form that the evaluation reads.

Letters: N steps, H horizons.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.risk_spread import RiskSpread
from medpipe.io.records.predictions import GROUPS, Predictions, make_predictions
from medpipe.training.kidney.truth import StepTruth


def predictions_of(
    truth: StepTruth,
    risks: RiskSpread,
    scores: Array,
    horizons_h: tuple[float, ...],
    groups: Mapping[str, Mapping[str, Any]],
) -> Predictions:
    """Return the predictions of N steps: a row a step and horizon.

    Args:
        truth: Whose steps they are, and what came.
        risks: ``(N, H)`` each.
        scores: ``(N, H)`` merged log-odds before calibration.
        horizons_h: H whole hours.
        groups: Of each patient: sex, age and unit, as far as they are known; see :func:`groups_of`.

    Raises:
        SettingsError: The rows break a rule of predictions; see :func:`make_predictions`.
    """
    number = len(horizons_h)
    rows = {
        "subject_id": truth.patients.tolist(),
        "stay": truth.stays.tolist(),
        "time_h": truth.time_h,
        "onset_h": truth.onset_h,
        **{
            name: [groups[patient].get(name) for patient in truth.patients.tolist()]
            for name in GROUPS
            if any(known.get(name) is not None for known in groups.values())
        },
    }
    return make_predictions(
        {
            **{name: np.repeat(np.asarray(column), number) for name, column in rows.items()},
            "horizon_h": np.tile(np.array(horizons_h), len(truth.time_h)).astype(np.int32),
            "probability": risks.probs.ravel(),
            "low": risks.low.ravel(),
            "high": risks.high.ravel(),
            "label": truth.outcomes.ravel(),
            "score": scores.ravel(),
        }
    )


_NAMES: Final = tuple(GROUPS)


def groups_of(items: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return sex, age and unit of each patient, those of the first stay; what is not known is left out.

    Args:
        items: Facts of prepared stays, a patient's in the order of time.
    """
    found: dict[str, dict[str, Any]] = {}
    for item in items:
        known = {name: item[name] for name in _NAMES if item.get(name) is not None}
        found.setdefault(item["patient"], known)
    return found
